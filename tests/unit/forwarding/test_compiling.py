"""Sources of aliases, tables and lists, and what they are compiled to."""

from __future__ import annotations

import pytest

from qmail.forwarding import lists
from qmail.forwarding.addresses import FULL, INCLUDE, LOCAL, Completion, addresses
from qmail.forwarding.aliases import compile_aliases, entries
from qmail.forwarding.source import Refused
from qmail.forwarding.table import (
    LONGEST_ENTRY,
    Malformed,
    commands_of,
    compile_table,
    instruction,
    records,
)

COMPLETION = Completion(b"host.example", b"dom.example", b"plus.example")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", []),
        (b"a, b@c.d", [(FULL, b"b@c.d"), (LOCAL, b"a")]),
        (b"a b", [(LOCAL, b"b"), (LOCAL, b"a")]),
        (b"Joe Shmoe <joe@h> (x)", [(FULL, b"joe@h")]),
        (b'"a@b", <>', [(LOCAL, b""), (LOCAL, b"a@b")]),
        (b"g: a, b;", [(LOCAL, b"b"), (LOCAL, b"a"), (LOCAL, b"g")]),
        (b"a, :include:/x.y", [(INCLUDE, b"/x.y"), (LOCAL, b"a")]),
        (b'a, "|p q"', [(LOCAL, b"|p q"), (LOCAL, b"a")]),
    ],
)
def test_addresses_come_from_the_last_to_the_first(
    line: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    assert list(addresses(line, includes=True)) == expected


@pytest.mark.parametrize(
    ("kind", "text", "full"),
    [
        (LOCAL, b"a", b"a@host.example"),
        (LOCAL, b"a@b", b"a@b@host.example"),
        (FULL, b"a@b", b"a@b.dom.example"),
        (FULL, b"a@b+", b"a@b.plus.example"),
        (FULL, b"a@b.c", b"a@b.c"),
        (FULL, b"a@", b"a@host.example"),
    ],
)
def test_host_names_are_completed(kind: bytes, text: bytes, full: bytes) -> None:
    assert COMPLETION.full(kind, text) == full


def test_an_entry_goes_on_across_empty_lines_and_to_a_last_line_without_lf() -> None:
    text = b"a:\n\n b,\n#c\n d\ne: f,\n\tg"
    assert list(entries(text)) == [b"a:\n b,\n", b"e: f,\n\tg"]


def test_alias_with_owner_list_and_program() -> None:
    text = b'owner-L: o\nL: "|p q", :include:x, A@b.c\n'
    assert list(compile_aliases(text, COMPLETION)) == [
        (b"?l@", b"owner-L@host.example"),
        (b":owner-l@", b"&o@host.example\0"),
        (b":l@", b"./x.bin\0!p q\0&A@b.c\0"),
    ]


@pytest.mark.parametrize(
    ("line", "reason", "code"),
    [
        (b"a\n", b"unable to parse this line: a\n", 111),
        (b"a: /f\n", b"file delivery /f not supported", 111),
        (b"a: <>\n", b"empty recipient addresses not permitted", 111),
        (b"a: :include:\n", b"empty :include: filenames not permitted", 111),
        (b"a: " + b"x" * 801, b"addresses over 800 bytes are not permitted", 100),
    ],
)
def test_alias_that_is_refused(line: bytes, reason: bytes, code: int) -> None:
    with pytest.raises(Refused) as caught:
        list(compile_aliases(line, COMPLETION))
    assert (caught.value.reason, caught.value.code) == (reason, code)


def test_table_source_and_record_and_back() -> None:
    source = b"# x\nA@: b@c, |p\\ q\\;, ?o@w, ./l;"
    compiled = list(compile_table(source))
    assert compiled == [(b"?a@", b"o@w"), (b":a@", b"&b@c\0|p q;\0./l\0")]
    printed = b"".join(instruction(key, data) for key, data in compiled)
    assert printed == b"a@: ?o@w;\na@:\n, &b@c\n, |p\\ q\\;\n, ./l\n;\n"


@pytest.mark.parametrize("source", [b"a", b"a:b", b"a:b:", b",", b"a\0:b;", b"\\\0"])
def test_table_that_is_refused(source: bytes) -> None:
    with pytest.raises(Refused) as caught:
        list(compile_table(source))
    assert caught.value.code == 100


@pytest.mark.parametrize(
    "data", [b"a", b"a\0", b"\0", b"&a", b"&a\0\0", b"&%b\0" % (b"x" * LONGEST_ENTRY)]
)
def test_commands_that_no_program_writes(data: bytes) -> None:
    with pytest.raises(Malformed):
        commands_of(data)


@pytest.mark.parametrize("size", [0, 2047])
def test_file_that_is_too_short_for_a_table(size: int) -> None:
    with pytest.raises(Malformed):
        list(records(bytes(size)))


def test_record_that_reaches_over_the_end() -> None:
    head = (2060).to_bytes(4, "little") + bytes(2044)
    with pytest.raises(Malformed):
        list(records(head + (9).to_bytes(4, "little") + bytes(8)))


def test_list_and_include_file() -> None:
    assert lists.compile_list(b" a@b \n# c\n\n/l\t\n&d@e") == b"& a@b\0/l\0&d@e\0"
    text = b"# c\na, :include:/x\nb+"
    expected = b"/x\0&a@host.example\0&b+@host.example\0"
    assert lists.compile_include(text, COMPLETION) == expected
    assert list(lists.source(expected)) == [
        *(b"/x\n", b"&a@host.example\n", b"&b+@host.example\n"),
    ]


def test_list_runs_no_programs() -> None:
    with pytest.raises(Malformed):
        lists.entries(b"|p\0")
    with pytest.raises(Refused):
        lists.compile_include(b'"|p"\n', COMPLETION)
