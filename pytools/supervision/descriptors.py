"""How many descriptors svscan may have, and how many what it starts may have.

svscan        takes all that the hard limit allows: it keeps two for each service that
              has a log, and the usual soft limit of 1024 is less than a thousand pairs.
Its children  get the soft limit back that svscan found. It is low for their sake:
              select(2) knows no descriptor above 1023.
"""

from __future__ import annotations

import posix
import resource

_KIND = resource.RLIMIT_NOFILE


class SoftLimit:
    """RLIMIT_NOFILE as it was found."""

    __slots__ = ("_found", "_own")

    def __init__(self) -> None:
        self._found = self._own = resource.getrlimit(_KIND)[0]

    def lift(self) -> None:
        """Take what the hard limit allows."""
        soft, hard = resource.getrlimit(_KIND)
        try:
            resource.setrlimit(_KIND, (hard, hard))
        except (OSError, ValueError):
            # A sandbox may refuse what the kernel grants; fewer services fit then.
            return
        self._found, self._own = soft, hard

    def restore(self) -> None:
        """Put back what ``lift`` found, unless another has been set since (prlimit)."""
        soft, hard = resource.getrlimit(_KIND)
        if soft == self._own != self._found:
            try:
                resource.setrlimit(_KIND, (min(self._found, hard), hard))
            except (OSError, ValueError):
                # fs.nr_open was lowered meanwhile; a service with a high limit is
                # better than none.
                pass


def pipe_that_spares_one() -> tuple[int, int]:
    """A pipe; after it at least one more descriptor is free. OSError, as EMFILE.

    A pass reads the directory, and the orderly end writes to FIFOs: who gave away the
    last descriptor could not even learn that a service is gone.
    """
    spare = posix.open(b".", posix.O_PATH | posix.O_CLOEXEC)
    try:
        return posix.pipe2(posix.O_CLOEXEC)
    finally:
        posix.close(spare)
