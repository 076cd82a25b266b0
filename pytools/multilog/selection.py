"""Which line goes where (pure): the script's actions, carried out line by line.

Contract     ``sort`` takes a Chunk and gives one piece of bytes a log directory, to be
             appended there. ``take_alerts`` gives what ``e`` wants on descriptor 2,
             ``take_statuses`` the newest content of each ``=file``.
Order        effects of one kind keep the order of the lines. Of several lines for one
             ``=`` in a block only the last is given: nobody could have read the others.
PERF         each action goes over all lines of a block before the next action does; the
             result is the same, as lines do not depend on each other.
"""

from __future__ import annotations

from itertools import compress, groupby

from pytools.multilog.lines import WINDOW
from pytools.multilog.pattern import AnyOf
from pytools.multilog.script import ALERT, DESELECT, DIRECTORY, SELECT, STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.multilog.lines import Chunk
    from pytools.multilog.script import Script

    Text = Callable[[], bytes]

ALERT_SIZE = 200
STATUS_SIZE = 1001


class Sorter:
    """Carries out the actions of one script."""

    __slots__ = (
        "_actions",
        "_alerts",
        "_count",
        "_long_line_to",
        "_plain",
        "_statuses",
    )

    def __init__(self, script: Script) -> None:
        self._actions = joined(script.actions)
        self._count = len(script.directories)
        # PERF: without a pattern, an alert or a status every line goes everywhere, and
        # a block need not be taken apart.
        self._plain = all(kind == DIRECTORY for kind, _ in self._actions)
        self._long_line_to: list[bool] = []
        self._alerts: list[bytes] = []
        self._statuses: list[tuple[int, bytes]] = []

    def sort(self, chunk: Chunk) -> list[bytes]:
        """What each log directory gets of the chunk."""
        if self._plain:
            return [chunk.tail + chunk.text() + chunk.head] * self._count
        output = [b""] * self._count
        if chunk.tail:
            for place in compress(range(self._count), self._long_line_to):
                output[place] = chunk.tail
        if lines := chunk.rows():
            for place, selected in enumerate(self._judge(lines, chunk.text)):
                if all(selected):
                    output[place] += chunk.text()
                else:
                    output[place] += b"\n".join([*compress(lines, selected), b""])
        if chunk.head:
            judged = self._judge([chunk.head], lambda: chunk.head)
            self._long_line_to = [selected[0] for selected in judged]
            for place in compress(range(self._count), self._long_line_to):
                output[place] += chunk.head
        return output

    def take_alerts(self) -> bytes:
        """The lines for descriptor 2 since the last call."""
        alerts, self._alerts = self._alerts, []
        return b"".join(alerts)

    def take_statuses(self) -> list[tuple[int, bytes]]:
        """(place in ``script.statuses``, its new content), in the order to write."""
        statuses, self._statuses = self._statuses, []
        return statuses

    def _judge(self, lines: list[bytes], text: Text) -> list[list[bool]]:
        """For each directory, which lines it gets; notes what e and = want."""
        if max(map(len, lines)) > WINDOW:
            lines = [line[:WINDOW] for line in lines]
        selected = [True] * len(lines)
        directories: list[list[bool]] = []
        alerts: list[tuple[int, bytes]] = []
        statuses: list[tuple[int, int, bytes]] = []
        place = 0
        for kind, matches in self._actions:
            if kind == SELECT:
                selected = _more(selected, matches, lines, text)
            elif kind == DESELECT:
                selected = _fewer(selected, matches, lines, text)
            elif kind == DIRECTORY:
                directories.append(selected)
            elif kind == ALERT:
                alerts += compress(enumerate(lines), selected)
            elif kind == STATUS:
                row = _last(selected)
                if row >= 0:
                    statuses.append((row, place, lines[row].ljust(STATUS_SIZE, b"\n")))
                place += 1
        # Back to the order in which line after line would have had its effects: two
        # actions may write to one file. The sort is stable, so actions keep theirs.
        alerts.sort(key=_row)
        statuses.sort(key=_row)
        self._alerts += [_alert(line) for _, line in alerts]
        self._statuses += [(place, content) for _, place, content in statuses]
        return directories


def _more(
    selected: list[bool], matches: AnyOf, lines: list[bytes], text: Text
) -> list[bool]:
    """With the lines that match. PERF: asks only if that could change anything."""
    if all(selected):
        return selected
    if matches.everything:
        return [True] * len(lines)
    found = matches(lines, text)
    if not any(selected):
        return found
    return [old or new for old, new in zip(selected, found, strict=True)]


def _fewer(
    selected: list[bool], matches: AnyOf, lines: list[bytes], text: Text
) -> list[bool]:
    """Without the lines that match."""
    if not any(selected):
        return selected
    if matches.everything:
        return [False] * len(lines)
    found = matches(lines, text)
    if not any(found):
        return selected
    return [old and not new for old, new in zip(selected, found, strict=True)]


def joined(actions: list[tuple[bytes, bytes]]) -> list[tuple[bytes, AnyOf]]:
    """The actions with their patterns; those of one kind in a row are one action."""
    result = []
    for kind, group in groupby(actions, key=_kind):
        arguments = [argument for _, argument in group]
        if kind in (SELECT, DESELECT):
            result.append((kind, AnyOf(arguments)))
        else:
            result += [(kind, AnyOf([]))] * len(arguments)
    return result


def _kind(action: tuple[bytes, bytes]) -> bytes:
    return action[0]


def _row(effect: tuple[int, bytes] | tuple[int, int, bytes]) -> int:
    return effect[0]


def _last(selected: list[bool]) -> int:
    """The last place that is True, or -1."""
    row = len(selected) - 1
    while row >= 0 and not selected[row]:
        row -= 1
    return row


def _alert(line: bytes) -> bytes:
    if len(line) > ALERT_SIZE:
        return line[:ALERT_SIZE] + b"...\n"
    return line + b"\n"
