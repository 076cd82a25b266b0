"""What setup made, and the guide's scripts and log directories: there, whose, how."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace

from qmail.operator import hier, instcheck, overview, takeover
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, amend, edit, quote, read, text
from qmail.operator.places import HOME, Owners
from qmail.operator.runtime import SOURCE

GUIDE_SERVICES = ("qmail-send", "qmail-smtpd")
RUN_FILES = ("run", "log/run")
MANY = 4
"""Neighbours with the same trouble; more of them share one finding."""
LITERAL_CAT = re.compile(
    r"""qmail-start(?:\s|\\\n)+('[`'\u00b4\u2018]?\s*cat\s[^'\n]*'|"""
    r""""['\u00b4\u2018]?\s*cat\s[^"`\n]*")"""
)
"""Its first word, in quotes in which the shell executes nothing."""
CAT = re.compile(r"""['"`\u00b4\u2018]*\s*(cat\s[\w/. -]+?)\s*['"`\u00b4\u2019]*""")
MISSING, OWNER, GROUP, MODE, TYPE = (
    "does not exist",
    "has wrong owner",
    "has wrong group",
    "has wrong permissions",
    "has wrong type",
)
"""How instcheck says it."""
OTHER_VERSION = " is of another version"


def check_home(machine: Machine) -> Iterator[Finding]:
    """Everything below the home, with its owner, group and mode."""
    if machine.owners is None:
        return
    found: dict[tuple[str, str, str], list[Finding]] = {}
    try:
        for path, one in of_entries(machine, machine.owners):
            key = (one.code, os.path.dirname(path), one.what.removeprefix(path))
            found.setdefault(key, []).append(one)
    finally:
        for same in found.values():
            if len(same) <= MANY:
                yield from same
                continue
            what = f"{same[0].what} (and {len(same) - 1} more beside it)"
            yield replace(same[0], what=what, remedy=setup(machine))


def of_entries(machine: Machine, owners: Owners) -> Iterator[tuple[str, Finding]]:
    """Path after path; where a directory is missing, so is all that belongs into it."""
    gone: list[str] = []
    for entry in (
        *hier.directories(),
        *hier.queue_files(),
        *hier.program_files(),
        *hier.boot_files(),
    ):
        if any(entry.path.startswith(above) for above in gone):
            continue
        path = os.path.normpath(os.path.join(machine.home, entry.path))
        words = {
            line.removeprefix(path).lstrip(" ")
            for line in instcheck.of_entry(machine.home, entry, owners)
        }
        if words & {MISSING, TYPE}:
            gone.append(f"{entry.path}/" if entry.path != "." else "")
        for finding in of_entry(machine, path, entry, words):
            yield path, finding


def of_entry(
    machine: Machine, path: str, entry: hier.Entry, words: set[str]
) -> Iterator[Finding]:
    """The findings for what instcheck says of a path."""
    name = quote(path)
    if MISSING in words:
        yield Finding("path-missing", f"{path} does not exist", setup(machine))
        return
    if TYPE in words:
        # SECURITY: a link in this place must not lead chown or chmod elsewhere.
        yield Finding(
            "wrong-type",
            f"{path} is no {entry.kind}",
            f"mv -T {name} {quote(path + '.wrong')} && {setup(machine)}",
        )
        return
    through = "" if entry.may_be_link else "-h "
    if OWNER in words:
        yield wrong_owner(path, entry.owner, through)
    if GROUP in words:
        yield Finding(
            "wrong-group",
            f"{path} has wrong group, should be {entry.group}",
            f"chgrp {through}{entry.group} {name}",
        )
    if MODE in words:
        yield wrong_mode(path, entry.mode)


def setup(machine: Machine) -> str:
    """The command that makes what is missing."""
    return machine.make("setup check")


def wrong_owner(path: str, owner: str, option: str = "") -> Finding:
    """A finding in the words that the guide shows."""
    return Finding(
        "wrong-owner",
        f"{path} has wrong owner, should be {owner}",
        f"chown {option}{owner} {quote(path)}",
    )


def wrong_mode(path: str, mode: int) -> Finding:
    """The mode is not what setup gives."""
    # GNU chmod takes those bits from a directory only where five digits say so.
    stray = os.stat(path).st_mode & ~mode & (stat.S_ISUID | stat.S_ISGID)
    return Finding(
        "wrong-mode",
        f"{path} has wrong mode, should be {mode:o}",
        f"chmod {f'{mode:05o}' if stray else f'{mode:o}'} {quote(path)}",
    )


def check_queue(machine: Machine) -> Iterator[Finding]:
    """No message lies where no program looks for it. OSError."""
    if not takeover.is_split_otherwise(machine.places):
        return
    scan = machine.places.service
    pair = f"{quote(f'{scan}/qmail-send')} {quote(f'{scan}/{machine.places.queued}')}"
    repair = "pyqmail queue check --repair"
    yield Finding(
        "queue-split",
        f"{machine.home}/queue is not split by {hier.SPLIT}",
        f"svc -d -w D -T 300 {pair} && {repair} && svc -u {pair}"
        if os.path.isdir(scan)
        else "pyqmail queue check",
    )


def programs(machine: Machine) -> Iterator[str]:
    """The paths of all programs, those in bin/ too."""
    places = machine.places
    for name in hier.qmail_programs():
        yield f"{places.home}/bin/{name}"
    for name in hier.daemontools_programs():
        yield f"{places.command}/{name}"
        yield f"{places.local_bin}/{name}"
    for name in hier.ucspi_programs():
        yield f"{places.local_bin}/{name}"


def check_programs(machine: Machine) -> Iterator[Finding]:
    """daemontools and ucspi-tcp, and that all programs are of one version."""
    if machine.owners is None:
        return
    every = list(programs(machine))
    for path in every:
        if path.startswith(f"{machine.home}/"):
            continue
        words = {
            line.removeprefix(f"{path} ")
            for line in instcheck.of_program(path, machine.owners)
        }
        if MISSING in words:
            yield Finding("path-missing", f"{path} does not exist", setup(machine))
        if OWNER in words:
            yield wrong_owner(path, "root")
        if MODE in words:
            yield wrong_mode(path, 0o755)
    # Another file in the place of a program may be meant: a wrapper, an original.
    others = [
        line.removesuffix(OTHER_VERSION)
        for line in instcheck.of_launchers(every)
        if line.endswith(OTHER_VERSION)
    ]
    if others:
        more = f" (and {len(others) - MANY} more)" if len(others) > MANY else ""
        verb = " is of" if len(others) == 1 else " are of"
        yield Finding(
            "program-version",
            f"{', '.join(others[:MANY])}{more}{verb} another version",
            setup(machine),
        )


def check_scripts(machine: Machine) -> Iterator[Finding]:
    """rc, qmailctl and all run files: there, executable, text that a shell can read."""
    home, service = machine.home, machine.places.service
    templates = {f"{home}/rc": "rc", f"{home}/bin/qmailctl": "qmailctl"}
    for name in (*GUIDE_SERVICES, "qmail-queued"):
        for run in RUN_FILES:
            templates[f"{home}/supervise/{name}/{run}"] = f"{name}/{run}"
    for path, template in templates.items():
        if not os.path.isfile(path) or os.stat(path).st_size == 0:
            yield script_missing(machine, path, template)
        else:
            yield from of_script(machine, path)
    seen = {os.path.realpath(path) for path in templates}
    for name in service_names(machine):
        for run in RUN_FILES:
            path = f"{service}/{name}/{run}"
            if os.path.realpath(path) in seen:
                continue
            if os.path.isfile(path) and os.stat(path).st_size:
                yield from of_script(machine, path)
            elif os.path.isdir(os.path.dirname(path)):
                yield Finding(
                    "script-missing",
                    f"{path} {why_missing(path)}",
                    f"ls -la {quote(os.path.dirname(path))}",
                )


def script_missing(machine: Machine, path: str, template: str) -> Finding:
    """The remedy is the guide's own script, where it names the guide's own places."""
    source = SOURCE / "service-templates" / template
    remedy = f"install -D -m 755 {quote(str(source))} {quote(path)}"
    if machine.home != machine.path(HOME):
        remedy = f"less {quote(str(source))}"
    return Finding("script-missing", f"{path} {why_missing(path)}", remedy)


def why_missing(path: str) -> str:
    """What is wrong with a script that cannot be one."""
    if os.path.isfile(path):
        return "is empty"
    return "is no file" if os.path.lexists(path) else "does not exist"


def service_names(machine: Machine) -> list[str]:
    """What svscan sees in its directory."""
    try:
        listed = sorted(os.listdir(machine.places.service))
    except (FileNotFoundError, NotADirectoryError):
        return []
    base = machine.places.service
    return [n for n in listed if n[:1] != "." and os.path.isdir(f"{base}/{n}")]


def of_script(machine: Machine, path: str) -> Iterator[Finding]:
    """What keeps a script that is there from running.

    SECURITY: root may run services of others, who can put a link in a script's place.
    """
    name = quote(path)
    look = None if machine.is_in_roots_hands(path) else f"namei -l {name}"
    if not os.stat(path).st_mode & stat.S_IXUSR:
        yield Finding(
            "script-not-executable",
            f"{path} is not executable",
            look or f"chmod 755 {name}",
        )
    head = read(path)
    if b"\r\n" in head:
        yield Finding(
            "script-cr",
            f"{path} has CR at the end of lines",
            look or amend(path, "s/\\r$//"),
        )
    if not head.startswith((b"#!", b"\x7fELF")):
        yield Finding(
            "script-no-interpreter",
            f"{path} does not begin with #!",
            look or amend(path, "1i #!/bin/sh"),
        )
    if path == f"{machine.home}/rc":
        yield from of_rc(path, text(head), look)


def of_rc(path: str, script: str, look: str | None) -> Iterator[Finding]:
    """The default delivery is what a file says, not the command that would show it.

    The guide has a note of it: the quotes are backquotes.
    """
    lines = [line for line in script.split("\n") if not line.lstrip().startswith("#")]
    code = "\n".join(lines)
    found = LITERAL_CAT.search(code)
    if found is None or any(code.count(q, 0, found.start()) % 2 for q in "'\""):
        # What is in quotes as a whole is another shell's.
        return
    command = CAT.fullmatch(found[1])
    remedy = edit(path)
    if command:
        old = re.sub(r"([][\\.*^$,])", r"\\\1", found[1])
        remedy = amend(path, f's,{old},"`{command[1]}`",')
    yield Finding(
        "rc-literal-cat",
        f"{path} has qmail-start deliver to {found[1]}, which is not executed",
        look or f"{remedy} && svc -t /service/qmail-send",
    )


def log_directories(machine: Machine) -> list[str]:
    """Those of the guide and of the queue server, and what other log/run files name."""
    places = machine.places
    found = [
        f"{places.var_log}/qmail",
        f"{places.var_log}/qmail/smtpd",
        places.queued_log,
    ]
    for name in service_names(machine):
        directory = overview.log_of(places, name)
        if directory and directory not in found:
            found.append(directory)
    return found


def check_logs(machine: Machine) -> Iterator[Finding]:
    """The log directories belong to qmaill, and what multilog writes in them."""
    if machine.owners is None:
        return
    uid = machine.owners.uid("qmaill")
    for path in log_directories(machine):
        yield from of_log(machine, path, uid)


def of_log(machine: Machine, path: str, uid: int) -> Iterator[Finding]:
    """One log directory.

    SECURITY: qmaill can put a link in any place in a directory of its own, /var/log/qmail
    for one. Root follows no such link, nor gives away a file that has another name.
    """
    name = quote(path)
    link = machine.strange_link(path)
    option = "" if machine.is_in_roots_hands(path) else "-h "
    if not os.path.isdir(path):
        if os.path.lexists(path):
            what = "leads nowhere" if os.path.islink(path) else "is no directory"
            yield Finding("log-link", f"{path} {what}", f"namei -l {name}")
        else:
            yield Finding(
                "log-missing",
                f"{path} does not exist",
                f"namei -l {quote(link)}"
                if link
                else f"mkdir -p {name} && chown {option}qmaill {name}",
            )
        return
    if link:
        if os.stat(path).st_uid != uid:
            yield Finding(
                "log-link",
                f"{link} is a link, and what it leads to, {os.path.realpath(path)}, "
                "does not belong to qmaill",
                f"namei -l {name}",
            )
        return
    if os.stat(path).st_uid != uid:
        yield wrong_log_owner(path, option)
    for part in (f"{path}/current", f"{path}/lock", f"{path}/state"):
        try:
            now = os.lstat(part)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(now.st_mode) or now.st_nlink > 1:
            if now.st_uid != uid:
                yield Finding(
                    "log-link", f"{part} is a link", f"ls -li {name} {quote(part)}"
                )
        elif now.st_uid != uid:
            yield wrong_log_owner(part, "-h ")


def wrong_log_owner(path: str, option: str) -> Finding:
    """multilog(8) cannot write there."""
    return Finding(
        "log-owner",
        f"{path} has wrong owner, should be qmaill",
        f"chown {option}qmaill {quote(path)}",
    )
