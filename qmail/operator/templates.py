"""Service directories and scripts from service-templates/, for one installation.

For the guide's places they come out byte for byte as the guide has them. For others the
paths are replaced; a trial instance also loses what only root may do.
"""

from __future__ import annotations

import re

from qmail.operator.places import Places
from qmail.operator.runtime import SOURCE

TRIAL_ADDRESS = "127.0.0.1"
RUN_FILES = ("run", "log/run")


def paths(places: Places) -> dict[str, str]:
    """The guide's paths, and what stands for them here."""
    return {
        "/var/log/": places.var_log + "/",
        "/var/log/qmail-queued": places.queued_log,
        "/var/qmail": places.home,
        "/usr/local/bin": places.local_bin,
        "/etc/tcp.smtp": places.rules,
    }


def trial(places: Places, port: int, sink_port: int) -> dict[str, str]:
    """The same for a trial instance: one user, who may change to no other."""
    return {
        "/usr/local/bin/setuidgid qmaill ": "",
        "/usr/local/bin/setuidgid qmailq ": "",
        "`id -u qmaild`": "`id -u`",
        "`id -g qmaild`": "`id -g`",
        '-u "$QMAILDUID" -g "$NOFILESGID" 0 smtp': f"{TRIAL_ADDRESS} {port}",
        "127.0.0.1 2526": f"{TRIAL_ADDRESS} {sink_port}",
        **paths(places),
    }


def render(name: str, changes: dict[str, str]) -> bytes:
    """A template with the changes made, all at once: none sees what another made."""
    text = (SOURCE / "service-templates" / name).read_text()
    first = sorted(changes, key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in first)
    return re.sub(pattern, lambda found: changes[found[0]], text).encode(
        errors="surrogateescape"
    )
