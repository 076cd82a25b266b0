"""qmail-clean's work: the removals that only the owner of the queue's files may do.

States       foop: S3 -> S2 -> S1.  todo: the end of S4 -> S5.
Durability   todo/N and intd/N must be gone for good before mess/N goes, because its
             number is free then: a todo/N that a power cut brings back would send the
             next message of that number to the old recipients. One fsync serves all the
             removals since the last one, so it is made when a mess/N goes, not before.
"""

from __future__ import annotations

import posix

from pytools.base.durable import sync_dir
from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from pytools.base.seams import Fs

DONE: Final = b"+"
FAILED: Final = b"!"
MALFORMED: Final = b"x"

COMMAND_MIN: Final = 7
COMMAND_MAX: Final = 100
COMMANDS_PER_SWEEP: Final = 31


class Cleaner:
    """Obeys commands, in the queue directory."""

    __slots__ = ("_fs", "_unsynced")

    def __init__(self, fs: Fs = posix) -> None:
        self._fs = fs
        # Nobody knows what the cleaner before us did last.
        self._unsynced = {layout.INTD_DIR, layout.TODO_DIR}

    def obey(self, command: bytes) -> bytes:
        """Do one command (without its NUL) and give the answer byte."""
        digits = command[5:]
        if not COMMAND_MIN <= len(command) + 1 <= COMMAND_MAX or not digits.isdigit():
            return MALFORMED
        n = int(digits)
        try:
            # COMPAT: of `todo/` the original compares four bytes, of `foop/` five.
            if command[:5] == b"foop/":
                self.eliminate(n)
            elif command[:4] == b"todo":
                self.finish_preprocessing(n)
            else:
                return MALFORMED
        except OSError:
            return FAILED
        return DONE

    def eliminate(self, n: int) -> None:
        """S3 -> S2 -> S1; in S2 also what an eliminated S5 ends with."""
        self._unlink(layout.INTD_DIR, layout.intd(n))
        for directory in sorted(self._unsynced):
            sync_dir(directory, self._fs)
            self._unsynced.discard(directory)
        self._unlink(b"", layout.mess(n))

    def finish_preprocessing(self, n: int) -> None:
        """S4 -> S5: info/N and the channel files are there; the envelope goes."""
        self._unlink(layout.INTD_DIR, layout.intd(n))
        # DURABILITY: a power cut may bring back todo/N (preprocessed once more, at
        # worst a duplicate) or only intd/N (never read; eliminate() removes it).
        self._unlink(layout.TODO_DIR, layout.todo(n))

    def sweep_pid(self, now: float) -> None:
        """Remove what writers that died long ago left in pid/; failures do not matter.

        COMPAT: the original goes by atime alone, which stands still on many mounts.
        """
        fs = self._fs
        try:
            names = fs.listdir(layout.PID_DIR)
        except OSError:
            return
        for name in names:
            path = layout.PID_DIR + b"/" + name
            try:
                st = fs.stat(path)
                last = max(st.st_atime, st.st_mtime, st.st_ctime)
                if now >= last + layout.OSSIFIED_SECONDS:
                    fs.unlink(path)
            except OSError:
                continue

    def _unlink(self, directory: bytes, path: bytes) -> None:
        try:
            self._fs.unlink(path)
        except FileNotFoundError:
            return
        if directory:
            self._unsynced.add(directory)
