"""qmail-send's control files; see qmail-send(8).

All are read at the start; ``locals`` and ``virtualdomains`` again at each HUP. The
working directory is the qmail home meanwhile.
"""

from __future__ import annotations

from qmail.control import files
from qmail.control.maps import ConstMap
from qmail.send.rewriting import Rewriter
from qmail.send.schedule import QUEUE_LIFETIME_SECONDS

DEFAULT_LOCAL = 10
DEFAULT_REMOTE = 20


class Unusable(Exception):
    """The control files do not allow qmail-send to run."""


class Controls:
    """What the control files say."""

    __slots__ = (
        *("bouncefrom", "bouncehost", "concurrency", "doublebounceto"),
        *("lifetime", "me", "rewriter"),
    )

    def __init__(
        self,
        me: bytes | None,
        lifetime: int,
        concurrency: tuple[int, int],
        bouncefrom: bytes,
        bouncehost: bytes,
        doublebounceto: bytes,
        rewriter: Rewriter,
    ) -> None:
        self.me = me
        self.lifetime = lifetime
        self.concurrency = concurrency
        self.bouncefrom = bouncefrom
        self.bouncehost = bouncehost
        self.doublebounceto = doublebounceto
        self.rewriter = rewriter


def read() -> Controls:
    """Read all of them. Unusable without ``me`` and ``locals``, OSError on trouble."""
    me = files.readline(b"me")
    return Controls(
        me=me,
        lifetime=files.readint(b"queuelifetime", QUEUE_LIFETIME_SECONDS),
        concurrency=(
            files.readint(b"concurrencylocal", DEFAULT_LOCAL),
            files.readint(b"concurrencyremote", DEFAULT_REMOTE),
        ),
        bouncefrom=_line(b"bouncefrom", b"MAILER-DAEMON"),
        bouncehost=_line(b"bouncehost", b"bouncehost" if me is None else me),
        doublebounceto=b"%b@%b"
        % (
            _line(b"doublebounceto", b"postmaster"),
            _line(b"doublebouncehost", b"doublebouncehost" if me is None else me),
        ),
        rewriter=Rewriter(
            _locals(me),
            _virtualdomains(),
            ConstMap(files.readfile(b"percenthack") or []),
            _line(b"envnoathost", b"envnoathost" if me is None else me),
        ),
    )


def reread_locals(controls: Controls) -> ConstMap:
    """``locals`` at a HUP. OSError, Unusable: keep the old ones."""
    return _locals(controls.me)


def reread_virtualdomains() -> ConstMap:
    """``virtualdomains`` at a HUP. OSError: keep the old ones."""
    return _virtualdomains()


def _line(name: bytes, default: bytes) -> bytes:
    line = files.readline(name)
    return default if line is None else line


def _locals(me: bytes | None) -> ConstMap:
    lines = files.readfile(b"locals")
    if lines is None:
        if me is None:
            raise Unusable
        lines = [me]
    return ConstMap(lines)


def _virtualdomains() -> ConstMap:
    return ConstMap(files.readfile(b"virtualdomains") or [], colon=True)
