"""What a .qmail file decides: which file is asked, and what its lines order.

Pure         no file is touched here; qmail/local/home.py opens the candidates.
Format       dot-qmail(5).
"""

from __future__ import annotations

from qmail.mail.delivering import FOR_GOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal

    Kind = Literal[
        b"maildir",
        b"mbox",
        b"program",
        b"forward",
        b"blank first line",
        b"file not allowed",
        b"program not allowed",
    ]
    Instruction = tuple[Kind, bytes]

# Instructions; -n prints these four words.
MAILDIR: Final = b"maildir"
MBOX: Final = b"mbox"
PROGRAM: Final = b"program"
FORWARD: Final = b"forward"
# Lines that stop the delivery when it reaches them, not before: what stands above them
# is carried out first.
BLANK_FIRST: Final = b"blank first line"
NO_FILE: Final = b"file not allowed"
NO_PROGRAM: Final = b"program not allowed"

_DASH = 0x2D


def safe_ext(ext: bytes) -> bytes:
    """The extension as it appears in file names.

    SECURITY: no dot survives, so an address cannot climb out with ``..``.
    """
    return ext.lower().replace(b".", b":")


def candidates(dash: bytes, ext: bytes) -> list[tuple[bytes, bytes | None]]:
    """The .qmail files to try, in order, each with the $DEFAULT it implies.

    None means that $DEFAULT is left alone.
    """
    safe = safe_ext(ext)
    base = b".qmail" + dash
    exact = ext[-7:] if safe.endswith(b"default") else None
    found: list[tuple[bytes, bytes | None]] = [(base + safe, exact)]
    cuts = [i for i in range(len(safe), -1, -1) if i == 0 or safe[i - 1] == _DASH]
    found += [(base + safe[:cut] + b"default", ext[cut:]) for cut in cuts]
    return found


def owner_files(dash: bytes, ext: bytes) -> tuple[bytes, bytes]:
    """The two files that change the sender of forwarded copies."""
    owner = b".qmail" + dash + safe_ext(ext) + b"-owner"
    return owner, owner + b"-default"


def forward_sender(
    sender: bytes, local: bytes, host: bytes, owner: bool, owner_default: bool
) -> bytes:
    """$NEWSENDER: the envelope sender of forwarded copies.

    A bounce keeps its sender, or bounces of bounces would be distributed.
    """
    if not owner or sender in (b"", b"#@[]"):
        return sender
    if owner_default:
        return local + b"-owner-@" + host + b"-@[]"
    return local + b"-owner@" + host


def parse(text: bytes, forward_only: bool) -> list[Instruction]:
    """The instructions of a .qmail file, in order."""
    found: list[Instruction] = []
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n")):
        line = line.rstrip(b" \t")
        # A C string ends at NUL: so does what the line names, but not the line.
        # COMPAT: -n of the original prints all of the line; ours, what it is taken for.
        word = line.partition(b"\0")[0]
        first = word[:1]
        if not first:
            if number == 0:
                found.append((BLANK_FIRST, b""))
        elif first == b"#":
            pass
        elif first in (b".", b"/"):
            if forward_only:
                found.append((NO_FILE, word))
            else:
                found.append((MAILDIR if line.endswith(b"/") else MBOX, word))
        elif first == b"|":
            found.append((NO_PROGRAM if forward_only else PROGRAM, word[1:]))
        elif first == b"+":
            forward_only = forward_only or word == b"+list"
        else:
            found.append((FORWARD, word[1:] if first == b"&" else word))
    return found


# What a program's exit status means.
DONE: Final = 0
LAST: Final = 99


def program_verdict(status: int) -> int:
    """Read a program's exit status: DONE, LAST (done, and stop here), 100 or 111."""
    if status in (DONE, LAST):
        return status
    return 100 if status in FOR_GOOD else 111
