"""readproctitle's line: the memory that ``ps`` reads, and the ring of bytes in it.

Memory       Linux keeps the addresses of a process's arguments and environment
             (arg_start, arg_end, env_end in /proc/self/stat, fields 48, 49, 51) and
             shows what is there at the moment. If the last byte of the arguments is not
             NUL, it shows one string that may run on into the environment's memory.
Line         the words but the last, then the ring, blanks between. It starts at
             arg_start, so the interpreter's own words give way, and it is the same
             whether the program was exec'ed or forked; a ring that finds too little
             room is made smaller.
"""

from __future__ import annotations

import posix

from pytools.base import fds

KEPT = 3
"""The ring's first bytes, which never move."""


class Ring:
    """The last bytes that came, in a fixed size; dots at first."""

    __slots__ = ("data",)

    def __init__(self, size: int) -> None:
        self.data = b"." * size

    def push(self, chunk: bytes) -> None:
        """Append all but NULs; the oldest bytes fall out behind the first three."""
        size = len(self.data) - KEPT
        if size > 0:
            moving = self.data[KEPT:] + chunk.replace(b"\0", b"")
            self.data = self.data[:KEPT] + moving[-size:]


class TitleLine:
    """``head`` and a ring of at most ``size`` bytes, where ps finds them.

    Without /proc, or without the right to it, nothing is shown.
    """

    __slots__ = ("_at", "_fd", "ring")

    def __init__(self, head: bytes, size: int) -> None:
        self._fd = -1
        try:
            start, arg_end, end = _addresses()
            self._fd = posix.open(b"/proc/self/mem", posix.O_WRONLY | posix.O_CLOEXEC)
        except OSError:
            self._at = 0
            self.ring = Ring(size)
            return
        room = end - start - 1
        if room < len(head) + KEPT + 2:
            head = b""
        self.ring = Ring(min(size, room - len(head)))
        self._at = start + len(head)
        line = head + self.ring.data
        self._write(start, line + bytes(max(1, arg_end - start - len(line))))

    def push(self, chunk: bytes) -> None:
        """Take in what was read and show it."""
        self.ring.push(chunk)
        self._write(self._at, self.ring.data)

    def _write(self, address: int, data: bytes) -> None:
        if self._fd < 0:
            return
        try:
            posix.pwrite(self._fd, data, address)
        except OSError:
            # Reading on matters more: a full pipe would stop every service's messages.
            self._fd = -1


def _addresses() -> tuple[int, int, int]:
    """(arg_start, arg_end, end of what may be written) of this process."""
    text = fds.read_file(b"/proc/self/stat")
    # Field 2 is the name in parentheses, which may hold anything; 3 is the first after.
    fields = text[text.rindex(b")") + 2 :].split()
    arg_start, arg_end, env_start, env_end = (int(fields[n - 3]) for n in range(48, 52))
    if not arg_start:
        raise FileNotFoundError
    return arg_start, arg_end, env_end if env_start == arg_end else arg_end
