"""/etc/tcp.smtp and its cdb: who may come, and who may relay."""

from __future__ import annotations

import os
import re
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator

from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, amend, quote
from qmail.operator.overview import open_regular

POINTERS = 256
HEADER_BYTES = 8 * POINTERS
LOCAL_RULE = """echo '127.:allow,RELAYCLIENT=""' >> {} && """
RELAY_FOR_ALL = re.compile(
    rb"(=|0-255\.|0\.0\.0\.0/0|\[::\]/0|::/0)?:allow(,.*)?,RELAYCLIENT="
)
"""A rule for everybody, or for everybody with a name."""
ASK_SECONDS = 15.0
"""A million rules take some two seconds."""
REFUSES = b"unable to parse this line: "
"""How tcprules says it."""


def check_rules(machine: Machine) -> Iterator[Finding]:
    """The cdb is there, whole, readable, and not older than the rules."""
    rules = machine.places.rules
    cdb = f"{rules}.cdb"
    again = compile_command(machine)
    if not os.path.isfile(cdb):
        first = "" if os.path.isfile(rules) else LOCAL_RULE.format(quote(rules))
        yield Finding("rules-cdb-missing", f"{cdb} does not exist", first + again)
    elif not os.stat(cdb).st_mode & stat.S_IROTH:
        yield Finding(
            "rules-cdb-unreadable",
            f"{cdb} cannot be read by all",
            f"chmod 644 {quote(cdb)}",
        )
    elif not is_whole(cdb):
        yield Finding("rules-cdb-broken", f"{cdb} is no whole cdb", again)
    elif os.path.isfile(rules) and os.stat(rules).st_mtime > os.stat(cdb).st_mtime:
        yield Finding("rules-cdb-old", f"{cdb} is older than {rules}", again)
    if os.path.exists(rules):
        yield from of_lines(machine)


def compile_command(machine: Machine) -> str:
    """``qmailctl cdb`` of the guide, where that is at hand and means these rules."""
    if not machine.places.prefix and os.path.exists("/usr/bin/qmailctl"):
        return "qmailctl cdb"
    rules = quote(machine.places.rules)
    return (
        f"{quote(f'{machine.places.local_bin}/tcprules')} {rules}.cdb {rules}.tmp"
        f" < {rules} && chmod 644 {rules}.cdb"
    )


def is_whole(path: str) -> bool:
    """True if every table of a cdb lies within it; see https://cr.yp.to/cdb/cdb.txt.

    OSError. A cdb may have 4 GB: its header tells, and its size.
    """
    with open_regular(path) as file:
        header = file.read(HEADER_BYTES)
        size = os.fstat(file.fileno()).st_size
    if len(header) < HEADER_BYTES:
        return False
    for start, slots in struct.iter_unpack("<II", header):
        if start < HEADER_BYTES or start + 8 * slots > size:
            return False
    return True


def of_lines(machine: Machine) -> Iterator[Finding]:
    """Lines that are no rules, and rules that make an open relay. OSError."""
    path = machine.places.rules
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            if RELAY_FOR_ALL.match(line):
                yield Finding(
                    "relay-for-all",
                    f"{path}, line {number} sets RELAYCLIENT for everybody",
                    without(machine, number),
                )
    refused = refused_line(machine)
    if refused:
        yield Finding(
            "rules-bad-line",
            f"{path}, line {refused} is no rule",
            without(machine, refused),
        )


def without(machine: Machine, number: int) -> str:
    """Make a comment of a line, and the cdb again."""
    script = f"{number}s/^[^#]/# &/"
    return f"{amend(machine.places.rules, script)} && {compile_command(machine)}"


def refused_line(machine: Machine) -> int:
    """The number of the line that tcprules(8) refuses; 0 if it takes them all. OSError.

    The program itself is asked, for what is a rule is its own to know.
    """
    with (
        open_regular(machine.places.rules) as rules,
        tempfile.TemporaryDirectory(prefix="doctor-") as scratch,
    ):
        try:
            done = subprocess.run(
                [f"{machine.places.local_bin}/tcprules", "cdb", "tmp"],
                stdin=rules,
                capture_output=True,
                cwd=scratch,
                env={},
                timeout=ASK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return 0
    if done.returncode == 0:
        return 0
    _, found, named = done.stderr.partition(REFUSES)
    if not found:
        return 0
    with open_regular(machine.places.rules) as rules:
        same = (n for n, line in enumerate(rules, 1) if line.rstrip() == named.rstrip())
        return next(same, 0)
