"""The lines of qmail-log(5) are those that qmail-send logs, and it logs no others.

Both are taken apart in tests/support/manual_log.py.
"""

from __future__ import annotations

import re

import pytest

from qmail.send.log import safe
from tests.support.manual_examples import blocks
from tests.support.manual_log import (
    calls_in,
    calls_in_reach,
    forms_of_code,
    forms_of_page,
)
from tests.support.manual_pages import Page, pages

PAGE = pages()["qmail-log.5"]
NOT_USED = "alert: out of memory"
"""What the page says that only the original logs."""


def without_item(page: Page, lines: frozenset[str] | None = None) -> set[str]:
    """The lines, of the code if none are given, that have no item, or several."""
    forms = [re.compile(form) for form in forms_of_page(page)]
    return {
        line
        for line in lines or forms_of_code()
        if sum(form.fullmatch(line) is not None for form in forms) != 1
    }


def not_logged(page: Page) -> set[str]:
    """The items that no line of the code is of."""
    return {
        form
        for form in forms_of_page(page)
        if not any(re.fullmatch(form, line) for line in forms_of_code())
    }


def test_every_line_of_the_code_is_one_item_of_the_page() -> None:
    assert without_item(PAGE) == set()


def test_every_item_of_the_page_is_a_line_of_the_code() -> None:
    assert not_logged(PAGE) == set()
    assert len(set(forms_of_page(PAGE))) == len(forms_of_page(PAGE))


def test_no_line_of_the_code_is_overlooked() -> None:
    found = calls_in("qmail.send") | calls_in("qmail.commands.qmail_send")
    assert found == calls_in_reach()
    assert {"new msg 7", "warning: trouble in select", "end msg 7"} <= forms_of_code()


def test_examples_are_lines_of_the_page() -> None:
    lines = frozenset(line for block in blocks(PAGE.path) for line in block.lines)
    assert lines
    assert without_item(PAGE, lines) == set()


def quoted(page: Page, section: str) -> list[str]:
    """What a section quotes."""
    text = page.sections[section].partition("\n.Ss ")[0]
    found = re.findall(r'^\.Ql (?:"([^"]*)"|(\S+))', text, re.MULTILINE)
    return [one or other for one, other in found]


def test_characters_that_are_replaced_are_those_of_the_code() -> None:
    newline, other, odd = quoted(PAGE, "DESCRIPTION")
    assert safe(b"\n").decode() == newline
    assert {safe(bytes([c])).decode() for c in (0, 9, 32, 127, 255)} == {odd}
    assert safe(other.encode()).decode() == odd
    changed = {c for c in range(33, 127) if safe(bytes([c])) != bytes([c])}
    assert changed == {ord(other)}


def said_wrong_in_notes(page: Page) -> set[str]:
    """What NOTES quotes as a line of ours, and begins none, or the other way about."""
    return {
        text
        for text in quoted(page, "NOTES")
        if any(text in line for line in forms_of_code()) is (text == NOT_USED)
    }


def test_lines_in_the_notes_are_those_of_the_code() -> None:
    assert said_wrong_in_notes(PAGE) == set()
    assert NOT_USED in quoted(PAGE, "NOTES")


def changed(old: str, new: str) -> Page:
    """The page with another text."""
    assert old in PAGE.text, old
    page = Page(PAGE.path)
    page.text = PAGE.text.replace(old, new)
    page.sections = {
        name: text.replace(old, new) for name, text in PAGE.sections.items()
    }
    return page


WORDS = sorted(
    {
        word
        for head in re.findall(
            r"^\.It (.*)$", PAGE.sections["DESCRIPTION"], re.MULTILINE
        )
        for literal in re.findall(r'Li "([^"]*)"|Li (\w+)', head)
        for word in re.findall(r"[a-z]{2,}", " ".join(literal))
    }
)


@pytest.mark.parametrize("word", WORDS)
def test_wrong_word_in_an_item_is_found(word: str) -> None:
    page = changed_items(word)
    assert without_item(page)
    assert not_logged(page)


def changed_items(word: str) -> Page:
    """The page with another word wherever its items have this one."""
    page = Page(PAGE.path)
    page.sections["DESCRIPTION"] = re.sub(
        r"^\.It .*$",
        lambda line: re.sub(rf"\b{word}\b", f"{word}s", line[0]),
        page.sections["DESCRIPTION"],
        flags=re.MULTILINE,
    )
    assert page.sections["DESCRIPTION"] != PAGE.sections["DESCRIPTION"]
    return page


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"warning: "', '"warnings: "'),
        ('"alert: "', '"alert "'),
        ('" exitasap"', '" exitsoon"'),
        ('.It Li "new msg" Ar m\n', ""),
        ('.It Li "trouble in select"\n', '.It Li "trouble in poll"\n'),
        ('Li "; dying"', 'Li ", dying"'),
        ('Li "to remote" Ar address', 'Li "to local" Ar address'),
    ],
)
def test_wrong_form_of_a_line_is_found(old: str, new: str) -> None:
    assert without_item(changed(old, new))


def test_wrong_line_in_the_notes_is_found() -> None:
    assert said_wrong_in_notes(changed('Ql "internal error"', 'Ql "internal mistake"'))
