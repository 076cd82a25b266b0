"""Properties of the RFC 822 tokens and of what qmail-inject writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qmail.inject.rewriting import Rewriter
from qmail.mail.header import HeaderReader
from qmail.mail.quoting import quote_address
from qmail.mail.rfc822tokens import (
    Unparsable,
    bare,
    parse,
    rewrite_addresses,
    write,
)

PIECES = [
    *(b"a", b"bob", b"x+", b'"q s"', b"[1.2.3.4]", b"(c(d))", b"\\x", b"\xe4", b"\n "),
    *(b"@", b".", b",", b"<", b">", b":", b";", b" ", b"(", b'"', b")", b"u@h.z, "),
]
LISTS = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)
REWRITER = Rewriter(b"host", b"dom.example", b"plus.example")


@given(st.binary(max_size=80))
def test_parse_of_any_bytes_gives_tokens_or_unparsable(text: bytes) -> None:
    try:
        tokens = parse(text)
    except Unparsable:
        return
    assert write(tokens).endswith(b"\n")


@given(LISTS)
def test_rewriting_twice_changes_nothing_more(text: bytes) -> None:
    try:
        once = write(rewrite_addresses(parse(b"To: " + text), REWRITER.rewrite))
        twice = write(rewrite_addresses(parse(once), REWRITER.rewrite))
    except Unparsable:
        return
    # A group's name or an odd route may be read anew; an ordinary list may not.
    if not set(text) & set(b":;<>@.+(\\\"['"):
        assert once == twice


@given(LISTS)
def test_written_field_stays_one_field(text: bytes) -> None:
    try:
        field = write(rewrite_addresses(parse(b"To: " + text), REWRITER.rewrite))
    except Unparsable:
        return
    if b"\n" in text and b'"' in text:
        return  # a LF inside a quoted string is written as backslash LF
    for line in field.split(b"\n")[1:-1]:
        assert line.startswith(b" ")


@given(st.binary(min_size=1, max_size=30), st.sampled_from([b"x.y", b"h.example.org"]))
def test_bare_undoes_quoting(local: bytes, domain: bytes) -> None:
    address = local + b"@" + domain
    assert bare(parse(quote_address(address))) == address


@given(st.binary(max_size=120), st.integers(1, 40))
def test_header_and_body_are_the_message(message: bytes, size: int) -> None:
    reader = HeaderReader()
    fields: list[bytes] = []
    at = 0
    while at < len(message) and reader.body is None:
        fields += reader.feed(message[at : at + size])
        at += size
    if reader.body is None:
        fields += reader.finish()
    assert reader.body is not None
    header = b"".join(f.removeprefix(b"MBOX-Line: ") for f in fields)
    whole = header + reader.body + message[at:]
    # Exactly a blank line, or the last LF, may have been put in.
    assert whole.replace(b"\n", b"") == message.replace(b"\n", b"").replace(
        b"MBOX-Line: ", b""
    )
    assert len(whole) - len(message) in (0, 1, 2)
