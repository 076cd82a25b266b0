"""The seven users and two groups of INSTALL.ids."""

from __future__ import annotations

from collections.abc import Iterator

from qmail.operator.accounts import group_of, home_of
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine
from qmail.operator.places import GROUPS, USERS


def check_accounts(machine: Machine) -> Iterator[Finding]:
    """All are there, each user in its one group."""
    gids: dict[str, int] = {}
    for name in GROUPS:
        try:
            gids[name] = machine.getgrnam(name).gr_gid
        except KeyError:
            yield Finding(
                "group-missing", f"group {name} does not exist", f"groupadd {name}"
            )
    for name in USERS:
        group = group_of(name)
        try:
            gid = machine.getpwnam(name).pw_gid
        except KeyError:
            yield Finding(
                "user-missing",
                f"user {name} does not exist",
                f"useradd {name} -g {group} -d {home_of(name)} -s /usr/sbin/nologin",
            )
            continue
        if gid != gids.get(group, gid):
            yield Finding(
                "user-wrong-group",
                f"user {name} is not in the group {group}",
                f"usermod -g {group} {name}",
            )
