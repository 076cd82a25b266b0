"""One message's way into the queue: a function for each transition.

States       S1 -> S2 -> S3 -> S4; see states.py and qmail-internals(7).
Durability   publish() returns only after mess/N, todo/N, their data and their names
             survive a power cut; before it the message is as good as unknown.
Assumes      link is atomic; fsync on a file makes its data durable and on a directory
             its entries, in any order if there is none; a number is an inode of one
             file system, which holds pid/ and mess/ (and todo/ and intd/ another).
Failure      Refused with the exit code; the caller then calls abandon().
"""

from __future__ import annotations

import posix
import time

from pytools.base.durable import close_quietly, sync_dir
from qmail.queue import exitcodes, layout
from qmail.queue.exitcodes import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from pytools.base.seams import Fs

_CREATE: Final = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
_MODE: Final = 0o644
_TRIES: Final = 9

S1, S2, S3, S4 = 1, 2, 3, 4


def pid_names(pid: int) -> Iterator[bytes]:
    """Give names in pid/ that no other process uses, one after the other."""
    counter = 0
    while True:
        counter += 1
        yield b"pid/%d.%d.%d" % (pid, int(time.time()), counter)


class Entry:
    """The files of one message while it is written; `state` says how far it is."""

    __slots__ = ("_fd", "_fs", "number", "state")

    def __init__(self, fs: Fs = posix) -> None:
        self._fs = fs
        self._fd = -1
        self.number = 0
        self.state = S1

    def create(self, names: Iterator[bytes]) -> None:
        """S1 -> S2: an empty mess/N, whose N is the number of its inode."""
        fs = self._fs
        for _ in range(_TRIES):
            name = next(names)
            try:
                self._fd = fs.open(name, _CREATE, _MODE)
            except FileExistsError:
                continue
            except OSError:
                break
            self._settle_number(name)
            return
        raise Refused(exitcodes.PID_TROUBLE)

    def _settle_number(self, name: bytes) -> None:
        fs = self._fs
        try:
            self.number = fs.fstat(self._fd).st_ino
        except OSError:
            self._drop_pid(name)
            raise Refused(exitcodes.PID_TROUBLE) from None
        try:
            fs.link(name, layout.mess(self.number))
        except FileExistsError:
            # Somebody broke the guarantee (a queue that was copied). The pid file stays
            # for the cleaner: until then it keeps the number from the next message.
            self._close()
            raise Refused(exitcodes.MESS_TROUBLE) from None
        except OSError:
            self._drop_pid(name)
            raise Refused(exitcodes.MESS_TROUBLE) from None
        self.state = S2
        try:
            fs.unlink(name)
        except OSError:
            raise Refused(exitcodes.PID_TROUBLE) from None

    def _drop_pid(self, name: bytes) -> None:
        self._close()
        try:
            self._fs.unlink(name)
        except OSError:
            pass

    def write(self, data: bytes) -> None:
        """Append to the file that is being written: mess/N in S2, intd/N in S3."""
        try:
            done = self._fs.write(self._fd, data)
            while done < len(data):
                done += self._fs.write(self._fd, data[done:])
        except OSError:
            raise Refused(exitcodes.WRITE_ERROR) from None

    def end_message(self) -> None:
        """S2: make mess/N durable, its data and its name."""
        # DURABILITY: the name before intd/N exists, so that after a power cut there is
        # no intd/N and no todo/N without the mess/N that would lead a cleaner to it.
        self._sync_file()
        try:
            sync_dir(layout.mess_dir(self.number), self._fs)
        except OSError:
            raise Refused(exitcodes.WRITE_ERROR) from None

    def begin_envelope(self) -> None:
        """S2 -> S3: an empty intd/N."""
        try:
            self._fd = self._fs.open(layout.intd(self.number), _CREATE, _MODE)
        except FileExistsError:
            # An orphan. mess/N stays for the cleaner, who removes both after 36 hours;
            # until then it keeps the number from the next message.
            self.state = S1
            raise Refused(exitcodes.INTD_TROUBLE) from None
        except OSError:
            raise Refused(exitcodes.INTD_TROUBLE) from None
        self.state = S3

    def end_envelope(self) -> None:
        """S3: make the data of intd/N durable; its name does not matter."""
        self._sync_file()

    def publish(self) -> None:
        """S3 -> S4: from here on the message is ours to deliver."""
        fs = self._fs
        # DURABILITY: dying before the link leaves S3, which the cleaner removes; dying
        # after it leaves S3 or S4, both whole, and the caller has had no answer: a
        # retry may duplicate but never lose. Once the directory is synced it is S4.
        try:
            fs.link(layout.intd(self.number), layout.todo(self.number))
            # After the link it is qmail-send's, so even a failing fsync must not make
            # anybody take todo/N back: it may be in delivery already.
            self.state = S4
            sync_dir(layout.TODO_DIR, fs)
        except OSError:
            raise Refused(exitcodes.TODO_TROUBLE) from None

    def abandon(self) -> None:
        """S2, S3 -> S1, as far as possible; what stays, the cleaner takes away."""
        fs = self._fs
        try:
            # The space at once, even if a name cannot be removed.
            if self._fd >= 0 and self.state in (S2, S3):
                fs.ftruncate(self._fd, 0)
        except OSError:
            pass
        self._close()
        try:
            if self.state == S3:
                fs.unlink(layout.intd(self.number))
                # DURABILITY: else a power cut could leave intd/N without mess/N, which
                # no cleaner would ever look for.
                sync_dir(layout.INTD_DIR, fs)
                self.state = S2
            if self.state == S2:
                fs.unlink(layout.mess(self.number))
                self.state = S1
        except OSError:
            pass

    def _sync_file(self) -> None:
        try:
            self._fs.fsync(self._fd)
        except OSError:
            raise Refused(exitcodes.WRITE_ERROR) from None
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            # What had to be durable was fsynced before.
            close_quietly(fd, self._fs)
