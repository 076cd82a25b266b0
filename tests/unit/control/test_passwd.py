"""users/assign made of a passwd file, by the rules of users/."""

from __future__ import annotations

import pytest

from qmail.control.maps import ConstMap
from qmail.control.passwd import NoUser, Rules, parse_line, parse_list

JOE = b"joe:x:507:100:Joe:/home/joe:/bin/sh"
BOB = b"Bob:x:508:100::/home/bob:"
WORDS = b":joe:507:100:/home/joe:"


def assigned(line: bytes, rules: Rules) -> list[bytes]:
    account = parse_line(line)
    assert account is not None
    return rules.of_account(account) if rules.may_have_mail(account) else []


@pytest.mark.parametrize(
    "line",
    [b"", b"joe", b"joe:x:507:100:Joe:/home/joe", b"jo\0e:x:507:100:Joe:/home/joe:"],
)
def test_line_that_is_no_account_is_none(line: bytes) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("uid", "number"), [(b"0", 0), (b"", 0), (b"x", 0), (b"-1", 0), (b"12x", 12)]
)
def test_uid_is_its_leading_digits(uid: bytes, number: int) -> None:
    account = parse_line(b"a:x:%b:1::/:" % uid)
    assert account is not None
    assert account.uid == number
    assert Rules().may_have_mail(account) == (number > 0)


def test_user_gets_his_name_and_its_extensions() -> None:
    assert assigned(JOE, Rules()) == [
        b"=joe" + WORDS + b"::\n",
        b"+joe-" + WORDS + b"-::\n",
    ]


def test_alias_gets_everything_first() -> None:
    lines = assigned(b"alias:x:7790:2108::/a:", Rules())
    assert lines[0] == b"+:alias:7790:2108:/a:-::\n"
    assert len(lines) == 3


def test_capitals_are_left_out_unless_wanted() -> None:
    rules = Rules()
    assert assigned(BOB, rules) == []
    rules.with_capitals = True
    assert assigned(BOB, rules)[0].startswith(b"=Bob:Bob:508:")


@pytest.mark.parametrize(
    ("separator", "dash", "lines"),
    [
        (b"", b"-", [b"=joe" + WORDS + b"::\n"]),
        (b"+", b"-", [b"=joe" + WORDS + b"::\n", b"+joe+" + WORDS + b"-::\n"]),
        (b"-", b"-/", [b"=joe" + WORDS + b"::\n", b"+joe-" + WORDS + b"-/::\n"]),
    ],
)
def test_separator_and_dash(separator: bytes, dash: bytes, lines: list[bytes]) -> None:
    rules = Rules()
    rules.separator, rules.dash = separator, dash
    assert assigned(JOE, rules) == lines


@pytest.mark.parametrize(
    ("include", "exclude", "has_mail"),
    [
        ([b"JOE"], None, True),
        ([], None, False),
        (None, [b"Joe"], False),
        (None, [b"bob"], True),
        ([b"joe"], [b"joe"], False),
    ],
)
def test_include_and_exclude_know_no_case(
    include: list[bytes] | None, exclude: list[bytes] | None, has_mail: bool
) -> None:
    rules = Rules()
    rules.include = None if include is None else ConstMap(include)
    rules.exclude = None if exclude is None else ConstMap(exclude)
    assert bool(assigned(JOE, rules)) == has_mail


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b"joe:j.doe:jd", [b"j.doe", b"jd"]),
        (b"JOE:::j:", [b"j"]),
        (b"joe:", []),
        (b"bob:x", [b"joe"]),
        (b"joe", [b"joe"]),
    ],
)
def test_mailnames_replace_the_name(line: bytes, names: list[bytes]) -> None:
    rules = Rules()
    rules.separator = b""
    rules.mailnames = ConstMap([line], colon=True)
    assert assigned(JOE, rules) == [b"=%b%b::\n" % (name, WORDS) for name in names]


def test_subuser_is_a_file_of_its_user() -> None:
    accounts = ConstMap([b"joe:" + WORDS], colon=True)
    rules = Rules()
    assert rules.of_subuser(b"sales:JOE:s:ignored", accounts) == [
        b"=sales" + WORDS + b"-:s:\n",
        b"+sales-" + WORDS + b"-:s-:\n",
    ]
    rules.separator = b""
    assert len(rules.of_subuser(b"sales:joe:s:", accounts)) == 1


@pytest.mark.parametrize("line", [b"", b"s", b"s:nobody", b"s:joe:", b"s:joe:p", b"::"])
def test_line_short_of_a_colon_is_no_subuser(line: bytes) -> None:
    accounts = ConstMap([b"joe:" + WORDS, b":" + WORDS], colon=True)
    assert Rules().of_subuser(line, accounts) == []


@pytest.mark.parametrize(
    "line", [b"s:no:", b"s:no:p", b"s:no:p:", b"s:no::x:", b":no:"]
)
def test_user_of_a_subuser_must_be_there(line: bytes) -> None:
    """The second colon is enough to look him up, as in the original."""
    with pytest.raises(NoUser) as caught:
        Rules().of_subuser(line, ConstMap([b"joe:" + WORDS], colon=True))
    assert caught.value.args == (b"no",)


def test_lists_lose_blanks_and_comments() -> None:
    assert parse_list(b"a \t\n#b\n\n c\nd") == [b"a", b" c", b"d"]
