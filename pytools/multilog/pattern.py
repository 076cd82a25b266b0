"""multilog's patterns: one pass over the line, no backtracking.

Rules        a character matches itself; a last ``*`` matches anything that is left; any
             other ``*`` matches up to the first place where the character after it is
             found. There is no quoting. The pattern must cover the whole text.
Note         in ``**`` the first star looks for a literal star: the second one is the
             character after it, and a star still when its own turn comes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Matcher = Callable[[bytes], bool]

STAR = b"*"


def compile_pattern(pattern: bytes) -> Matcher:
    """A function that tells whether a text matches ``pattern``.

    PERF: compiled once to the pieces between the stars, so that a line costs one
    ``startswith`` or ``find`` a piece and never a loop over its bytes.
    """
    prefix, *pieces = pattern.split(STAR)
    if not pieces:
        return pattern.__eq__
    open_ended = not pieces[-1]
    if open_ended:
        pieces.pop()
        if not pieces:
            return lambda text: text.startswith(prefix)
    # A piece is searched for by its first character alone, and must then be there: if
    # it is not, the text does not match, whatever comes later. An empty piece stands
    # between two stars; the character looked for is the second star.
    steps = tuple((piece[:1] or STAR, piece) for piece in pieces)
    start = len(prefix)
    if open_ended and not prefix and len(steps) == 1:
        return _containing(*steps[0])

    def matches(text: bytes) -> bool:
        if not text.startswith(prefix):
            return False
        at = start
        for first, piece in steps:
            at = text.find(first, at)
            if at < 0 or not text.startswith(piece, at):
                return False
            at += len(piece)
        return open_ended or at == len(text)

    return matches


def _containing(first: bytes, piece: bytes) -> Matcher:
    """``*piece*``, which most patterns are."""

    def matches(text: bytes) -> bool:
        at = text.find(first)
        return at >= 0 and text.startswith(piece, at)

    return matches
