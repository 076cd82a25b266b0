"""qmail-inject against what netqmail 1.06 made of the same input, row by row.

Every row was run through the compiled original: input, and what that gave. A current
date is written DATE in the rows, the front of a new Message-ID STAMP, and time and
process number in a sender NOW.PID.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.forked import Done, Forked
from tests.support.recorder import Recorder

Environment = dict[str, bytes]
NOT_SET = b"(not set)"

STAMPS = b"Date: d\nMessage-ID: i\nFrom: f@g.h\n"
UNPARSABLE = b"qmail-inject: fatal: unable to parse this line:\n"
NAMES = {
    "QMAILDEFAULTHOST": b"host",
    "QMAILDEFAULTDOMAIN": b"dom.example",
    "QMAILPLUSDOMAIN": b"plus.example",
    "QMAILIDHOST": b"id.example",
}


class Injector:
    """Runs qmail-inject with the names above and a queue program of the test."""

    def __init__(self, path: Path) -> None:
        (path / "control").mkdir()
        self._queue = Recorder(path / "queue")
        self._run = Forked(path)

    def __call__(
        self, words: list[bytes], env: Environment, message: bytes
    ) -> tuple[Done, bytes, list[bytes]]:
        """What it said, the message as queued, sender and recipients."""
        given = {**NAMES, "QMAILQUEUE": bytes(self._queue.program), **env}
        given.setdefault("USER", b"me")
        text = {k: os.fsdecode(v) for k, v in given.items() if v != NOT_SET}
        done = self._run("qmail-inject", *words, data=message, env=text)
        if not self._queue.was_run:
            return done, b"", []
        envelope = self._queue.envelope
        letters = [record[:1] for record in envelope]
        assert letters == [b"F", *[b"T"] * (len(envelope) - 1)]
        addresses = [record[1:] for record in envelope]
        addresses[0] = re.sub(rb"-\d{10}\.\d+", b"-NOW.PID", addresses[0])
        return done, masked(self._queue.message), addresses

    def queued(
        self, words: list[bytes], env: Environment, message: bytes
    ) -> tuple[bytes, bytes, list[bytes]]:
        """Message, sender and recipients of one that is taken in silence."""
        done, kept, addresses = self(words, env, message)
        assert done.said == (0, b"", b"")
        return kept, addresses[0], addresses[1:]


def masked(message: bytes) -> bytes:
    """The message without what differs from one moment to the next."""
    clock = rb"\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d -0000"
    message = re.sub(rb"(?m)^((?:Resent-)?Date: )" + clock + rb"$", rb"\1DATE", message)
    stamp = rb"(?m)^((?:Resent-)?Message-ID: <)\d{14}\.\d+(?=\.qmail@)"
    return re.sub(stamp, rb"\1STAMP", message)


@pytest.fixture
def inject(tmp_path: Path) -> Injector:
    return Injector(tmp_path)


# Where the header ends: (message, as queued, recipients)

SHAPES: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "nothing": (
        b"",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n"
        ),
        [],
    ),
    "blank line alone": (
        b"\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\n"
        ),
        [],
    ),
    "body alone": (
        b"\nbody\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\nbody\n"
        ),
        [],
    ),
    "header alone": (
        STAMPS + b"To: a\n",
        STAMPS + b"To: a@host.dom.example\n",
        [b"a@host.dom.example"],
    ),
    "header without its line feed": (
        STAMPS + b"To: a",
        STAMPS + b"To: a@host.dom.example\n",
        [b"a@host.dom.example"],
    ),
    "no field first": (
        b"hello\nTo: a\n\nbody\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\nhello\n"
            b"To: a\n\nbody\n"
        ),
        [],
    ),
    "no field later": (
        STAMPS + b"hello\nTo: a\n\nbody\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\nhello\nTo: a\n\nbody\n"
        ),
        [],
    ),
    "folded line first": (
        b" To: a\nTo: b\n\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\n"
            b" To: a\nTo: b\n\n"
        ),
        [],
    ),
    "blank folded line first": (
        b" \nTo: b\n\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\n \n"
            b"To: b\n\n"
        ),
        [],
    ),
    "folded with a blank line of blanks": (
        STAMPS + b"To: a\n \nCc: b\n\nbody\n",
        STAMPS + b"To: a@host.dom.example\nCc: b@host.dom.example\n\nbody\n",
        [b"a@host.dom.example", b"b@host.dom.example"],
    ),
    "mbox line": (
        b"From joe Sun Nov 22\nDate: d\nMessage-ID: i\nFrom: f@g.h\nTo: a\n\n",
        (
            b"MBOX-Line: From joe Sun Nov 22\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "mbox line later": (
        STAMPS + b"From joe\nTo: a\n\n",
        STAMPS + b"MBOX-Line: From joe\nTo: a@host.dom.example\n\n",
        [b"a@host.dom.example"],
    ),
    "mbox line folded": (
        b"From joe\n x\nDate: d\nMessage-ID: i\nFrom: f@g.h\nTo: a\n\n",
        (
            b"MBOX-Line: From joe\n x\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "mbox line quoted": (
        STAMPS + b">From joe\nTo: a\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\n>From joe\nTo: a\n\n"
        ),
        [],
    ),
    "From with a blank": (
        b"From : f@g.h\nTo: a\n\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nMBOX-Line: From : f@g.h\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "From with a tab": (
        b"Date: d\nMessage-ID: i\nFrom\t: joe\nTo: a\n\n",
        (
            b"Date: d\nMessage-ID: i\nFrom: joe@host.dom.example\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "CRLF": (
        STAMPS + b"To: a\r\nCc: b\r\n\r\nbody\r\n",
        STAMPS + b"To: a@host.dom.example\nCc: b@host.dom.example\n\n\r\nbody\r\n",
        [b"a@host.dom.example", b"b@host.dom.example"],
    ),
    "CRLF after a LF header": (
        STAMPS + b"To: a\n\r\nCc: b\n",
        STAMPS + b"To: a@host.dom.example\n\n\r\nCc: b\n",
        [b"a@host.dom.example"],
    ),
    "NUL in a name": (
        STAMPS + b"T\x00o: a\nTo: b\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\nT\x00o: a\nTo: b\n\n"
        ),
        [],
    ),
    "NUL in a value": (
        STAMPS + b"Subject: a\x00b\nTo: b\n\n\x00\n",
        STAMPS + b"Subject: a\x00b\nTo: b@host.dom.example\n\n\x00\n",
        [b"b@host.dom.example"],
    ),
    "NUL in an address": (
        STAMPS + b"To: a\x00b@c.d, e\n\n",
        STAMPS + b'To: "a\x00b"@c.d, e@host.dom.example\n\n',
        [b"e@host.dom.example", b"a"],
    ),
    "8-bit": (
        STAMPS + b"Subject: \xe4\nTo: b\n\n\xff\n",
        STAMPS + b"Subject: \xe4\nTo: b@host.dom.example\n\n\xff\n",
        [b"b@host.dom.example"],
    ),
    "8-bit name": (
        STAMPS + b"\xe4: x\nTo: a\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\n\xe4: x\nTo: a\n\n"
        ),
        [],
    ),
    "name with a blank inside": (
        STAMPS + b"To Me: a\nTo: b\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\nTo Me: a\nTo: b\n\n"
        ),
        [],
    ),
    "name empty": (
        STAMPS + b": x\nTo: b\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\n\n: x\nTo: b\n\n"
        ),
        [],
    ),
    "name of blanks": (
        b" : x\nTo: b\n\n",
        (
            b"Date: DATE\nMessage-ID: <STAMP.qmail@id.example>\n"
            b"From: me@host.dom.example\nCc: recipient list not shown: ;\n\n : x\n"
            b"To: b\n\n"
        ),
        [],
    ),
    "name of one letter": (
        STAMPS + b"X:\nTo: b\n\n",
        STAMPS + b"X:\nTo: b@host.dom.example\n\n",
        [b"b@host.dom.example"],
    ),
    "no line feed at the end": (
        STAMPS + b"To: a\n\nbody",
        STAMPS + b"To: a@host.dom.example\n\nbody\n",
        [b"a@host.dom.example"],
    ),
    "two blank lines": (
        STAMPS + b"To: a\n\n\n",
        STAMPS + b"To: a@host.dom.example\n\n\n",
        [b"a@host.dom.example"],
    ),
    "dot alone": (
        STAMPS + b"To: a\n\n.\nx\n",
        STAMPS + b"To: a@host.dom.example\n\n.\nx\n",
        [b"a@host.dom.example"],
    ),
    "long field": (
        STAMPS
        + (
            b"Subject: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            b"xxxxxxxxxxxxxxxxxxx\nTo: a\n\n"
        ),
        STAMPS
        + (
            b"Subject: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            b"xxxxxxxxxxxxxxxxxxx\nTo: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_header_ends_where_the_originals_ends(inject: Injector, name: str) -> None:
    message, expected, recipients = SHAPES[name]
    assert inject.queued([], {}, message) == (
        expected,
        b"me@host.dom.example",
        recipients,
    )


# Long lists

FOLDED: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "80 columns": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"dddddddddddddddd@e.f,g@h\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"dddddddddddddddd@e.f,\n  g@h.dom.example\n\n"
        ),
        [
            b"g@h.dom.example",
            b"ddddddddddddddddddddddddddddddd@e.f",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c",
        ],
    ),
    "78 columns and the break fit": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"dddddddddddddddddd@e.f\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"dddddddddddddddddd@e.f\n\n"
        ),
        [
            b"ddddddddddddddddddddddddddddddddd@e.f",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c",
        ],
    ),
    "79 columns do not": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"ddddddddddddddddddd@e.f\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, ddddddddddddddd"
            b"ddddddddddddddddddd@e.f\n\n"
        ),
        [
            b"dddddddddddddddddddddddddddddddddd@e.f",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c",
        ],
    ),
    "one that is too long": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c, d\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c,\n  d@host.dom.example\n"
            b"\n"
        ),
        [
            b"d@host.dom.example",
            b"a" * 90 + b"@b.c",
        ],
    ),
    "a long second": (
        STAMPS
        + (
            b"To: a, dddddddddddddddddddddddddddddddddddddddddddddddd"
            b"dddddddddddddddddddddddddddddddddddddddddd@e.f, g\n\n"
        ),
        STAMPS
        + (
            b"To: a@host.dom.example,\n"
            b"  ddddddddddddddddddddddddddddddddddddddddddddddddddddd"
            b"ddddddddddddddddddddddddddddddddddddd@e.f,\n  g@host.dom.example\n\n"
        ),
        [
            b"g@host.dom.example",
            b"d" * 90 + b"@e.f",
            b"a@host.dom.example",
        ],
    ),
    "comma last": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaa@b.cc,\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaa@b.cc,\n\n"
        ),
        [b"a" * 64 + b"@b.cc"],
    ),
    "comma last, over": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaa@b.c,\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaa@b.c,\n \n\n"
        ),
        [b"a" * 70 + b"@b.c"],
    ),
    "no comma": (
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c\n\n"
        ),
        STAMPS
        + (
            b"To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c\n\n"
        ),
        [b"a" * 100 + b"@b.c"],
    ),
    "folded anew": (
        STAMPS + b"To: a@b.c,\n d@e.f,\n\tg@h.i\n\n",
        STAMPS + b"To: a@b.c, d@e.f, g@h.i\n\n",
        [b"g@h.i", b"d@e.f", b"a@b.c"],
    ),
    "many": (
        STAMPS
        + (
            b"To: user00@example.org, user01@example.org, user02@exam"
            b"ple.org, user03@example.org, user04@example.org, user05"
            b"@example.org, user06@example.org, user07@example.org, u"
            b"ser08@example.org, user09@example.org, user10@example.o"
            b"rg, user11@example.org\n\n"
        ),
        STAMPS
        + (
            b"To: user00@example.org, user01@example.org, user02@example.org,\n"
            b"  user03@example.org, user04@example.org, user05@example.org,\n"
            b"  user06@example.org, user07@example.org, user08@example.org,\n"
            b"  user09@example.org, user10@example.org, user11@example.org\n\n"
        ),
        [
            b"user11@example.org",
            b"user10@example.org",
            b"user09@example.org",
            b"user08@example.org",
            b"user07@example.org",
            b"user06@example.org",
            b"user05@example.org",
            b"user04@example.org",
            b"user03@example.org",
            b"user02@example.org",
            b"user01@example.org",
            b"user00@example.org",
        ],
    ),
}


@pytest.mark.parametrize("name", list(FOLDED))
def test_long_list_is_folded_where_the_original_does(
    inject: Injector, name: str
) -> None:
    message, expected, recipients = FOLDED[name]
    assert inject.queued([], {}, message) == (
        expected,
        b"me@host.dom.example",
        recipients,
    )


# Which fields are read, rewritten and added

FIELDS: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "every address field is completed": (
        (
            b"Date: d\nMessage-ID: i\nResent-Date: d\nResent-Message-ID: i\n"
            b"Sender: x\nFrom: x\nReply-To: x\nReturn-Receipt-To: x\nErrors-To: x\n"
            b"To: x\nCc: x\nApparently-To: x\nResent-Sender: x\nResent-From: x\n"
            b"Resent-Reply-To: x\nResent-To: x\nResent-Cc: x\n\n"
        ),
        (
            b"Date: d\nMessage-ID: i\nResent-Date: d\nResent-Message-ID: i\n"
            b"Sender: x@host.dom.example\nFrom: x@host.dom.example\n"
            b"Reply-To: x@host.dom.example\nReturn-Receipt-To: x@host.dom.example\n"
            b"Errors-To: x@host.dom.example\nTo: x@host.dom.example\n"
            b"Cc: x@host.dom.example\nApparently-To: x@host.dom.example\n"
            b"Resent-Sender: x@host.dom.example\nResent-From: x@host.dom.example\n"
            b"Resent-Reply-To: x@host.dom.example\nResent-To: x@host.dom.example\n"
            b"Resent-Cc: x@host.dom.example\n\n"
        ),
        [b"x@host.dom.example", b"x@host.dom.example"],
    ),
    "no others are": (
        STAMPS
        + (
            b"Subject: x  y\nMail-Followup-To: x  y\nMail-Reply-To: x  y\n"
            b"Notice-Requested-Upon-Delivery-To: x  y\n"
            b"Disposition-Notification-To: x  y\nResent-Apparently-To: x  y\n"
            b"Delivered-To: x  y\nReceived: x  y\nX-To: x  y\nTo-X: x  y\n\n"
        ),
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nSubject: x  y\nMail-Followup-To: x  y\n"
            b"Mail-Reply-To: x  y\nNotice-Requested-Upon-Delivery-To: x  y\n"
            b"Disposition-Notification-To: x  y\nResent-Apparently-To: x  y\n"
            b"Delivered-To: x  y\nReceived: x  y\nX-To: x  y\nTo-X: x  y\n\n"
        ),
        [],
    ),
    "names in any case with blanks": (
        b"DATE: d\nmessage-id : i\nfRoM\t: f@g.h\nTO \t : a\ncC: b\n\n",
        (
            b"DATE: d\nmessage-id : i\nfRoM: f@g.h\nTO: a@host.dom.example\n"
            b"cC: b@host.dom.example\n\n"
        ),
        [b"a@host.dom.example", b"b@host.dom.example"],
    ),
    "twice": (
        STAMPS
        + (b"Date: d\nMessage-ID: i\nFrom: f@g.h\nTo: a\nTo: b, c\nCc: d\nCc: a\n\n"),
        STAMPS
        + (
            b"Date: d\nMessage-ID: i\nFrom: f@g.h\nTo: a@host.dom.example\n"
            b"To: b@host.dom.example, c@host.dom.example\nCc: d@host.dom.example\n"
            b"Cc: a@host.dom.example\n\n"
        ),
        [
            b"a@host.dom.example",
            b"c@host.dom.example",
            b"b@host.dom.example",
            b"d@host.dom.example",
            b"a@host.dom.example",
        ],
    ),
    "Bcc alone": (
        STAMPS + b"Bcc: a\n\n",
        (b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\nFrom: f@g.h\n\n"),
        [b"a@host.dom.example"],
    ),
    "Apparently-To alone": (
        STAMPS + b"Apparently-To: a\n\n",
        (
            b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nApparently-To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "Cc alone": (
        STAMPS + b"Cc: a\n\n",
        STAMPS + b"Cc: a@host.dom.example\n\n",
        [b"a@host.dom.example"],
    ),
    "To empty": (STAMPS + b"To:\n\n", STAMPS + b"To:\n\n", []),
    "To a group": (
        STAMPS + b"To: nobody: ;\nBcc: a\n\n",
        STAMPS + b"To: nobody: ;\n\n",
        [b"a@host.dom.example"],
    ),
    "no Date": (
        b"Message-ID: i\nFrom: f@g.h\nTo: a\n\n",
        b"Date: DATE\nMessage-ID: i\nFrom: f@g.h\nTo: a@host.dom.example\n\n",
        [b"a@host.dom.example"],
    ),
    "no Message-ID": (
        b"Date: d\nFrom: f@g.h\nTo: a\n\n",
        (
            b"Message-ID: <STAMP.qmail@id.example>\nDate: d\nFrom: f@g.h\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "no From": (
        b"Date: d\nMessage-ID: i\nTo: a\n\n",
        (
            b"From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "Sender is no From": (
        b"Date: d\nMessage-ID: i\nSender: s@t.u\nTo: a\n\n",
        (
            b"From: me@host.dom.example\nDate: d\nMessage-ID: i\nSender: s@t.u\n"
            b"To: a@host.dom.example\n\n"
        ),
        [b"a@host.dom.example"],
    ),
    "no To": (
        STAMPS + b"\n",
        (b"Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\nFrom: f@g.h\n\n"),
        [],
    ),
}


@pytest.mark.parametrize("name", list(FIELDS))
def test_fields_are_treated_as_by_the_original(inject: Injector, name: str) -> None:
    message, expected, recipients = FIELDS[name]
    assert inject.queued([], {}, message) == (
        expected,
        b"me@host.dom.example",
        recipients,
    )


# Resent mail: ((arguments, environment, message), as queued, recipients)

RESENT: dict[str, tuple[tuple[list[bytes], Environment, bytes], bytes, list[bytes]]] = {
    "Resent-Sender alone": (
        ([], {}, STAMPS + b"To: a\nResent-Sender: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\n"
            b"Resent-Sender: r@host.dom.example\n\n"
        ),
        [],
    ),
    "Resent-From alone": (
        ([], {}, STAMPS + b"To: a\nResent-From: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\n"
            b"Resent-From: r@host.dom.example\n\n"
        ),
        [],
    ),
    "Resent-Reply-To alone": (
        ([], {}, STAMPS + b"To: a\nResent-Reply-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\n"
            b"Resent-Reply-To: r@host.dom.example\n\n"
        ),
        [],
    ),
    "Resent-To alone": (
        ([], {}, STAMPS + b"To: a\nResent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\nResent-To: r@host.dom.example\n"
            b"\n"
        ),
        [b"r@host.dom.example"],
    ),
    "Resent-Cc alone": (
        ([], {}, STAMPS + b"To: a\nResent-Cc: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\nResent-Cc: r@host.dom.example\n"
            b"\n"
        ),
        [b"r@host.dom.example"],
    ),
    "Resent-Bcc alone": (
        ([], {}, STAMPS + b"To: a\nResent-Bcc: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
    "Resent-Date alone": (
        ([], {}, STAMPS + b"To: a\nResent-Date: r\n\n"),
        (
            b"Resent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\nResent-Date: r\n\n"
        ),
        [],
    ),
    "Resent-Message-ID alone": (
        ([], {}, STAMPS + b"To: a\nResent-Message-ID: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-From: me@host.dom.example\n"
            b"Resent-Cc: recipient list not shown: ;\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\nResent-Message-ID: r\n\n"
        ),
        [],
    ),
    "Resent-Subject is nothing": (
        ([], {}, STAMPS + b"To: a\nResent-Subject: r\n\n"),
        STAMPS + b"To: a@host.dom.example\nResent-Subject: r\n\n",
        [b"a@host.dom.example"],
    ),
    "nothing else": (
        ([], {}, b"Resent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nResent-To: r@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
    "all": (
        (
            [],
            {},
            STAMPS
            + (
                b"To: a\nResent-Date: d\nResent-Message-ID: i\nResent-From: g\n"
                b"Resent-To: r, s\nResent-Cc: t\nResent-Bcc: u\nResent-Bcc: v\nBcc: b\n"
                b"\n"
            ),
        ),
        STAMPS
        + (
            b"To: a@host.dom.example\nResent-Date: d\nResent-Message-ID: i\n"
            b"Resent-From: g@host.dom.example\n"
            b"Resent-To: r@host.dom.example, s@host.dom.example\n"
            b"Resent-Cc: t@host.dom.example\n\n"
        ),
        [
            b"s@host.dom.example",
            b"r@host.dom.example",
            b"t@host.dom.example",
            b"u@host.dom.example",
            b"v@host.dom.example",
        ],
    ),
    "Bcc of the first mail": (
        ([], {}, STAMPS + b"Bcc: b\nResent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nResent-To: r@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
    "arguments too": (
        ([b"-H", b"x"], {}, STAMPS + b"To: a\nResent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: a@host.dom.example\nResent-To: r@host.dom.example\n"
            b"\n"
        ),
        [b"x@host.dom.example", b"r@host.dom.example"],
    ),
    "letters f and i": (
        (
            [],
            {"QMAILINJECT": b"fi"},
            STAMPS + b"Resent-From: g\nResent-Message-ID: j\nResent-To: r\n\n",
        ),
        (
            b"Resent-Date: DATE\nDate: d\nResent-From: g@host.dom.example\n"
            b"Resent-Message-ID: j\nResent-To: r@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
    "a name": (
        ([], {"NAME": b"Joe Q"}, STAMPS + b"Resent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b'Resent-From: "Joe Q" <me@host.dom.example>\nDate: d\nMessage-ID: i\n'
            b"From: f@g.h\nResent-To: r@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
    "mailing list": (
        ([], {"QMAILMFTFILE": b"lists"}, STAMPS + b"To: list@x.y\nResent-To: r\n\n"),
        (
            b"Resent-Date: DATE\nResent-Message-ID: <STAMP.qmail@id.example>\n"
            b"Resent-From: me@host.dom.example\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: list@x.y\nResent-To: r@host.dom.example\n\n"
        ),
        [b"r@host.dom.example"],
    ),
}


@pytest.mark.parametrize("name", list(RESENT))
def test_resent_mail_is_completed_as_by_the_original(
    inject: Injector, name: str
) -> None:
    given, expected, recipients = RESENT[name]
    message, _, found = inject.queued(*given)
    assert (message, found) == (expected, recipients)


# Mail to a list of QMAILMFTFILE

FOLLOWUP: dict[
    str, tuple[tuple[list[bytes], Environment, bytes], bytes, list[bytes]]
] = {
    "to a list": (
        ([], {}, STAMPS + b"To: list@x.y\n\n"),
        (
            b"Mail-Followup-To: list@x.y\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: list@x.y\n\n"
        ),
        [b"list@x.y"],
    ),
    "in any case": (
        ([], {}, STAMPS + b"Cc: LIST@X.y\n\n"),
        (
            b"Mail-Followup-To: LIST@X.y\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"Cc: LIST@X.y\n\n"
        ),
        [b"LIST@X.y"],
    ),
    "and others": (
        ([], {}, STAMPS + b"To: a, list@x.y, B <b@c.d>\nCc: e\n\n"),
        (
            b"Mail-Followup-To: e@host.dom.example,\n  a@host.dom.example,\n"
            b"  list@x.y,\n  b@c.d\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: a@host.dom.example, list@x.y, B <b@c.d>\nCc: e@host.dom.example\n"
            b"\n"
        ),
        [b"b@c.d", b"list@x.y", b"a@host.dom.example", b"e@host.dom.example"],
    ),
    "quoted": (
        ([], {}, STAMPS + b'To: "a b"@c.d, list@x.y\n\n'),
        (
            b'Mail-Followup-To: "a b"@c.d,\n  list@x.y\nDate: d\nMessage-ID: i\n'
            b'From: f@g.h\nTo: "a b"@c.d, list@x.y\n\n'
        ),
        [b"list@x.y", b"a b@c.d"],
    ),
    "to no list": (
        ([], {}, STAMPS + b"To: a\n\n"),
        STAMPS + b"To: a@host.dom.example\n\n",
        [b"a@host.dom.example"],
    ),
    "Bcc": (
        ([], {}, STAMPS + b"To: a\nBcc: list@x.y\n\n"),
        STAMPS + b"To: a@host.dom.example\n\n",
        [b"a@host.dom.example", b"list@x.y"],
    ),
    "has one": (
        ([], {}, STAMPS + b"To: list@x.y\nMail-Followup-To: z\n\n"),
        STAMPS + b"To: list@x.y\nMail-Followup-To: z\n\n",
        [b"list@x.y"],
    ),
    "has Mail-Reply-To": (
        ([], {}, STAMPS + b"To: list@x.y\nMail-Reply-To: z\n\n"),
        (
            b"Mail-Followup-To: list@x.y\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: list@x.y\nMail-Reply-To: z\n\n"
        ),
        [b"list@x.y"],
    ),
    "comment is no list": (
        ([], {}, STAMPS + b"To: # lists\n\n"),
        STAMPS + b"To: #@host.dom.example, lists@host.dom.example\n\n",
        [b"lists@host.dom.example", b"#@host.dom.example"],
    ),
    "group": (
        ([], {}, STAMPS + b"To: g: list@x.y;\n\n"),
        (
            b"Mail-Followup-To: list@x.y\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: g: list@x.y;\n\n"
        ),
        [b"list@x.y"],
    ),
    "empty one": (
        ([], {}, STAMPS + b"To: <>, list@x.y\n\n"),
        (
            b"Mail-Followup-To: ,\n  list@x.y\nDate: d\nMessage-ID: i\n"
            b"From: f@g.h\nTo: <>, list@x.y\n\n"
        ),
        [b"list@x.y", b""],
    ),
    "arguments": (
        ([b"x"], {}, STAMPS + b"To: list@x.y\n\n"),
        (
            b"Mail-Followup-To: list@x.y\nDate: d\nMessage-ID: i\nFrom: f@g.h\n"
            b"To: list@x.y\n\n"
        ),
        [b"x@host.dom.example"],
    ),
    "no file": (
        ([], {"QMAILMFTFILE": b"missing"}, STAMPS + b"To: list@x.y\n\n"),
        STAMPS + b"To: list@x.y\n\n",
        [b"list@x.y"],
    ),
    "NUL": (
        ([], {}, STAMPS + b'To: list@x.y, "a\x00b"@c.d\n\n'),
        (
            b"Mail-Followup-To: list@x.y,\n  a\nDate: d\nMessage-ID: i\n"
            b'From: f@g.h\nTo: list@x.y, "a\x00b"@c.d\n\n'
        ),
        [b"a", b"list@x.y"],
    ),
}


@pytest.mark.parametrize("name", list(FOLLOWUP))
def test_mail_followup_to_is_added_as_by_the_original(
    inject: Injector, tmp_path: Path, name: str
) -> None:
    (tmp_path / "lists").write_bytes(b"# lists\nlist@x.y \n\nother@x.y\n")
    (words, env, message), expected, recipients = FOLLOWUP[name]
    env = {"QMAILMFTFILE": b"lists", **env}
    found = inject.queued(words, env, message)
    assert found == (expected, b"me@host.dom.example", recipients)


# (environment, From, envelope sender)

FROM: list[tuple[Environment, bytes, bytes]] = [
    (
        {"USER": b"use", "QMAILUSER": b"qma", "MAILUSER": b"mai", "LOGNAME": b"log"},
        b"qma@host.dom.example",
        b"qma@host.dom.example",
    ),
    (
        {"USER": b"use", "MAILUSER": b"mai", "LOGNAME": b"log"},
        b"mai@host.dom.example",
        b"mai@host.dom.example",
    ),
    (
        {"USER": b"use", "LOGNAME": b"log"},
        b"use@host.dom.example",
        b"use@host.dom.example",
    ),
    (
        {"LOGNAME": b"log", "USER": NOT_SET},
        b"log@host.dom.example",
        b"log@host.dom.example",
    ),
    ({"USER": NOT_SET}, b"anonymous@host.dom.example", b"anonymous@host.dom.example"),
    ({"QMAILHOST": b"qm.h", "MAILHOST": b"ma.h"}, b"me@qm.h", b"me@qm.h"),
    ({"MAILHOST": b"ma.h"}, b"me@ma.h", b"me@ma.h"),
    (
        {"QMAILNAME": b"qmailname", "MAILNAME": b"mailname", "NAME": b"name"},
        b'"qmailname" <me@host.dom.example>',
        b"me@host.dom.example",
    ),
    (
        {"MAILNAME": b"mailname", "NAME": b"name"},
        b'"mailname" <me@host.dom.example>',
        b"me@host.dom.example",
    ),
    ({"NAME": b"name"}, b'"name" <me@host.dom.example>', b"me@host.dom.example"),
    ({"QMAILSUSER": b"s"}, b"me@host.dom.example", b"s@host.dom.example"),
    ({"QMAILSHOST": b"t"}, b"me@host.dom.example", b"me@t.dom.example"),
    (
        {"QMAILSUSER": b"s", "QMAILSHOST": b"t.u", "QMAILHOST": b"h"},
        b"me@h.dom.example",
        b"s@t.u",
    ),
    ({"QMAILSHOST": b"t+"}, b"me@host.dom.example", b"me@t.plus.example"),
    ({"USER": b""}, b'""@host.dom.example', b"@host.dom.example"),
    ({"USER": b"j q"}, b'"j q"@host.dom.example', b"j q@host.dom.example"),
    ({"USER": b"a@b"}, b'"a@b"@host.dom.example', b"a@b@host.dom.example"),
    ({"USER": b".x"}, b'".x"@host.dom.example', b".x@host.dom.example"),
    ({"USER": b"x."}, b'"x."@host.dom.example', b"x.@host.dom.example"),
    ({"USER": b"a..b"}, b'"a..b"@host.dom.example', b"a..b@host.dom.example"),
    ({"USER": b'a"b'}, b'"a\\"b"@host.dom.example', b'a"b@host.dom.example'),
    ({"USER": b"a\\b"}, b'"a\\\\b"@host.dom.example', b"a\\b@host.dom.example"),
    ({"USER": b"\xe4"}, b'"\xe4"@host.dom.example', b"\xe4@host.dom.example"),
    ({"USER": b"a(b)"}, b'"a\\(b\\)"@host.dom.example', b"a(b)@host.dom.example"),
    ({"USER": b"<x>"}, b'"<x>"@host.dom.example', b"<x>@host.dom.example"),
    ({"USER": b"a.b"}, b"a.b@host.dom.example", b"a.b@host.dom.example"),
    ({"USER": b"a,b"}, b'"a,b"@host.dom.example', b"a,b@host.dom.example"),
    ({"USER": b"a\nb"}, b'"a\\\nb"@host.dom.example', b"a\nb@host.dom.example"),
    ({"MAILHOST": b""}, b"me@host.dom.example", b"me@host.dom.example"),
    ({"MAILHOST": b"h"}, b"me@h.dom.example", b"me@h.dom.example"),
    ({"MAILHOST": b"h.d"}, b"me@h.d", b"me@h.d"),
    ({"MAILHOST": b"h+"}, b"me@h.plus.example", b"me@h.plus.example"),
    ({"MAILHOST": b"[1.2.3.4]"}, b'me@\\[1.2.3."4\\]"', b"me@[1.2.3.4]"),
    (
        {"MAILHOST": b"a b"},
        b"me@a.dom.example, b@host.dom.example",
        b"b@host.dom.example",
    ),
    ({"MAILHOST": b"h."}, b"me@h.dom.example", b"me@h.dom.example"),
    ({"MAILHOST": b"(c)"}, b'me@"\\(c\\)".dom.example', b"me@(c).dom.example"),
    ({"MAILHOST": b"a@b"}, b"me@a@b.dom.example", b"me@a@b.dom.example"),
    ({"MAILHOST": b"[]"}, b'me@"\\[\\]".dom.example', b"me@[].dom.example"),
    ({"NAME": b""}, b'"" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"", "QMAILINJECT": b"c"},
        b"me@host.dom.example ()",
        b"me@host.dom.example",
    ),
    (
        {"NAME": b'J "Q" P'},
        b'"J \\"Q\\" P" <me@host.dom.example>',
        b"me@host.dom.example",
    ),
    (
        {"NAME": b'J "Q" P', "QMAILINJECT": b"c"},
        b'me@host.dom.example (J \\"Q\\" P)',
        b"me@host.dom.example",
    ),
    ({"NAME": b"a\\b"}, b'"a\\\\b" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"a\\b", "QMAILINJECT": b"c"},
        b"me@host.dom.example (a\\\\b)",
        b"me@host.dom.example",
    ),
    ({"NAME": b"J\xf6rg"}, b'"J\xf6rg" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"J\xf6rg", "QMAILINJECT": b"c"},
        b"me@host.dom.example (J\xf6rg)",
        b"me@host.dom.example",
    ),
    (
        {"NAME": b"a (b) c"},
        b'"a \\(b\\) c" <me@host.dom.example>',
        b"me@host.dom.example",
    ),
    (
        {"NAME": b"a (b) c", "QMAILINJECT": b"c"},
        b"me@host.dom.example (a \\(b\\) c)",
        b"me@host.dom.example",
    ),
    ({"NAME": b"a) b"}, b'"a\\) b" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"a) b", "QMAILINJECT": b"c"},
        b"me@host.dom.example (a\\) b)",
        b"me@host.dom.example",
    ),
    ({"NAME": b"a\nb"}, b'"a\\\nb" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"a\nb", "QMAILINJECT": b"c"},
        b"me@host.dom.example (a\\\nb)",
        b"me@host.dom.example",
    ),
    ({"NAME": b"[a]"}, b'"\\[a\\]" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"[a]", "QMAILINJECT": b"c"},
        b"me@host.dom.example (\\[a\\])",
        b"me@host.dom.example",
    ),
    (
        {"NAME": b"n" * 80},
        (
            b'"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'
            b'nnnnnnnnnnnnnnnnnnnnnnnnnn" <me@host.dom.example>'
        ),
        b"me@host.dom.example",
    ),
    (
        {
            "NAME": b"n" * 80,
            "QMAILINJECT": b"c",
        },
        (
            b"me@host.dom.example (nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
            b"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn)"
        ),
        b"me@host.dom.example",
    ),
    ({"NAME": b"a, b"}, b'"a, b" <me@host.dom.example>', b"me@host.dom.example"),
    (
        {"NAME": b"a, b", "QMAILINJECT": b"c"},
        b"me@host.dom.example (a, b)",
        b"me@host.dom.example",
    ),
    ({"QMAILDEFAULTHOST": b"a+", "QMAILPLUSDOMAIN": b"p"}, b"me@a.p", b"me@a.p"),
    ({"QMAILDEFAULTHOST": b"a.b"}, b"me@a.b", b"me@a.b"),
    ({"QMAILDEFAULTHOST": b""}, b"me@.dom.example", b"me@.dom.example"),
    ({"QMAILDEFAULTDOMAIN": b""}, b"me@host.", b"me@host."),
]


@pytest.mark.parametrize(("env", "shown", "sender"), FROM)
def test_from_and_sender_are_the_originals(
    inject: Injector, env: Environment, shown: bytes, sender: bytes
) -> None:
    given = b"Date: d\nMessage-ID: i\nTo: a@b.c\n\n"
    message, found, _ = inject.queued([], env, given)
    assert message == b"From: " + shown + b"\n" + given
    assert found == sender


# (QMAILINJECT, arguments, environment, fields first in the message, envelope sender)

SENDERS: list[tuple[bytes, list[bytes], Environment, bytes, bytes]] = [
    (b"", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"", [], {}, b"", b"me@host.dom.example"),
    (b"c", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"c", [], {}, b"", b"me@host.dom.example"),
    (b"s", [], {}, b"Return-Path: <r@s>\n", b"me@host.dom.example"),
    (b"s", [], {}, b"", b"me@host.dom.example"),
    (b"f", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"f", [], {}, b"", b"me@host.dom.example"),
    (b"i", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"i", [], {}, b"", b"me@host.dom.example"),
    (b"r", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example-@[]"),
    (b"r", [], {}, b"", b"me-@host.dom.example-@[]"),
    (b"m", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"m", [], {}, b"", b"me-NOW.PID@host.dom.example"),
    (b"rm", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example-@[]"),
    (b"rm", [], {}, b"", b"me-NOW.PID-@host.dom.example-@[]"),
    (b"sr", [], {}, b"Return-Path: <r@s>\n", b"me-@host.dom.example-@[]"),
    (b"sr", [], {}, b"", b"me-@host.dom.example-@[]"),
    (b"sm", [], {}, b"Return-Path: <r@s>\n", b"me-NOW.PID@host.dom.example"),
    (b"sm", [], {}, b"", b"me-NOW.PID@host.dom.example"),
    (b"srm", [], {}, b"Return-Path: <r@s>\n", b"me-NOW.PID-@host.dom.example-@[]"),
    (b"srm", [], {}, b"", b"me-NOW.PID-@host.dom.example-@[]"),
    (b"csfirm", [], {}, b"Return-Path: <r@s>\n", b"me-NOW.PID-@host.dom.example-@[]"),
    (b"csfirm", [], {}, b"", b"me-NOW.PID-@host.dom.example-@[]"),
    (b"xyz S", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example"),
    (b"xyz S", [], {}, b"", b"me@host.dom.example"),
    (b"rr", [], {}, b"Return-Path: <r@s>\n", b"r@s.dom.example-@[]"),
    (b"rr", [], {}, b"", b"me-@host.dom.example-@[]"),
    (b"r", [b"-fx@y.z", b"b"], {}, b"Return-Path: <r@s>\n", b"x@y.z"),
    (b"r", [], {}, b"Return-Path: <>\n", b"-@[]"),
    (
        b"r",
        [],
        {"QMAILSUSER": b"s t", "QMAILSHOST": b"u+"},
        b"",
        b"s t-@u.plus.example-@[]",
    ),
    (b"m", [b"-fx@y.z", b"b"], {}, b"Return-Path: <r@s>\n", b"x@y.z"),
    (b"m", [], {}, b"Return-Path: <>\n", b""),
    (
        b"m",
        [],
        {"QMAILSUSER": b"s t", "QMAILSHOST": b"u+"},
        b"",
        b"s t-NOW.PID@u.plus.example",
    ),
    (b"rm", [b"-fx@y.z", b"b"], {}, b"Return-Path: <r@s>\n", b"x@y.z"),
    (b"rm", [], {}, b"Return-Path: <>\n", b"-@[]"),
    (
        b"rm",
        [],
        {"QMAILSUSER": b"s t", "QMAILSHOST": b"u+"},
        b"",
        b"s t-NOW.PID-@u.plus.example-@[]",
    ),
    (b"", [], {}, b"Return-Path: a@b.c, d@e.f\n", b"d@e.f"),
    (b"", [], {}, b"Return-Path: \n", b"me@host.dom.example"),
    (b"", [], {}, b"Return-Path: (x)\n", b"me@host.dom.example"),
    (b"", [], {}, b"Return-Path: J <a@b.c>\n", b"a@b.c"),
    (b"", [], {}, b"Return-Path: g: a@b.c, d@e.f;\n", b"d@e.f"),
    (b"", [], {}, b"Return-Path: <@x:a@b.c>\n", b"a@b.c"),
    (b"", [], {}, b"Return-Path: a\n", b"a@host.dom.example"),
    (b"", [], {}, b"Return-Path: #@[]\n", b"#@[]"),
    (b"", [], {}, b'Return-Path: "a\x00b"@c.d\n', b"a"),
    (b"", [], {}, b"Return-Path: <a@b.c>\nReturn-Path: <d@e.f>\n", b"a@b.c"),
    (b"", [], {}, b"Return-Path:\nReturn-Path: <d@e.f>\n", b"d@e.f"),
]


@pytest.mark.parametrize(("letters", "words", "env", "fields", "sender"), SENDERS)
def test_envelope_sender_is_the_originals(
    inject: Injector,
    letters: bytes,
    words: list[bytes],
    env: Environment,
    fields: bytes,
    sender: bytes,
) -> None:
    env = {"QMAILINJECT": letters, **env}
    assert inject.queued(words, env, fields + STAMPS + b"To: a\n\n")[1] == sender


@pytest.mark.parametrize(
    ("letters", "header"),
    [
        (b"", STAMPS),
        (b"csrm", STAMPS),
        (b"f", b"From: me@host.dom.example\nDate: d\nMessage-ID: i\n"),
        (b"i", b"Message-ID: <STAMP.qmail@id.example>\nDate: d\nFrom: f@g.h\n"),
        (
            b"if",
            b"Message-ID: <STAMP.qmail@id.example>\nFrom: me@host.dom.example\n"
            b"Date: d\n",
        ),
    ],
)
def test_letters_f_and_i_replace_what_the_message_has(
    inject: Injector, letters: bytes, header: bytes
) -> None:
    found = inject.queued([], {"QMAILINJECT": letters}, STAMPS + b"To: a@b.c\n\n")
    assert found[0] == header + b"To: a@b.c\n\n"


# (arguments, sender, recipients), for a message To a and b, with c in Bcc

OPTIONS: list[tuple[list[bytes], bytes, list[bytes]]] = [
    ([b"-a"], b"me@host.dom.example", []),
    ([b"-a", b"x"], b"me@host.dom.example", [b"x@host.dom.example"]),
    (
        [b"-A"],
        b"me@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    ([b"-A", b"x"], b"me@host.dom.example", [b"x@host.dom.example"]),
    (
        [b"-h"],
        b"me@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-h", b"x"],
        b"me@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-H"],
        b"me@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-H", b"x", b"y"],
        b"me@host.dom.example",
        [
            b"x@host.dom.example",
            b"y@host.dom.example",
            b"b@host.dom.example",
            b"a@host.dom.example",
            b"c@host.dom.example",
        ],
    ),
    (
        [b"-aAhH", b"x"],
        b"me@host.dom.example",
        [
            b"x@host.dom.example",
            b"b@host.dom.example",
            b"a@host.dom.example",
            b"c@host.dom.example",
        ],
    ),
    (
        [b"-Hh", b"x"],
        b"me@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    ([b"-ha", b"x"], b"me@host.dom.example", [b"x@host.dom.example"]),
    ([b"-h", b"-A", b"x"], b"me@host.dom.example", [b"x@host.dom.example"]),
    ([b"-n", b"-N", b"x"], b"me@host.dom.example", [b"x@host.dom.example"]),
    (
        [b"-fx@y"],
        b"x@y.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"x@y.z", b"-f", b"z"],
        b"z@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b""],
        b"",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"#@[]"],
        b"#@[]",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"u@h.d-@[]"],
        b"u@h.d-@[]",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"a b"],
        b"a b@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"x@y+"],
        b"x@y.plus.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"a@b@c"],
        b"a@b@c.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"<>"],
        b"<>@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"x@"],
        b"x@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    (
        [b"-f", b"@x"],
        b"@x.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example", b"c@host.dom.example"],
    ),
    ([b"--", b"-x"], b"me@host.dom.example", [b"-x@host.dom.example"]),
    ([b"-"], b"me@host.dom.example", [b"-@host.dom.example"]),
    (
        [b"x", b"-h"],
        b"me@host.dom.example",
        [b"x@host.dom.example", b"-h@host.dom.example"],
    ),
    ([b"--x", b"y"], b"me@host.dom.example", [b"y@host.dom.example"]),
    ([b"-af", b"x@y.z", b"z"], b"x@y.z", [b"z@host.dom.example"]),
    (
        [
            b"x@y.z+",
            b"a b@c.d",
            b"",
            b"a@b@c",
            b"a(b)@c",
            b"x@[]",
            b"x@[1.2.3.4]",
            b"\xe4@\xf6",
            b"<a@b>",
            b"a,b",
            b"a@b, c@d",
            b'"q"@r',
            b"x.",
            b"x@y(c)",
            b"@r:x@y",
            b".@x",
        ],
        b"me@host.dom.example",
        [
            b"x@y.z.plus.example",
            b"a b@c.d",
            b"",
            b"a@b@c.dom.example",
            b"a(b)@c.dom.example",
            b"x@[]",
            b"x@[1.2.3.4]",
            b"\xe4@\xf6.dom.example",
            b"<a@b>.dom.example",
            b"a,b@host.dom.example",
            b"a@b, c@d.dom.example",
            b'"q"@r.dom.example',
            b"x.@host.dom.example",
            b"x@y.dom.example",
            b"@r:x@y.dom.example",
            b".@x.dom.example",
        ],
    ),
    ([b"x@y]"], b"me@host.dom.example", [b"x@y].dom.example"]),
    ([b"x@y)"], b"me@host.dom.example", [b"x@y).dom.example"]),
    ([b"x@\\"], b"me@host.dom.example", [b"x@.dom.example"]),
]


@pytest.mark.parametrize(("words", "sender", "recipients"), OPTIONS)
def test_options_choose_sender_and_recipients(
    inject: Injector, words: list[bytes], sender: bytes, recipients: list[bytes]
) -> None:
    message = STAMPS + b"To: a, b\nBcc: c\n\n"
    kept = STAMPS + b"To: a@host.dom.example, b@host.dom.example\n\n"
    assert inject.queued(words, {}, message) == (kept, sender, recipients)


@pytest.mark.parametrize(
    ("words", "fields", "shown"),
    [
        ([b"-N", b"-n"], b"", b"<me@host.dom.example>"),
        ([b"-nfx@y"], b"", b"<x@y.dom.example>"),
        ([b"-n", b"-f", b""], b"", b"<>"),
        ([b"-n", b"-f", b"a b@c.d"], b"", b'<"a b"@c.d>'),
        ([b"-n"], b'Return-Path: "a\0b"@c.d\n', b"<a>"),
    ],
)
def test_printed_message_begins_with_the_sender(
    inject: Injector, words: list[bytes], fields: bytes, shown: bytes
) -> None:
    done, *queued = inject(words, {}, fields + STAMPS + b"To: a@b.c\n\nbody")
    printed = b"Return-Path: " + shown + b"\n" + STAMPS + b"To: a@b.c\n\nbody\n"
    assert done.said == (0, printed, b"")
    assert queued == [b"", []]


MISUSE: list[tuple[list[bytes], bytes]] = [
    ([b"-x"], b"qmail-inject: illegal option -- x"),
    ([b"-f"], b"qmail-inject: option requires an argument -- f"),
    ([b"-n-"], b"qmail-inject: illegal option -- -"),
    ([b"-:"], b"qmail-inject: illegal option -- :"),
    ([b"a@b(c"], b"qmail-inject: fatal: unable to parse address: a@b(c"),
    ([b"-fa@b(c"], b"qmail-inject: fatal: unable to parse this line:\na@b(c"),
    ([b"-fa@b(c", b"-fx"], b"qmail-inject: fatal: unable to parse this line:\na@b(c"),
    ([b"-f", b'a@"b'], b'qmail-inject: fatal: unable to parse this line:\na@"b'),
]


@pytest.mark.parametrize(("words", "said"), MISUSE)
def test_misuse_is_told_in_the_originals_words(
    inject: Injector, words: list[bytes], said: bytes
) -> None:
    done, *queued = inject(words, {}, b"To: a@b.c\n\n")
    assert done.said == (100, b"", said + b"\n")
    assert queued == [b"", []]


# (environment, the line that cannot be parsed)

NO_NAMES: list[tuple[Environment, bytes]] = [
    ({"QMAILDEFAULTHOST": b"a(b"}, b"@a(b"),
    ({"QMAILDEFAULTDOMAIN": b'a"b'}, b'.a"b'),
    ({"QMAILPLUSDOMAIN": b"]"}, b".]"),
    (
        {
            "QMAILDEFAULTHOST": b"(a",
            "QMAILDEFAULTDOMAIN": b"(b",
            "QMAILPLUSDOMAIN": b"(c",
        },
        b".(b",
    ),
    ({"MAILHOST": b"a:b"}, b'Return-Path: "me"@a:b'),
    ({"QMAILSHOST": b"a:b"}, b'Return-Path: "me"@a:b'),
    ({"MAILHOST": b"a>b"}, b'Return-Path: "me"@a>b'),
]


@pytest.mark.parametrize(("env", "line"), NO_NAMES)
def test_name_that_is_none_is_refused(
    inject: Injector, env: Environment, line: bytes
) -> None:
    done, *queued = inject([], env, b"Date: d\nMessage-ID: i\nTo: a@b.c\n\n")
    assert done.said == (100, b"", UNPARSABLE + line + b"\n")
    assert queued == [b"", []]


PARSED = (
    *("Sender", "From", "Reply-To", "Return-Path", "Return-Receipt-To", "Errors-To"),
    *("To", "Cc", "Bcc", "Apparently-To", "Resent-Sender", "Resent-From"),
    *("Resent-Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc"),
)
NOT_PARSED = (
    *("Subject", "Date", "Message-ID", "Received", "Mail-Followup-To"),
    *("Delivered-To", "Content-Length", "Resent-Date"),
)


@pytest.mark.parametrize("name", PARSED)
def test_broken_address_field_is_refused(inject: Injector, name: str) -> None:
    field = name.encode() + b": a, (\n b\n"
    done, *queued = inject([], {}, STAMPS + field + b"\nTo: c\n")
    assert done.said == (100, b"", UNPARSABLE + field)
    assert queued == [b"", []]


@pytest.mark.parametrize("name", NOT_PARSED)
def test_other_field_may_hold_anything(inject: Injector, name: str) -> None:
    field = name.encode() + b": a, (\n"
    message, _, _ = inject.queued([], {}, STAMPS + field + b"To: c@d.e\n\n")
    assert (field in message) is (name != "Content-Length")


def test_fields_that_must_not_travel_are_removed(inject: Injector) -> None:
    removed = b"Bcc: b\nbcc : c\nRETURN-PATH: <r@s.t>\nContent-Length: 5\n"
    given = STAMPS + b"To: a@b.c\n" + removed + b"content-length\t:\n\nbody\n"
    assert inject.queued([], {}, given) == (
        STAMPS + b"To: a@b.c\n\nbody\n",
        b"r@s.t",
        [b"a@b.c", b"b@host.dom.example", b"c@host.dom.example"],
    )
