"""How addresses are completed."""

from __future__ import annotations

import pytest

from qmail.inject.identity import Identity
from qmail.inject.rewriting import Rewriter
from qmail.mail.rfc822tokens import Unparsable

CASES = [
    (b"joe", b"joe@host.dom.example"),
    (b"joe@mx", b"joe@mx.dom.example"),
    (b"joe@mx.org", b"joe@mx.org"),
    (b"joe@mx+", b"joe@mx.plus.example"),
    (b"joe@a.b+", b"joe@a.b.plus.example"),
    (b"joe+", b"joe+@host.dom.example"),
    (b"joe@[127.0.0.1]", b"joe@[127.0.0.1]"),
    (b"joe.q", b"joe.q@host.dom.example"),
    (b"joe@mx.", b"joe@mx.dom.example"),
    (b"joe@", b"joe@host.dom.example"),
    (b"@relay:joe@mx.org", b"joe@mx.org"),
    (b"@relay", b""),
    (b".", b""),
    (b"@", b""),
    (b"", b""),
    (b"joe@[]", b"joe@[]"),
    (b'"a b"@c.d', b"a b@c.d"),
]


@pytest.mark.parametrize(("address", "expected"), CASES)
def test_plain_address_is_completed(address: bytes, expected: bytes) -> None:
    rewriter = Rewriter(b"host", b"dom.example", b"plus.example")
    assert rewriter.plain(address) == expected


def test_default_host_with_a_plus_gets_the_plus_domain() -> None:
    rewriter = Rewriter(b"mx+", b"dom.example", b"plus.example")
    assert rewriter.plain(b"joe") == b"joe@mx.plus.example"


def test_default_name_that_is_none_is_unparsable() -> None:
    with pytest.raises(Unparsable):
        Rewriter(b"host (", b"d", b"p")


@pytest.mark.parametrize(
    ("env", "user", "host", "name"),
    [
        ({}, b"anonymous", None, None),
        ({b"LOGNAME": b"l"}, b"l", None, None),
        ({b"LOGNAME": b"l", b"USER": b"u"}, b"u", None, None),
        ({b"USER": b"u", b"MAILUSER": b"m"}, b"m", None, None),
        ({b"MAILUSER": b"m", b"QMAILUSER": b"q"}, b"q", None, None),
        ({b"MAILHOST": b"m"}, b"anonymous", b"m", None),
        ({b"MAILHOST": b"m", b"QMAILHOST": b"q"}, b"anonymous", b"q", None),
        ({b"NAME": b"n", b"MAILNAME": b"m"}, b"anonymous", None, b"m"),
        ({b"QMAILNAME": b"", b"MAILNAME": b"m"}, b"anonymous", None, b""),
    ],
)
def test_identity_takes_the_first_name_that_is_set(
    env: dict[bytes, bytes], user: bytes, host: bytes | None, name: bytes | None
) -> None:
    identity = Identity(env)
    assert (identity.user, identity.host, identity.full_name) == (user, host, name)
    assert (identity.envelope_user, identity.envelope_host) == (user, host)


def test_identity_of_the_envelope_may_differ() -> None:
    env = {b"USER": b"u", b"MAILHOST": b"h", b"QMAILSUSER": b"s", b"QMAILSHOST": b"t"}
    identity = Identity(env)
    assert (identity.envelope_user, identity.envelope_host) == (b"s", b"t")
    assert (identity.user, identity.host) == (b"u", b"h")
