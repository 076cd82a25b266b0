"""What the compilers of this package do with files.

Durability   the new file is on disk before it has its name, and the name before the
             program ends; what fails earlier leaves the old one as it is.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.durable import replace
from pytools.base.fds import read_all, read_file
from qmail.control.files import readline
from qmail.forwarding.addresses import Completion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr


def read_input(errors: Strerr) -> bytes:
    """All of descriptor 0."""
    try:
        return read_all(0)
    except OSError as error:
        raise errors.fatal(b"unable to read input", error=error) from None


def read_source(path: bytes, errors: Strerr) -> bytes:
    """All of a file."""
    try:
        return read_file(path)
    except OSError as error:
        raise errors.fatal(b"unable to read ", path, error=error) from None


def store(path: bytes, data: bytes, tmp: bytes, errors: Strerr) -> None:
    """Give ``path`` this content by way of ``tmp``.

    COMPAT: the originals write while they read, and leave a temporary file behind when
    the input is refused; here it is made of what has passed.
    """
    try:
        replace(path, data, tmp=tmp)
    except OSError as error:
        if error.filename2 is not None:
            parts = [b"unable to move ", tmp, b" to ", path]
        elif error.filename == tmp:
            parts = [b"unable to create ", tmp]
        else:
            parts = [b"unable to write to ", tmp]
        raise errors.fatal(*parts, error=error) from None


def read_completion(errors: Strerr, env: dict[bytes, bytes]) -> Completion:
    """The host names of the qmail home; the working directory is the same after it.

    ``env`` may have names in QMAILDEFAULTHOST and so on that come first.
    """
    try:
        back = posix.open(b".", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        text = b"unable to open current directory"
        raise errors.fatal(text, error=error) from None
    try:
        posix.chdir(runtime.home)
    except OSError as error:
        raise errors.fatal(b"unable to chdir to ", runtime.home, error=error) from None
    try:
        me = readline(b"me") or b"me"
        names = []
        for control in (b"defaulthost", b"defaultdomain", b"plusdomain"):
            line = readline(control)
            value = me if line is None else line
            names.append(env.get(b"QMAIL" + control.upper(), value))
    except OSError as error:
        raise errors.fatal(b"unable to read controls", error=error) from None
    try:
        posix.fchdir(back)
    except OSError as error:
        text = b"unable to set current directory"
        raise errors.fatal(text, error=error) from None
    posix.close(back)
    return Completion(*names)
