"""RFC 822 tokens: parse, write and fold, and the walk over an address list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmail.mail.rfc822tokens import (
    Unparsable,
    bare,
    parse,
    rewrite_addresses,
    write,
)

if TYPE_CHECKING:
    from qmail.mail.rfc822tokens import Token

SAME = {
    "plain": b"To: joe@example.org\n",
    "name": b"To: Joe Q <joe@example.org>\n",
    "quoted name": b'To: "Joe, Q." <joe@example.org>\n',
    "comment": b"To: joe@example.org (Joe Q)\n",
    "group": b"To: friends: a@b, c@d;, e@f\n",
    "empty group": b"Cc: recipient list not shown: ;\n",
    "literal": b"To: joe@[127.0.0.1]\n",
    "quoted local part": b'To: "a b"@c.d\n',
    "empty": b"To:\n",
    "bounce": b"To: <>\n",
}


@pytest.mark.parametrize("field", list(SAME.values()), ids=list(SAME))
def test_write_of_a_tidy_field_is_the_field(field: bytes) -> None:
    assert write(rewrite_addresses(parse(field), lambda address: address)) == field


TIDIED = {
    "blanks": (b"To:  joe  @ example . org\n", b"To: joe@example.org\n"),
    "missing comma": (b"To: djb fred\n", b"To: djb, fred\n"),
    "missing comma at bracket": (b"To: <a@b> c\n", b"To: <a@b>, c\n"),
    "missing comma before bracket": (b"To: a@b C <c@d>\n", b"To: a@b C <c@d>\n"),
    "missing comma after group": (b"To: g: a; b\n", b"To: g: a;, b\n"),
    "folded": (b"To: a@b,\n\tc@d\n", b"To: a@b, c@d\n"),
    "not an atom": (b"To: j\xf6rg@b\n", b'To: "j\xf6rg"@b\n'),
    "escape": (b"To: a\\b@c\n", b"To: ab@c\n"),
    "escaped quote": (b'To: "a\\"b"@c\n', b'To: "a\\"b"@c\n'),
    "nested comment": (b"To: a@b (c (d) e)\n", b"To: a@b (c d e)\n"),
    "comment inside": (b"To: a (c) @b\n", b"To: a@b (c)\n"),
}


@pytest.mark.parametrize(("field", "expected"), list(TIDIED.values()), ids=list(TIDIED))
def test_write_of_an_untidy_field_is_tidy(field: bytes, expected: bytes) -> None:
    assert write(rewrite_addresses(parse(field), lambda a: a)) == expected


@pytest.mark.parametrize(
    "field",
    [
        b'To: "open\n',
        b"To: (open\n",
        b"To: [open\n",
        b"To: a )\n",
        b"To: a ]\n",
        b"To: a@b>\n",
        b"To: g: a\n",
        b"To: a; b;\n",
        b'To: "x\\',
    ],
)
def test_unclosed_things_are_unparsable(field: bytes) -> None:
    with pytest.raises(Unparsable):
        rewrite_addresses(parse(field), lambda address: address)


def test_write_folds_after_commas_only() -> None:
    long = b"To: " + b", ".join(b"user%02d@host.example.org" % n for n in range(8))
    lines = write(rewrite_addresses(parse(long + b"\n"), lambda a: a)).split(b"\n")
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith(b"  user") for line in lines[1:-1])
    assert b"".join(lines).replace(b",  ", b", ") == long


def test_rewrite_meets_each_address_from_the_last() -> None:
    met = []

    def note(address: list[Token]) -> list[Token]:
        met.append(bare(address))
        return address

    field = b'To: a@b, N <@r:c@d>, g: e (x), "f g"@[1.2];, <>\n'
    rewrite_addresses(parse(field), note)
    assert met == [b"", b"f g@[1.2]", b"e", b"@r:c@d", b"a@b"]
