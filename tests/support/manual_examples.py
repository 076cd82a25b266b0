"""The examples of a manual page, as they are printed.

Where        section EXAMPLES: each ``.Bd -literal`` to ``.Ed``, and each run of ``.Dl``
             lines, is a block.
Transcript   a block whose first line begins with a prompt, ``$ `` or ``# `` (root's).
             A line with a prompt is a command, ``> `` continues it (a here-document too),
             what follows up to the next prompt is all that it prints, standard error
             included; nothing, if nothing follows. A line ``...`` stands for any lines.
             Its exit status is 0, unless the next command shows ``$?``.
Text         any other block: contents of a file, or a line of a script.
Volatile     pids, labels, dates and ``N seconds`` may be any.
"""

from __future__ import annotations

import re
from pathlib import Path

ESCAPES = {
    r"\e": "\\",
    r"\&": "",
    r"\-": "-",
    r"\ ": " ",
    r"\(aq": "'",
    r"\(dq": '"',
    r"\(ga": "`",
    r"\(ha": "^",
    r"\(ti": "~",
}
VOLATILE = [
    (re.compile(r"@4[0-9a-f]{23}"), "@LABEL"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9}"), "DATE"),
    (re.compile(r"\d+(?= seconds\b)"), "N"),
    (re.compile(r"(?<=\bpid )\d+"), "PID"),
    (re.compile(r"^\d+(?= [<>] )"), "PID"),
    (re.compile(r"\s+$"), ""),
]
PROMPT = re.compile(r"[$#] ")


class Block:
    """The lines of one example, after the roff escapes."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = [plain(line) for line in lines]
        self.first = self.lines[0]
        self.is_transcript = bool(PROMPT.match(self.first))

    def steps(self) -> list[tuple[str, list[str]]]:
        """The commands of a transcript, each with what it prints."""
        found: list[tuple[str, list[str]]] = []
        for line in self.lines:
            if PROMPT.match(line):
                found.append((line[2:], []))
            elif line.startswith("> ") and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
            else:
                found[-1][1].append(line)
        return found


def plain(line: str) -> str:
    """A line of source as it is printed."""

    def shown(match: re.Match[str]) -> str:
        assert match[0] in ESCAPES, f"{match[0]} in {line!r}"
        return ESCAPES[match[0]]

    # At the end of a line roff takes a backslash, and the line with it.
    assert not line.replace(r"\e", "").endswith("\\"), line
    return re.sub(r"\\(\(..|.)", shown, line)


def blocks(page: Path) -> list[Block]:
    """The examples of a page."""
    _, found, rest = page.read_text().partition("\n.Sh EXAMPLES\n")
    if not found:
        return []
    lines = rest.partition("\n.Sh ")[0].split("\n")
    gathered: list[list[str]] = [[]]
    literal = False
    for line in lines:
        if line.startswith(".Bd "):
            assert "-literal" in line, line
            literal = True
            gathered.append([])
        elif line == ".Ed":
            literal = False
            gathered.append([])
        elif literal:
            gathered[-1].append(line)
        elif line.startswith(".Dl "):
            gathered[-1].append(line[4:])
        else:
            gathered.append([])
    return [Block(lines) for lines in gathered if lines]


def agrees(printed: list[str], shown: list[str]) -> bool:
    """Whether a command printed what the page shows."""
    pattern = ""
    for line in shown:
        pattern += r"(?:.*\n)*" if line == "..." else re.escape(settled(line)) + "\n"
    text = "".join(settled(line) + "\n" for line in printed)
    return re.fullmatch(pattern, text) is not None


def settled(line: str) -> str:
    """A line without what is another each time."""
    for pattern, name in VOLATILE:
        line = pattern.sub(name, line)
    return line
