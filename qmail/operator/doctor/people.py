"""Those who get mail: the users' homes and Maildirs, and the system's aliases."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator

from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote, text

ALIASES = ("root", "postmaster", "mailer-daemon", "abuse")
LINKED = ("mailer-daemon", "abuse")
PARTS = ("tmp", "new", "cur")
PATERNALISM = 0o002
"""conf-patrn: what nobody else may do to a home."""
MANY = 8
"""Users with the same trouble; more of them share one finding."""


def check_users(machine: Machine) -> Iterator[Finding]:
    """Each user can get mail where control/defaultdelivery says."""
    if os.path.exists(f"{machine.home}/users/cdb"):
        # The operator says there whose mail goes where.
        return
    maildirs = default_maildirs(machine)
    without: list[pwd.struct_passwd] = []
    for user in machine.users():
        home = machine.path(user.pw_dir)
        now = os.stat(home)
        if now.st_uid != user.pw_uid:
            # A home that is nobody's, or that some share, may be meant.
            if now.st_uid == 0 and user.pw_dir.endswith(f"/{user.pw_name}"):
                yield Finding(
                    "home-owner",
                    f"{user.pw_dir}, the home of {user.pw_name}, is root's",
                    f"chown {quote(user.pw_name)} {quote(home)}",
                )
            continue
        if now.st_mode & PATERNALISM:
            yield Finding(
                "home-writable",
                f"{user.pw_dir}, the home of {user.pw_name}, can be changed by others",
                f"chmod o-w {quote(home)}",
            )
        for maildir in maildirs:
            place = os.path.normpath(os.path.join(home, maildir))
            if os.path.lexists(place):
                yield from of_maildir(machine, user, maildir, place)
            elif not os.path.lexists(f"{home}/.qmail"):
                without.append(user)
                break
    for at in range(0, len(without), MANY if len(without) > MANY else 1):
        step = MANY if len(without) > MANY else 1
        yield missing(machine, without[at : at + step], maildirs[0])


def default_maildirs(machine: Machine) -> list[str]:
    """The Maildirs in the home that the default delivery names."""
    data = machine.control_file("defaultdelivery") or b""
    lines = [text(line.rstrip(b" \t\r")) for line in data.split(b"\n")]
    return [line for line in lines if line.startswith("./") and line.endswith("/")]


def missing(machine: Machine, users: list[pwd.struct_passwd], maildir: str) -> Finding:
    """Users without a Maildir; each is to make his own."""
    make = quote(f"{machine.home}/bin/maildirmake ~/{maildir.strip('./')}")
    names = [user.pw_name for user in users]
    if len(names) == 1:
        remedy = f"su {quote(names[0])} -s /bin/sh -c {make}"
    else:
        words = " ".join(map(quote, names))
        remedy = f'for u in {words}; do su "$u" -s /bin/sh -c {make}; done'
    return Finding("maildir-missing", f"{', '.join(names)}: no {maildir}", remedy)


def of_maildir(
    machine: Machine, user: pwd.struct_passwd, maildir: str, place: str
) -> Iterator[Finding]:
    """It is whole, and the user's.

    SECURITY: the home is the user's, who may put a link in any place. Root changes
    nothing behind one, and no files, which may have another name elsewhere; what is made
    there is made by the user.
    """
    shown = os.path.normpath(os.path.join(user.pw_dir, maildir))
    name = quote(user.pw_name)
    parts = [place, *(f"{place}/{part}" for part in PARTS)]
    foreign = []
    for part in parts:
        try:
            if os.lstat(part).st_uid != user.pw_uid:
                foreign.append(part)
        except (FileNotFoundError, NotADirectoryError):
            continue
    if foreign:
        yield Finding(
            "maildir-owner",
            f"{shown} is not all {user.pw_name}'s own",
            f"chown -h {name}: {' '.join(map(quote, foreign))}",
        )
    if not os.path.isdir(place):
        yield Finding(
            "maildir-broken",
            f"{shown} is no directory",
            f"su {name} -s /bin/sh -c "
            + quote(
                f"mv {quote(place)} {quote(place + '.mbox')} && "
                f"{machine.home}/bin/maildirmake {quote(place)}"
            ),
        )
        return
    lacking = [part for part in PARTS if not os.path.isdir(f"{place}/{part}")]
    if lacking:
        where = " ".join(quote(f"{place}/{part}") for part in lacking)
        yield Finding(
            "maildir-broken",
            f"{shown} has no {', '.join(lacking)}",
            f"su {name} -s /bin/sh -c {quote(f'mkdir -m 700 {where}')}",
        )


def check_aliases(machine: Machine) -> Iterator[Finding]:
    """The system's aliases exist, and the user alias can read them."""
    administrator = "YOU"
    real = [user.pw_name for user in machine.users()]
    if len(real) == 1:
        administrator = real[0]
    for name in ALIASES:
        path = f"{machine.home}/alias/.qmail-{name}"
        if not os.path.isfile(path):
            if name in LINKED:
                remedy = f"ln -sf .qmail-postmaster {quote(path)}"
            else:
                remedy = (
                    f"echo {administrator} > {quote(path)} && chmod 644 {quote(path)}"
                )
            yield Finding("alias-missing", f"{path} does not exist", remedy)
            continue
        now = os.stat(path)
        readable = now.st_mode & stat.S_IROTH
        if machine.owners and now.st_uid == machine.owners.uid("alias"):
            readable = now.st_mode & stat.S_IRUSR
        if not readable:
            yield Finding(
                "alias-unreadable",
                f"{path} cannot be read by the user alias",
                f"chmod 644 {quote(path)}",
            )
        elif now.st_mode & stat.S_IWOTH:
            yield Finding(
                "alias-writable",
                f"{path} can be changed by all",
                f"chmod 644 {quote(path)}",
            )
