"""SECURITY.md and README.md speak of what is there: their tests and paths exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

SECURITY = (CHECKOUT / "SECURITY.md").read_text()
README = (CHECKOUT / "README.md").read_text()
NAMED_TESTS = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", SECURITY)))
CODE = re.compile(r"`([^`\n]+)`")
TOP_LEVEL = {
    *("pytools", "qmail", "service-templates", "tests", "man", "package", "boot"),
    ".ci",
}
"""What is tracked; a path of the checkout begins with one of these."""
TOP_FILES = {
    *("Makefile", "README.md", "SECURITY.md", "INSTALL.ids", "pyproject.toml"),
    *("config", "config-fast", "inst_check"),
}


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of the functions that a file defines at its top."""
    return frozenset(re.findall(r"^def (\w+)\(", path.read_text(), re.MULTILINE))


def paths(text: str) -> list[str]:
    """What a page has in backquotes and is a path of the checkout."""
    words = {word.split("::")[0] for word in CODE.findall(text)}
    return sorted(
        word
        for word in words
        if re.fullmatch(r"[\w./-]+", word)
        and "/" in word
        and word.split("/")[0] in TOP_LEVEL
    )


def test_security_page_names_tests_for_every_boundary() -> None:
    boundaries = re.split(r"^## (?=\d)", SECURITY, flags=re.MULTILINE)[1:]
    assert len(boundaries) >= 8
    without = [text.splitlines()[0] for text in boundaries if "`tests/" not in text]
    assert without == []


@pytest.mark.parametrize(("path", "name"), NAMED_TESTS, ids=lambda part: part)
def test_security_page_names_a_test_that_exists(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(CHECKOUT / path)


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md"])
def test_page_names_paths_that_exist(page: str) -> None:
    named = paths((CHECKOUT / page).read_text())
    assert named
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_readme_names_everything_at_the_top() -> None:
    missing = [name for name in TOP_LEVEL | TOP_FILES if f"`{name}" not in README]
    assert missing == []
    assert all((CHECKOUT / name).exists() for name in TOP_LEVEL | TOP_FILES)


def test_readme_names_targets_of_the_makefile() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    commands = [*CODE.findall(README), *re.findall(r"^ {4}(.*)$", README, re.MULTILINE)]
    targets = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(commands)))
    assert {"run", "test", "setup", "mailserver", "bench"} <= targets
    assert [
        t for t in targets if not re.search(rf"^{t}\b", makefile, re.MULTILINE)
    ] == []


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 250
