"""Which .qmail file is asked, and what its lines order."""

from __future__ import annotations

import pytest

from qmail.local.dotqmail import (
    candidates,
    forward_sender,
    owner_files,
    parse,
    program_verdict,
    safe_ext,
)


@pytest.mark.parametrize(
    ("dash", "ext", "expected"),
    [
        (b"", b"", [(b".qmail", None), (b".qmaildefault", b"")]),
        (b"-", b"", [(b".qmail-", None), (b".qmail-default", b"")]),
        (
            b"-",
            b"List",
            [(b".qmail-list", None), (b".qmail-default", b"List")],
        ),
        (
            b"-",
            b"A-b",
            [
                (b".qmail-a-b", None),
                (b".qmail-a-default", b"b"),
                (b".qmail-default", b"A-b"),
            ],
        ),
        (
            b"-",
            b"a-B-",
            [
                (b".qmail-a-b-", None),
                (b".qmail-a-b-default", b""),
                (b".qmail-a-default", b"B-"),
                (b".qmail-default", b"a-B-"),
            ],
        ),
        (
            b"-",
            b"x.Default",
            [(b".qmail-x:default", b"Default"), (b".qmail-default", b"x.Default")],
        ),
    ],
)
def test_candidates_are_tried_from_the_longest(
    dash: bytes, ext: bytes, expected: list[tuple[bytes, bytes | None]]
) -> None:
    assert candidates(dash, ext) == expected


def test_safe_ext_leaves_no_dot_to_climb_with() -> None:
    assert safe_ext(b"../../ETC/x.y") == b"::/::/etc/x:y"


def test_owner_files_use_the_whole_extension() -> None:
    assert owner_files(b"-", b"My.List") == (
        b".qmail-my:list-owner",
        b".qmail-my:list-owner-default",
    )


LINES = [
    (b"./Maildir/\n", [(b"maildir", b"./Maildir/")]),
    (b"./Maildir", [(b"mbox", b"./Maildir")]),
    (b"/var/mail/x \t\n", [(b"mbox", b"/var/mail/x")]),
    (b"|cat  >x \n", [(b"program", b"cat  >x")]),
    (b"|\n", [(b"program", b"")]),
    (b"&a@b\n", [(b"forward", b"a@b")]),
    (b"a@b\n", [(b"forward", b"a@b")]),
    (b"&\n", [(b"forward", b"")]),
    (b" a@b\n", [(b"forward", b" a@b")]),
    (b"# x\n#\n", []),
    (b"#\n\n \t\na@b\n", [(b"forward", b"a@b")]),
    (b"", [(b"blank first line", b"")]),
    (b"\n", [(b"blank first line", b"")]),
    (b" \na@b\n", [(b"blank first line", b""), (b"forward", b"a@b")]),
    (b"+anything\n|x\n", [(b"program", b"x")]),
    (
        b"./a\n+list\n./b\n|c\nd\n",
        [
            (b"mbox", b"./a"),
            (b"file not allowed", b"./b"),
            (b"program not allowed", b"|c"[1:]),
            (b"forward", b"d"),
        ],
    ),
    (b"+listing\n./b\n", [(b"mbox", b"./b")]),
    (b"+list \n./b\n", [(b"file not allowed", b"./b")]),
    (b"./a\0b/\n", [(b"maildir", b"./a")]),
    (b"a@b\r\n", [(b"forward", b"a@b\r")]),
]


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_parse_gives_the_instructions_in_order(
    text: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    assert parse(text, forward_only=False) == expected


def test_parse_of_an_executable_file_allows_only_forwards() -> None:
    assert parse(b"./a/\n|b\n&c\n#\n", forward_only=True) == [
        (b"file not allowed", b"./a/"),
        (b"program not allowed", b"b"),
        (b"forward", b"c"),
    ]


@pytest.mark.parametrize(
    ("sender", "owner", "owner_default", "expected"),
    [
        (b"s@t", False, False, b"s@t"),
        (b"s@t", True, False, b"l-owner@h"),
        (b"s@t", True, True, b"l-owner-@h-@[]"),
        (b"", True, True, b""),
        (b"#@[]", True, True, b"#@[]"),
    ],
)
def test_forward_sender_is_the_owner_but_never_of_a_bounce(
    sender: bytes, owner: bool, owner_default: bool, expected: bytes
) -> None:
    assert forward_sender(sender, b"l", b"h", owner, owner_default) == expected


def test_program_verdict_knows_every_status() -> None:
    hard = {100, 64, 65, 70, 76, 77, 78, 112}
    for status in range(256):
        expected = status if status in (0, 99) else 100 if status in hard else 111
        assert program_verdict(status) == expected
