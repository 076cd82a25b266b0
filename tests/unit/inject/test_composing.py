"""What qmail-inject makes of a header."""

from __future__ import annotations

import pytest

from qmail.control.maps import ConstMap
from qmail.inject.composing import BadField, Composer
from qmail.inject.identity import Identity
from qmail.inject.rewriting import Rewriter

NOW = 1795356653  # Sun Nov 22 14:10:53 2026
DATE = b"Date: 22 Nov 2026 14:10:53 -0000\n"
MESSAGE_ID = b"Message-ID: <20261122141053.77.qmail@id.example>\n"
FROM = b"From: joe@host.dom.example\n"
NOT_SHOWN = b"Cc: recipient list not shown: ;\n"


def composer(**env: bytes) -> Composer:
    identity = Identity({b"USER": b"joe", **{k.encode(): v for k, v in env.items()}})
    rewriter = Rewriter(b"host", b"dom.example", b"plus.example")
    return Composer(identity, rewriter, b"id.example", NOW, 77)


def made(*fields: bytes, **env: bytes) -> tuple[bytes, Composer]:
    it = composer(**env)
    for field in fields:
        it.field(field)
    return it.finish(), it


def test_empty_header_gets_what_a_message_needs() -> None:
    header, it = made()
    assert header == DATE + MESSAGE_ID + FROM + NOT_SHOWN
    assert it.sender == b"joe@host.dom.example"
    assert it.header_recipients == []


def test_fields_that_are_there_are_not_added() -> None:
    fields = [b"To: a@b.c\n", b"From: d@e.f\n", b"Date: x\n", b"Message-Id: y\n"]
    assert made(*fields)[0] == b"".join(fields)


@pytest.mark.parametrize(
    "name", [b"Bcc", b"Resent-Bcc", b"Return-Path", b"Content-Length"]
)
def test_fields_that_must_not_travel_are_removed(name: bytes) -> None:
    header, _ = made(name + b": a@b.c\n")
    assert name + b":" not in header


def test_recipients_come_from_the_right_fields_last_of_a_field_first() -> None:
    _, it = made(
        b"To: a, b@x.y\n",
        b"Cc: c@x.y\n",
        b"BCC : d@x.y\n",
        b"Apparently-To: e@x.y\n",
        b"Reply-To: no@x.y\n",
    )
    assert it.header_recipients == [
        b"b@x.y",
        b"a@host.dom.example",
        b"c@x.y",
        b"d@x.y",
        b"e@x.y",
    ]


def test_resent_message_has_its_own_fields_and_recipients() -> None:
    header, it = made(b"To: a@x.y\n", b"Resent-Bcc: b@x.y\n", b"From: c@x.y\n")
    assert it.header_recipients == [b"b@x.y"]
    added = [b"Resent-" + line for line in (DATE, MESSAGE_ID, FROM, NOT_SHOWN)]
    assert header == b"".join(added) + b"To: a@x.y\nFrom: c@x.y\n"


def test_return_path_sets_the_sender() -> None:
    assert made(b"Return-Path: <a@b.c>\n")[1].sender == b"a@b.c"
    assert made(b"Return-Path: <>\n")[1].sender == b""
    assert made(b"Return-Path: <a@b.c>\n", QMAILINJECT=b"s")[1].sender == (
        b"joe@host.dom.example"
    )


def test_sender_given_beforehand_stays() -> None:
    it = composer()
    it.sender = b"set@by.option"
    it.field(b"Return-Path: <a@b.c>\n")
    it.finish()
    assert it.sender == b"set@by.option"


@pytest.mark.parametrize(
    ("letters", "sender"),
    [
        (b"r", b"joe-@host.dom.example-@[]"),
        (b"m", b"joe-1795356653.77@host.dom.example"),
        (b"mr", b"joe-1795356653.77-@host.dom.example-@[]"),
    ],
)
def test_verp_letters_extend_the_sender(letters: bytes, sender: bytes) -> None:
    assert made(QMAILINJECT=letters)[1].sender == sender


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"NAME": b"Joe Q"}, b'From: "Joe Q" <joe@host.dom.example>\n'),
        (
            {"NAME": b"Joe Q", "QMAILINJECT": b"c"},
            b"From: joe@host.dom.example (Joe Q)\n",
        ),
        ({"QMAILUSER": b"j q"}, b'From: "j q"@host.dom.example\n'),
        ({"QMAILHOST": b"mx.org"}, b"From: joe@mx.org\n"),
    ],
)
def test_from_names_the_user(env: dict[str, bytes], line: bytes) -> None:
    assert line in made(**env)[0]


def test_letters_f_and_i_replace_from_and_message_id() -> None:
    header, _ = made(b"From: x@y.z\n", b"Message-ID: old\n", QMAILINJECT=b"fi")
    assert header == DATE + MESSAGE_ID + FROM + NOT_SHOWN


@pytest.mark.parametrize("name", [b"To", b"Bcc", b"Resent-Cc", b"From", b"Sender"])
def test_broken_field_is_refused(name: bytes) -> None:
    field = name + b": g: a, b\n"
    with pytest.raises(BadField) as caught:
        composer().field(field)
    assert caught.value.field == field


def test_broken_recipient_field_goes_on_when_nobody_reads_it() -> None:
    it = composer()
    it.use_header_recipients = False
    it.field(b"To: foo: bar, baz\n")
    it.field(b"Cc: joe\n")
    # The field that parses is completed all the same.
    assert it.finish().endswith(b"To: foo: bar, baz\nCc: joe@host.dom.example\n")


def test_broken_sender_field_is_refused_also_then() -> None:
    it = composer()
    it.use_header_recipients = False
    with pytest.raises(BadField):
        it.field(b"From: a (x\n")


def test_mail_to_a_list_gets_mail_followup_to() -> None:
    lists = ConstMap([b"LIST@x.y"])
    it = composer()
    it.field(b"To: list@x.y, a b@x.y\n")
    it.field(b"Cc: c@x.y\n")
    added, _, _ = it.finish(lists).partition(b"To: list@x.y")
    followup = b"Mail-Followup-To: c@x.y,\n  "
    assert added.endswith(followup + b"list@x.y,\n  a@host.dom.example,\n  b@x.y\n")


def test_mail_elsewhere_or_with_one_gets_none() -> None:
    lists = ConstMap([b"list@x.y"])
    it = composer()
    it.field(b"To: other@x.y\n")
    assert b"Followup" not in it.finish(lists)
    it = composer()
    it.field(b"To: list@x.y\n")
    it.field(b"Mail-Followup-To: z\n")
    assert it.finish(lists).count(b"Followup") == 1
