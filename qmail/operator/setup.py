"""``make setup``: install, or bring an installation up to date.

Idempotent: it makes what is missing, sets owners and modes, replaces programs by rename,
and never touches a control file, a rule file or a script of the operator's.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

from qmail.operator import (
    hier,
    interpreter,
    launchers,
    ownership,
    runtime,
    takeover,
    templates,
)
from qmail.operator.places import Owners, Places, SetupError
from qmail.operator.writing import write_by_rename

SOURCE = runtime.SOURCE


def main(argv: list[str]) -> int:
    """``setup [home]``; with PREFIX in the environment everything else lies below it."""
    os.umask(0o022)
    places = Places(
        home=argv[1] if len(argv) > 1 else os.environ.get("QMAIL_HOME", "/var/qmail"),
        prefix=os.environ.get("PREFIX", ""),
    )
    try:
        if os.geteuid() != 0:
            raise SetupError("must be run by root\n...try: sudo make setup check")
        install(places, Owners(), wheels=os.environ.get("WHEELS"))
        for notice in takeover.notices(places):
            print(f"setup: warning: {notice}")
    except SetupError as error:
        print(f"setup: fatal: {error}", file=sys.stderr)
        return 111
    except OSError as error:
        print(f"setup: fatal: {hindrance(error)}", file=sys.stderr)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            disks = f"{places.home} {places.prefix}/usr/local /tmp"
            print(f"...try: df {disks}", file=sys.stderr)
        return 111
    return 0


def hindrance(error: OSError) -> str:
    """What hindered it, and how to move away what is in the place of something else."""
    # Of a rename the second name is what was to be replaced.
    path = os.fsdecode(error.filename2 or error.filename or "")
    is_real = bool(path) and not os.path.islink(path)
    if error.errno == errno.EISDIR and is_real and os.path.isdir(path):
        return f"{path} exists and is a directory{ownership.moving_away(path)}"
    if error.errno == errno.EEXIST and is_real and os.path.isfile(path):
        return f"{path} exists and is no directory{ownership.moving_away(path)}"
    where = f" {path}" if path else ""
    return f"unable to install{where}: {error.strerror or error}"


def install(places: Places, owners: Owners, wheels: str | None = None) -> str:
    """Do it all; the lib directory of the runtime. SetupError or OSError on trouble."""
    complaint = interpreter.complaint()
    if complaint is not None and not owners.trial:
        raise SetupError(
            f"the daemons could not start this interpreter: {complaint}\n"
            "...try: PYTHON=/usr/bin/python3 make setup check"
        )
    python = interpreter.versioned(sys.executable)
    for entry in (*hier.directories(), *hier.queue_files()):
        ownership.make(places.home, entry, owners)
    lib = runtime.build(places.runtimes, python, wheels)
    replaced = runtime.named_by(places.home, places.runtimes)
    runtime.register(places.runtimes, places.home)
    install_launchers(places, owners, python, lib)
    runtime.retire(places.runtimes, replaced)
    install_boot_scripts(places, owners)
    install_documents(places, owners)
    install_queue_service(places, owners)
    link_queue_service(places)
    # A trial instance has no users but who works on it, and many versions a day.
    keep = 0.0 if owners.trial else runtime.KEEP_SECONDS
    runtime.remove_old(places.runtimes, lib, keep)
    return lib


def install_launchers(places: Places, owners: Owners, python: str, lib: str) -> None:
    """Write every program's launcher: bin/ of the home, /command, /usr/local/bin."""
    every = chain(
        launchers.of_qmail(places, owners),
        launchers.of_daemontools(places, owners),
        launchers.of_ucspi(places, owners),
        launchers.of_operator(places, owners),
    )
    links = launchers.links_of_daemontools(places)
    launchers.install(every, links, places, python, lib)


def install_boot_scripts(places: Places, owners: Owners) -> None:
    """Write the ten boot scripts for this home."""
    for entry in hier.boot_files():
        text = (SOURCE / entry.path).read_bytes()
        data = text.replace(b"/var/qmail", os.fsencode(places.home))
        uid, gid = owners.uid(entry.owner), owners.gid(entry.group)
        path = os.path.join(places.home, entry.path)
        write_by_rename(path, data, entry.mode, uid, gid)


def install_documents(places: Places, owners: Owners) -> None:
    """Install man pages, formatted ones too where the machine has a formatter."""
    uid, gid = owners.uid("root"), owners.gid("qmail")
    formatter = next(
        (
            command
            for command in (["mandoc", "-T", "utf8"], ["groff", "-mdoc", "-Tutf8"])
            if shutil.which(command[0])
        ),
        None,
    )
    for page in sorted((SOURCE / "man").glob("man?/*.?")):
        section = page.parent.name[3:]
        target = f"{places.home}/man/man{section}/{page.name}"
        if not same_content(target, page.read_bytes()):
            write_by_rename(target, page.read_bytes(), 0o644, uid, gid)
            if formatter is not None:
                done = subprocess.run(
                    [*formatter, str(page)], capture_output=True, check=False
                )
                base = page.name.rpartition(".")[0]
                target = f"{places.home}/man/cat{section}/{base}.0"
                write_by_rename(target, done.stdout, 0o644, uid, gid)
    for name in ("README.md", "SECURITY.md", "INSTALL.ids"):
        document = SOURCE / name
        if document.exists():
            path = f"{places.home}/doc/{name}"
            write_by_rename(path, document.read_bytes(), 0o644, uid, gid)


def same_content(path: str, data: bytes) -> bool:
    """True if the file is there with exactly that content."""
    try:
        return Path(path).read_bytes() == data
    except OSError:
        return False


def install_queue_service(places: Places, owners: Owners) -> None:
    """The service directory of qmail-queued, unless the operator has one already."""
    uid, gid = owners.uid("root"), owners.gid("root")
    make_log_directory(places.queued_log, owners, owners.gid("nofiles"))
    directory = os.path.join(places.home, "supervise/qmail-queued")
    os.makedirs(os.path.join(directory, "log"), mode=0o755, exist_ok=True)
    for name in templates.RUN_FILES:
        path = os.path.join(directory, name)
        if not os.path.exists(path):
            data = templates.render(f"qmail-queued/{name}", templates.paths(places))
            write_by_rename(path, data, 0o755, uid, gid)


def make_log_directory(path: str, owners: Owners, gid: int = -1) -> None:
    """A directory for qmaill's multilog; one that is somebody's stays his.

    SECURITY: it may lie in another one of qmaill's, who can put a link there. A link is
    left as it is: where the operator made it, the directory behind it is his affair.
    """
    os.makedirs(path, mode=0o755, exist_ok=True)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except OSError:
        if os.path.islink(path):
            return
        raise
    try:
        if os.fstat(fd).st_uid == owners.uid("root"):
            # It is new, or an installation was interrupted just here.
            os.fchown(fd, owners.uid("qmaill"), gid)
    finally:
        os.close(fd)


def link_queue_service(places: Places) -> None:
    """Link qmail-queued into /service, if there are both."""
    link = os.path.join(places.service, places.queued)
    directory = os.path.join(places.home, "supervise/qmail-queued")
    if not os.path.isdir(places.service) or not os.path.isdir(directory):
        return
    if not os.path.lexists(link):
        os.symlink(directory, link)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
