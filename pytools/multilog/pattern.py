"""multilog's patterns: one pass over the line, no backtracking (pure).

Rules        a character matches itself; a last ``*`` matches anything that is left; any
             other ``*`` matches up to the first place where the character after it is
             found. There is no quoting. The pattern must cover the whole text.
Note         in ``**`` the first star looks for a literal star: the second one is the
             character after it, and a star still when its own turn comes.
PERF         the lines of a block are matched together: a step of a pattern is a few
             calls of the interpreter's built-in functions for all lines, none of ours
             for a line.
"""

from __future__ import annotations

from itertools import compress, repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Matcher = Callable[[list[bytes]], Iterable[bool]]

STAR = b"*"


def matches(pattern: bytes, text: bytes) -> bool:
    """Whether the pattern matches the text."""
    return AnyOf([pattern])([text], lambda: text)[0]


class AnyOf:
    """Tells of each line of a block whether at least one of some patterns matches it."""

    __slots__ = ("_matchers", "everything")

    def __init__(self, patterns: list[bytes]) -> None:
        self.everything = STAR in patterns
        """True if every line matches."""
        exact, starts, others = set(), [], []
        for pattern in patterns:
            stars = pattern.count(STAR)
            if not stars:
                exact.add(pattern)
            elif stars == 1 and pattern.endswith(STAR):
                starts.append(pattern[:-1])
            else:
                others.append(pattern)
        self._matchers: list[tuple[bytes, Matcher]] = []
        if exact:
            self._matchers.append((b"", _one_of(frozenset(exact))))
        if starts:
            self._matchers.append((b"", _starting(tuple(starts))))
        for pattern in others:
            self._matchers.append((max(pattern.split(STAR), key=len), _stars(pattern)))

    def __call__(self, lines: list[bytes], text: Callable[[], bytes]) -> list[bool]:
        """The verdict on each of ``lines``; ``text`` gives what they are all part of."""
        found: list[bool] = []
        for needle, matcher in self._matchers:
            # PERF: most words that a pattern looks for are rare. That a whole block has
            # none of them is seen faster than that each of its lines has none.
            if needle and needle not in text():
                continue
            more = list(matcher(lines))
            found = (
                [a or b for a, b in zip(found, more, strict=True)] if found else more
            )
        return found or [False] * len(lines)


def _one_of(texts: frozenset[bytes]) -> Matcher:
    return lambda lines: map(texts.__contains__, lines)


def _starting(starts: tuple[bytes, ...]) -> Matcher:
    """``text*``, of any number of texts."""
    return lambda lines: map(bytes.startswith, lines, repeat(starts))


def _stars(pattern: bytes) -> Matcher:
    """Any other pattern."""
    prefix, *pieces = pattern.split(STAR)
    open_ended = not pieces[-1]
    if open_ended:
        pieces.pop()
    last = len(pieces) - 1

    def matcher(lines: list[bytes]) -> Iterable[bool]:
        found = [False] * len(lines)
        rows: Iterable[int] = range(len(lines))
        places: Iterable[int] = repeat(len(prefix))
        hits: Iterable[bool] = repeat(True)
        if prefix:
            hits = [*map(bytes.startswith, lines, repeat(prefix))]
            rows, lines = [*compress(rows, hits)], [*compress(lines, hits)]
        for number, piece in enumerate(pieces):
            hits, begun = _find(lines, piece, places)
            if number == last and open_ended:
                # All that is left matches: where the piece ends does not matter.
                break
            # Only lines that the pattern fits so far are looked at any more.
            rows, lines = [*compress(rows, hits)], [*compress(lines, hits)]
            places = [place + len(piece) for place in compress(begun, hits)]
        if not open_ended:
            ends = map(len, lines)
            hits = [place == end for place, end in zip(places, ends, strict=True)]
        for row in compress(rows, hits):
            found[row] = True
        return found

    return matcher


def _find(
    lines: list[bytes], piece: bytes, places: Iterable[int]
) -> tuple[list[bool], list[int]]:
    """Where a star that is followed by ``piece`` ends, from ``places`` on; if it does.

    The piece is searched for by its first character alone, and must then be there: if
    it is not, the line does not match, whatever comes later. An empty piece stands
    between two stars; the character looked for is the second star.
    """
    begun = [*map(bytes.find, lines, repeat(piece[:1] or STAR), places)]
    if len(piece) < 2:
        return [place >= 0 for place in begun], begun
    # Not found is -1, the last character, where no longer piece begins.
    return [*map(bytes.startswith, lines, repeat(piece), begun)], begun
