"""Hashes and dates of the shadow file."""

from __future__ import annotations

import pytest

from qmail.control import passwords

WORDS = b"secret words"
LATIN = b"p\xe4ss"
HASHES = [
    (
        WORDS,
        b"$y$j9T$saltsaltsaltsaltsalt./$1vJrJFB8oKMK.nXC4xgk5kfBEQkKv/ZWOe4XFex/am7",
    ),
    (
        WORDS,
        b"$6$saltsaltsaltsalt$yEGwlSlL7NQP5HV3T5bFC7gU3zxSN6Ha3H3ihWUnKixJ4ZAhqCI"
        b"dLOnS6JbvYA4s1zIaIecpPjJRcvQ8yZjuy1",
    ),
    (LATIN, b"$5$saltsalt$dxUIt0GJjd/F3vZMnhxZZW7IZPucAUTtZzUMY9ovhz7"),
    (WORDS, b"$1$salt$jMGVDfVGtAqauH1NOCA5C."),
]


@pytest.mark.parametrize(("password", "stored"), HASHES)
def test_password_of_a_hash_matches_and_no_other(
    password: bytes, stored: bytes
) -> None:
    assert passwords.matches(password, stored)
    assert not passwords.matches(password + b"x", stored)
    assert not passwords.matches(b"", stored)


@pytest.mark.parametrize("stored", [b"x", b"!", b"*", b"*0", b"*1", b"$99$x", b"!$1$a"])
def test_what_is_no_hash_matches_nothing(stored: bytes) -> None:
    for password in (b"x", stored, b""):
        assert not passwords.matches(password, stored)


@pytest.mark.parametrize("stored", [b"", b"!", b"*", b"!!", b"!$6$salt$hash", b"*LK*"])
def test_locked_accounts_have_no_hash(stored: bytes) -> None:
    assert not passwords._is_hash(stored)


TODAY = 20000
UNSET = passwords.UNSET


@pytest.mark.parametrize(
    ("changed", "max_days", "expires", "barred"),
    [
        (19000, UNSET, UNSET, False),
        (19000, 99999, UNSET, False),
        (19000, 1000, UNSET, False),
        (19000, 999, UNSET, True),
        (0, UNSET, UNSET, True),  # to be changed at the next login
        (UNSET, 1, UNSET, False),
        (19000, UNSET, 20001, False),
        (19000, UNSET, 20000, True),
        (19000, UNSET, 1, True),
        (20001, 0, UNSET, False),
    ],
)
def test_dates_bar_an_account(
    changed: int, max_days: int, expires: int, barred: bool
) -> None:
    found = passwords.is_barred(
        TODAY, changed=changed, max_days=max_days, expires=expires
    )
    assert found is barred
