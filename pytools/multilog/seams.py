"""What multilog asks of its surroundings; never imported at run time."""

from __future__ import annotations

from typing import Protocol  # noqa: TID253

from pytools.base.seams import Fs


class LogFs(Fs, Protocol):
    """The file-system calls of a log directory; the module ``posix`` is one.

    Names are relative to the directory that ``fchdir`` went to: a log directory that is
    renamed while multilog runs stays the same directory.
    """

    def fchdir(self, fd: int, /) -> None: ...


class Pause(Protocol):
    """Wait some seconds before a disk is tried again."""

    def __call__(self, seconds: int, /) -> None: ...


class RunProcessor(Protocol):
    """Run a processor in the current directory; its raw wait status."""

    def __call__(self, command: bytes, /) -> int: ...


class Stamp(Protocol):
    """24 hex digits that were never given before, in ascending order."""

    def __call__(self) -> bytes: ...
