"""Small harmless runs of every program, for tests/process/test_ways.py.

Each program has a run that it refuses and one that works, where it has such. A status of
None is one that depends on the machine or on chance.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

TABLE_FILE = '192.0.2.:allow,RELAYCLIENT=""\n:deny\n'
UNTIL_TOLD = "#!/bin/sh\necho up; svc -dx .; exec sleep 60\n"
MESSAGE = b"From: a@x.example\nTo: b@y.example\nDate: 1 Jan 2026 00:00:00 -0000\n"
MESSAGE += b"Message-ID: <1@x.example>\n\nhello\n"


class Case:
    """One run: the words, what is on descriptor 0, what lies around, how it ends."""

    def __init__(
        self,
        words: str,
        status: int | None,
        stdin: bytes = b"",
        prepare: Callable[[Path], object] | None = None,
        closed: tuple[int, ...] = (),
        **env: str,
    ) -> None:
        self.argv = [word.encode() for word in words.split("|")]
        self.name = words.replace("|", " ")[:60]
        self.program = self.argv[0]
        self.status = status
        self.stdin = stdin
        self.prepare = prepare
        self.closed = closed
        self.env = {os.fsencode(k): os.fsencode(v) for k, v in env.items()}


def files(**texts: str) -> Callable[[Path], object]:
    """Write files, ``a__b`` as a/b; one that begins with ``#!`` is executable."""

    def prepare(directory: Path) -> None:
        for name, text in texts.items():
            file = directory / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if text.startswith("#!") else 0o644)

    return prepare


CASES = [
    Case("envdir|d", 111),
    Case("envdir|d|printenv|FOO", 0, prepare=files(d__FOO="bar\n")),
    Case("envuidgid|root", 100),
    Case("envuidgid|root|printenv|UID|GID", 0),
    Case("multilog|-x|+y", 0, b"x\ny\n"),
    Case("multilog|s1|./main", 0, b"one\ntwo\n"),
    Case("multilog|e|-a*|e", 0, b"abc\nbc\n"),
    Case("readproctitle|a|b", 100),
    Case("readproctitle|errors:|.......", 0, b"trouble\n"),
    Case("setlock|-z|lock|true", 100),
    Case("setlock|-nX|lock|sh|-c|echo locked", 0),
    Case("setlock|-n|none/lock|true", 111),
    Case("setuidgid|root", 100),
    Case("setuidgid|nosuchaccount|true", 111),
    Case("softlimit|-x", 100),
    Case("softlimit|-o20|sh|-c|ulimit -n", 0),
    Case("supervise", 100),
    Case("supervise|s", 0, prepare=files(s__run=UNTIL_TOLD)),
    Case("supervise|nosuchdirectory", 111),
    Case("svc|-z", 100),
    Case("svc|-u|s", 0, prepare=files(s__run="")),
    Case("svok", 100),
    Case("svok|.", 100),
    Case("svok|nosuchdirectory", 111),
    Case("svscan|nosuchdirectory", 111),
    Case("svscanboot|nosuchdirectory", None),
    Case("svstat|s|nosuch", 0, prepare=files(s__run="")),
    Case("tai64n", 0, b""),
    Case("tai64nlocal", 0, b"@40000000433225833b6e1a8c x\nplain\n"),
    Case("tcprules|cdb", 100),
    Case("tcprules|cdb|tmp", 0, TABLE_FILE.encode()),
    Case("tcprulescheck|cdb", 111, TCPREMOTEIP="192.0.2.1"),
    Case("tcpserver|127.0.0.1", 100),
    Case("tcpserver|127.0.0.1|no-such-service|true", 111),
    Case("forward", 100),
    Case("forward|a@x.example", 100, MESSAGE),
    Case("maildirmake", 100),
    Case("maildirmake|m", 0),
    Case("preline", 100),
    Case(
        "preline|cat", 0, MESSAGE, RPLINE="R\n", DTLINE="D\n", UFLINE="U\n", SENDER="s"
    ),
    Case("qmail-clean", 0, b"foop/17\0nonsense\0"),
    Case("qmail-getpw", 100),
    Case("qmail-getpw|nosuchuser-ext", None),
    Case("qmail-inject|-n", 0, MESSAGE),
    Case("qmail-inject|-n", 100, b'From: "unclosed\n\n'),
    Case("qmail-inject|-a|-n|to@x.example", 0, MESSAGE),
    Case("qmail-local", 100),
    Case(
        "qmail-local|-n|u|<CWD>|l|||h.example|s@x.example|./Maildir/",
        0,
        MESSAGE,
    ),
    Case(
        "qmail-local|--|u|<CWD>|l|||h.example|s@x.example|./Mailbox",
        0,
        MESSAGE,
    ),
    Case("qmail-lspawn", 100),
    Case("qmail-lspawn|./Mailbox", 0),
    Case("qmail-newmrh", 0),
    Case("qmail-newu", 0),
    Case("qmail-qread", 0),
    Case("qmail-qstat", 0),
    Case("qmail-queue", 54, closed=(0,)),
    Case("qmail-queued|-x", 100),
    Case("qmail-queued|-1", 111),
    Case("qmail-remote", 0),
    Case("qmail-remote|routed.example|s@x.example|r@y.example", 0),
    Case("qmail-rspawn", 0),
    Case("qmail-send", 111),
    Case("qmail-showctl", 0),
    Case("qmail-smtpd", 0, b"HELO x\r\nMAIL FROM:<>\r\nQUIT\r\n", TCPREMOTEIP="::1"),
    Case("qmail-smtpd", 1, b"HELO x\r\n"),
    Case("qmail-start|./Mailbox|false", 111),
    Case("qmail-tcpok", 0),
    Case("qmail-tcpto", 0),
    Case("sendmail|-bd", 100),
    Case("sendmail|-bp", 0),
    Case("sendmail|-bs", 0, b"QUIT\r\n"),
    Case("mailq", 0),
    Case("newaliases", 100),
    Case("splogger|tag", 0, b"alert: nobody listens\n"),
]
