"""The tables of smtp-smuggling(7), as the tests check them.

A row is ``.It sent Ta pyqmail Ta netqmail Ta Postfix``. CR, LF, NUL, SP and dot are
bytes, which swallow the blanks around them; other words are themselves.
"""

from __future__ import annotations

from tests.conftest import CHECKOUT

PAGE = CHECKOUT / "man/man7/smtp-smuggling.7"
BYTES = {"CR": b"\r", "LF": b"\n", "NUL": b"\0", "SP": b" ", "dot": b"."}


def to_bytes(words: str) -> bytes:
    """What a cell of the tables stands for."""
    out = b""
    needs_blank = False
    for word in words.split():
        if word in BYTES:
            out += BYTES[word]
        else:
            out += b" " * needs_blank + word.encode()
        needs_blank = word not in BYTES
    return out


def rows(section: str, subsection: str = "") -> list[list[str]]:
    """The cells of each row of the table there, its head left out."""
    text = PAGE.read_text().partition(f"\n.Sh {section}\n")[2].partition("\n.Sh ")[0]
    if subsection:
        text = text.partition(f"\n.Ss {subsection}\n")[2].partition("\n.Ss ")[0]
    lines = [line for line in text.split("\n") if line.startswith(".It ")]
    return [line.removeprefix(".It ").split(" Ta ") for line in lines[1:]]
