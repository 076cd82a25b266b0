"""qmail-upq: put the files of a queue where this qmail looks for them.

Contract     no argument. A queue that was made with another number of subdirectories
             (conf-split), or before there were any, is sorted into ours. 0; 111 when
             qmail-send runs, a file cannot be moved, or its new place is taken.
States       none changes: a message is the same files before and after, and nobody
             looks while they move. What a crash has left undone, the next run does.
"""

from __future__ import annotations

import posix

from pytools.base import durable, runtime
from pytools.base.exits import TEMPORARY, Strerr
from pytools.base.locks import lock_ex_nb
from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PROG = Strerr(b"qmail-upq")
_REGULAR = 0o100000
_DIRECTORY = 0o040000


def main(argv: list[bytes]) -> int:
    """Move what is not where it belongs."""
    directory = runtime.home + b"/" + layout.QUEUE
    try:
        posix.chdir(directory)
    except OSError as error:
        raise PROG.fatal(b"unable to chdir to ", directory, error=error) from None
    _lock()
    in_place = True
    for kind in layout.SPLIT_KINDS:
        try:
            in_place &= _sort(kind)
        except OSError as error:
            raise PROG.fatal(b"unable to sort ", kind, error=error) from None
    return 0 if in_place else TEMPORARY


def _lock() -> None:
    """Take qmail-send's own lock, for as long as this process lives."""
    try:
        lock_ex_nb(posix.open(layout.LOCK, posix.O_WRONLY | posix.O_CLOEXEC))
    except BlockingIOError:
        raise PROG.fatal(b"qmail-send is running") from None
    except OSError as error:
        raise PROG.fatal(b"unable to lock ", layout.LOCK, error=error) from None


def _sort(kind: bytes) -> bool:
    """Move the files of a kind; False if one stays where it is."""
    touched = set()
    all_moved = True
    for directory, number in list(_files(kind)):
        place = b"%b/%d" % (kind, layout.split(number))
        if directory == place:
            continue
        old, new = (b"%b/%d" % (where, number) for where in (directory, place))
        if _exists(new):
            # COMPAT: the original writes over it, and one of two messages is gone.
            PROG.warn(b"unable to move ", old, b": ", new, b" is there")
            all_moved = False
            continue
        posix.rename(old, new)
        touched |= {directory, place}
    for path in sorted(touched):
        durable.sync_dir(path)
    return all_moved


def _files(kind: bytes) -> Iterator[tuple[bytes, int]]:
    """(directory, number) of the files at any depth."""
    todo = [kind]
    while todo:
        directory = todo.pop()
        for name in posix.listdir(directory):
            path = directory + b"/" + name
            form = posix.stat(path, follow_symlinks=False).st_mode & 0o170000
            number = layout.number(name)
            if form == _DIRECTORY:
                todo.append(path)
            elif form == _REGULAR and number is not None and name == b"%d" % number:
                yield directory, number


def _exists(path: bytes) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True
