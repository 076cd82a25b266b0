"""qmail-showctl: say what the configuration means.

Contract     no arguments; text on stdout. 0; 111 if the control directory or control/me
             cannot be read. One file that cannot be read is said in its place.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.exits import TEMPORARY
from pytools.base.fds import write_all
from pytools.base.options import scan_ulong
from qmail.control import files, ids
from qmail.control.table import KNOWN, LINE, LIST, ME, TABLE, ControlFile
from qmail.queue.layout import SPLIT
from qmail.spawn.records import SPAWN_LIMIT

TROUBLE = b"Oops! Trouble reading this file.\n"


def main(argv: list[bytes]) -> int:
    """Print it all."""
    try:
        return _report()
    except OSError:
        # COMPAT: what cannot be written is trouble, too; the original says 0.
        return TEMPORARY


def _report() -> int:
    write_all(1, compiled())
    try:
        posix.chdir(runtime.home)
        names = sorted(posix.listdir(b"control"))
    except OSError:
        write_all(1, b"Oops! Unable to read %b/control.\n" % runtime.home)
        return TEMPORARY
    try:
        me = files.readline(b"me")
    except OSError:
        write_all(1, b"Oops! Trouble reading control/me.\n")
        return TEMPORARY
    for file in TABLE:
        write_all(1, b"\n%b: %b" % (file.name.encode(), meaning(file, me)))
        if file.name == "morercpthosts":
            write_all(1, b"\nmorercpthosts.cdb: " + cdb_state())
    for name in names:
        if name.decode("utf-8", "replace") not in KNOWN:
            write_all(1, b"\n%b: I have no idea what this file does.\n" % safe(name))
    return 0


def compiled() -> bytes:
    """What is not in a control file: the home, the constants, the users."""
    lines = [
        b"qmail home directory: %b.\n" % runtime.home,
        b"user-ext delimiter: -.\n",
        b"paternalism (in decimal): 2.\n",
        b"silent concurrency limit: %d.\n" % SPAWN_LIMIT,
        b"subdirectory split: %d.\n" % SPLIT,
    ]
    try:
        known = ids.lookup()
    except ids.UnknownAccount as error:
        lines.append(b"Oops! There is no user or group %b.\n" % error.name)
        return b"".join(lines)
    users = (
        *(known.alias, known.qmaild, known.qmaill, known.root),
        *(known.qmailp, known.qmailq, known.qmailr, known.qmails),
    )
    groups = (known.nofiles, known.qmail)
    lines.append(b"user ids: %b.\n" % b", ".join(b"%d" % uid for uid in users))
    lines.append(b"group ids: %b.\n" % b", ".join(b"%d" % gid for gid in groups))
    return b"".join(lines)


def meaning(file: ControlFile, me: bytes | None) -> bytes:
    """What follows the name of the file."""
    try:
        if file.kind == LIST:
            return list_meaning(file)
        line = files.readline(file.name.encode())
    except OSError:
        return TROUBLE
    says = file.says.encode()
    if line is None or (file.kind != LINE and not scan_ulong(line)[1]):
        # A default of "me" without a control/me is the file's own name, which shows.
        value = (
            me or file.name.encode() if file.default == ME else file.default.encode()
        )
        return b"(Default.) " + says % value + b"\n"
    value = line if file.kind == LINE else b"%d" % scan_ulong(line)[0]
    return says % safe(value) + b"\n"


def list_meaning(file: ControlFile) -> bytes:
    """The lines of a list, or what its absence means."""
    lines = files.readfile(file.name.encode())
    if lines is None:
        return b"(Default.) %b\n" % file.absent.encode()
    says = file.says.encode()
    return b"\n" + b"".join(says % safe(line) + b"\n" for line in lines)


def cdb_state() -> bytes:
    """Whether morercpthosts.cdb belongs to morercpthosts."""
    text = modified(b"control/morercpthosts")
    cdb = modified(b"control/morercpthosts.cdb")
    if text is None:
        if cdb is None:
            return b"(Default.) No effect.\n"
        return b"Oops! morercpthosts.cdb exists but morercpthosts doesn't.\n"
    if cdb is None:
        return b"Oops! morercpthosts exists but morercpthosts.cdb doesn't.\n"
    if text > cdb:
        return b"Oops! morercpthosts.cdb is older than morercpthosts.\n"
    return b"Modified recently enough; hopefully up to date.\n"


def modified(path: bytes) -> float | None:
    """The time of the last change of a file, or None."""
    try:
        return posix.stat(path).st_mtime
    except OSError:
        return None


def safe(text: bytes) -> bytes:
    """Only what is printable, so that a file cannot draw on the terminal."""
    return bytes(byte if 32 <= byte < 127 else 95 for byte in text)
