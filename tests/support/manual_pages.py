"""What a manual page says of its program: options, exit statuses, variables, files."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tests.conftest import CHECKOUT

OF_ANOTHER = r"[Tt]hat of\b|exit status is that|with the status of|exits as"
MACRO = r"[A-Z][a-z]|Ns"
NO_STATUS = r"\.(?:Bl|Xr) .*|\b\d+ (?:hours|minutes|bytes)|\bnot 0"


class Page:
    """The source of one page, by sections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.program = path.stem
        self.section = path.suffix[1:]
        self.text = path.read_text()
        _head, *parts = re.split(r"^\.Sh (.*)\n", self.text, flags=re.MULTILINE)
        self.sections = dict(zip(parts[0::2], parts[1::2], strict=True))
        self.order = parts[0::2]

    def synopsis_options(self) -> set[str]:
        """The letters and long options of the SYNOPSIS."""
        return options_in(self.sections.get("SYNOPSIS", ""))

    def described_options(self) -> set[str]:
        """Those of all other sections, EXAMPLES apart."""
        return options_in(
            "".join(
                text
                for name, text in self.sections.items()
                if name not in ("SYNOPSIS", "EXAMPLES")
            )
        )

    def statuses(self) -> set[int]:
        """The numbers of the lists of EXIT STATUS, or of its text if it has no list."""
        text = self.sections.get("EXIT STATUS", "")
        listed = re.findall(r"^\.It (\d+)$", text, re.MULTILINE)
        plain = re.sub(NO_STATUS, "", text)
        return {int(code) for code in listed or re.findall(r"\b\d+\b", plain)}

    def has_status_of_another(self) -> bool:
        """Whether the status can be that of another program."""
        return re.search(OF_ANOTHER, self.sections.get("EXIT STATUS", "")) is not None

    def variables(self) -> set[str]:
        """All names of the environment that the page gives."""
        return set(re.findall(r"[A-Z][A-Z0-9_]+", " ".join(self.marked("Ev"))))

    def paths(self, section: str | None = None) -> set[str]:
        """All names of files that the page gives, or a section of it."""
        return set(" ".join(self.marked("Pa", section)).split()) - {","}

    def prose(self) -> str:
        """The text without macros, in one line; arguments stay where they were."""
        lines = []
        for line in self.text.splitlines():
            words = line.split()
            if line.startswith("."):
                words = [word for word in words[1:] if not re.fullmatch(MACRO, word)]
            lines.append(" ".join(words))
        return re.sub(r" ([.,;:)])", r"\1", " ".join(lines)).replace("\\&", "")

    def listed(self, section: str) -> set[str]:
        """The names of files that are items of a section's lists."""
        text = self.sections.get(section, "")
        items = re.findall(r"^\.It Pa (.*)$", text, re.MULTILINE)
        return set(" ".join(items).replace(" Pa ", " ").split()) - {","}

    def marked(self, macro: str, section: str | None = None) -> list[str]:
        """The arguments of a macro, wherever it is; lists may have commas."""
        text = self.text if section is None else self.sections.get(section, "")
        return re.findall(rf"(?:^\.|\s){macro} (.*)$", text, re.MULTILINE)


def options_in(text: str) -> set[str]:
    """The options that ``.Fl`` names: ``-x`` each for ``.Fl xyz``, and ``--word``."""
    found: set[str] = set()
    for words in re.findall(r"(?:^\.|\s)Fl (.*)$", text, re.MULTILINE):
        first, *others = words.split()
        found |= option(first)
        for before, word in zip([first, *others], others, strict=False):
            if before in ("|", "Fl"):
                found |= option(word.removeprefix("Fl"))
    return found


def option(word: str) -> set[str]:
    """The options of one word after ``.Fl``."""
    word = word.replace("\\&", "")
    if word.startswith("-"):
        return {f"-{word}"} if word != "-" else set()
    return {f"-{letter}" for letter in word}


@cache
def pages() -> dict[str, Page]:
    """All pages, by file name."""
    return {
        path.name: Page(path)
        for path in sorted((CHECKOUT / "man").glob("man[1-8]/*.[1-8]"))
    }


@cache
def commands() -> dict[str, Page]:
    """The pages of sections 1 and 8, by program."""
    return {page.program: page for page in pages().values() if page.section in "18"}
