"""How a program ends, and how it says why.

Contract     ``Exit`` ends the program; ``Next`` replaces it by the next program of its
             chain. Both are caught once, by the runner (pytools/process/runner.py).
Words        The error texts are the originals' own wording of errno, because people and
             scripts have been reading them since 1997.
"""

from __future__ import annotations

import errno
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = 100
"""Exit status: the caller is wrong; trying again does not help."""
TEMPORARY = 111
"""Exit status: the system failed; trying again may help."""

REASONS = {
    errno.EINTR: b"interrupted system call",
    errno.ENOMEM: b"out of memory",
    errno.ENOENT: b"file does not exist",
    errno.ETXTBSY: b"text busy",
    errno.EIO: b"input/output error",
    errno.EEXIST: b"file already exists",
    errno.ETIMEDOUT: b"timed out",
    errno.EINPROGRESS: b"operation in progress",
    errno.EAGAIN: b"temporary failure",
    errno.EPIPE: b"broken pipe",
    errno.EPERM: b"permission denied",
    errno.EACCES: b"access denied",
    errno.ENODEV: b"device does not support operation",
    errno.EPROTO: b"protocol error",
    errno.EISDIR: b"is a directory",
    errno.ECONNREFUSED: b"connection refused",
    errno.ENOTDIR: b"not a directory",
    errno.ENOTSOCK: b"not a socket",
    errno.EDOM: b"input out of range",
    errno.ENOBUFS: b"out of buffer space",
    errno.EADDRINUSE: b"address already used",
    errno.EADDRNOTAVAIL: b"address not available",
    errno.ENETUNREACH: b"network unreachable",
    errno.EHOSTUNREACH: b"host unreachable",
    errno.ECONNRESET: b"connection reset",
    errno.ENOTCONN: b"not connected",
    errno.ESHUTDOWN: b"socket shut down",
    errno.ECONNABORTED: b"connection aborted",
    errno.EPROTONOSUPPORT: b"protocol not supported",
    errno.EPROTOTYPE: b"incorrect protocol type",
    errno.EAFNOSUPPORT: b"address family not supported",
    errno.EINVAL: b"invalid argument",
    errno.EBADF: b"file descriptor not open",
    errno.EFAULT: b"bad address",
    errno.EROFS: b"read-only file system",
    errno.ENOSPC: b"out of disk space",
    errno.EDQUOT: b"disk quota exceeded",
    errno.EMFILE: b"process cannot open more files",
    errno.ENFILE: b"system cannot open more files",
    errno.ENXIO: b"device not configured",
    errno.EBUSY: b"device busy",
    errno.ECHILD: b"no child processes",
    errno.EFBIG: b"file too big",
    errno.ENOEXEC: b"exec format error",
    errno.ENOTEMPTY: b"directory not empty",
    errno.EXDEV: b"cross-device link",
    errno.ELOOP: b"symbolic link loop",
    errno.ENAMETOOLONG: b"file name too long",
    errno.ESPIPE: b"unseekable descriptor",
    errno.ENOTBLK: b"not a block device",
    errno.ESRCH: b"no such process",
    errno.E2BIG: b"argument list too long",
    errno.EDEADLK: b"operation would cause deadlock",
    errno.ENOTTY: b"not a tty",
    errno.EMLINK: b"too many links",
    errno.ERANGE: b"output out of range",
    errno.EALREADY: b"operation already in progress",
    errno.EDESTADDRREQ: b"destination address required",
    errno.EMSGSIZE: b"message too long",
    errno.ENOPROTOOPT: b"protocol not available",
    errno.EOPNOTSUPP: b"operation not supported",
    errno.ENETDOWN: b"network down",
    errno.ENETRESET: b"network reset",
    errno.EISCONN: b"already connected",
    errno.EHOSTDOWN: b"host down",
    errno.ENOLCK: b"no locks available",
    errno.ENOSYS: b"system call not available",
    errno.ESTALE: b"stale NFS file handle",
}


def reason(error: OSError) -> bytes:
    """The errno text of an error, as the originals word it."""
    number = error.errno
    if number is None:
        return str(error).encode("utf-8", "surrogateescape")
    return REASONS.get(number, b"unknown error")


_PASSING = frozenset(
    (
        *(errno.EINTR, errno.ENOMEM, errno.ETXTBSY, errno.EIO, errno.ETIMEDOUT),
        *(errno.EAGAIN, errno.EDEADLK, errno.EBUSY, errno.ENFILE, errno.EMFILE),
        *(errno.EFBIG, errno.ENOSPC, errno.ENETDOWN, errno.ENETUNREACH),
        *(errno.ENETRESET, errno.ECONNABORTED, errno.ECONNRESET, errno.ENOBUFS),
        *(errno.ETOOMANYREFS, errno.ECONNREFUSED, errno.EHOSTDOWN),
        *(errno.EHOSTUNREACH, errno.EUSERS, errno.EDQUOT, errno.ESTALE),
        errno.ENOLCK,
    )
)


def is_temporary(error: OSError) -> bool:
    """True for trouble that may be over at the next try, by the originals' list."""
    return error.errno in _PASSING


class Exit(Exception):
    """End this program with a status, after a line on descriptor 2 if there is text."""

    def __init__(self, code: int, text: bytes = b"") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Next(Exception):
    """Become the next program of the chain, as exec would.

    ``argv[0]`` is looked up on this process's $PATH; ``env`` is the environment of the
    next program (default: the one there is). ``path`` names the file when it is known
    already. ``on_error`` turns a failure into the ``Exit`` that ends the program;
    without it the failure is fatal with 111. ``must_exec`` forgoes the shortcut for our
    own programs: for one that has read a secret. ``execvp``: what the kernel does not
    know how to run is a script of /bin/sh, as it is for the C library's function.
    """

    def __init__(
        self,
        argv: list[bytes],
        env: dict[bytes, bytes] | None = None,
        path: bytes | None = None,
        on_error: Callable[[OSError], Exit] | None = None,
        must_exec: bool = False,
        execvp: bool = False,
    ) -> None:
        super().__init__(argv)
        self.argv = argv
        self.env = env
        self.path = path
        self.on_error = on_error
        self.must_exec = must_exec
        self.execvp = execvp


class Strerr:
    """The diagnostics of one program: ``prog: severity: text: reason``."""

    __slots__ = ("prog",)

    def __init__(self, prog: bytes) -> None:
        self.prog = prog

    def fatal(
        self, *parts: bytes, code: int = TEMPORARY, error: OSError | None = None
    ) -> Exit:
        """The Exit for a fatal error; raise it."""
        return Exit(code, self._line(b"fatal", parts, error))

    def usage(self, text: bytes, code: int = USAGE) -> Exit:
        """The Exit for a misuse; ``text`` follows ``prog: usage: ``."""
        return Exit(code, self.prog + b": usage: " + text)

    def warn(self, *parts: bytes, error: OSError | None = None) -> None:
        """Write a warning to descriptor 2; a failure to write it is ignored."""
        complain(self._line(b"warning", parts, error))

    def _line(
        self, severity: bytes, parts: tuple[bytes, ...], error: OSError | None
    ) -> bytes:
        line = b"%b: %b: %b" % (self.prog, severity, b"".join(parts))
        return line if error is None else line + b": " + reason(error)


def complain(line: bytes) -> None:
    """Write one line to descriptor 2, as far as that is possible."""
    data = line + b"\n"
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:
        pass
