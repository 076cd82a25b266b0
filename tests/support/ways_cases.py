"""Small harmless runs of every program, for tests/process/test_ways.py.

Each program has a run that it refuses and one that works, where it has such. A status of
None is one that depends on the machine or on chance.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

TABLE_FILE = '192.0.2.:allow,RELAYCLIENT=""\n:deny\n'
EMPTY_CDB = "\0\x08\0\0\0\0\0\0" * 256
UNTIL_TOLD = "#!/bin/sh\necho up; svc -dx .; exec sleep 60\n"
MESSAGE = b"From: a@x.example\nTo: b@y.example\nDate: 1 Jan 2026 00:00:00 -0000\n"
MESSAGE += b"Message-ID: <1@x.example>\n\nhello\n"

MAILDIR = {"m__new__.x": "", "m__cur__.x": "x\n"}
MOVING = {"MAIL": "../mbox", "MAILTMP": "../tmp", "MAILDIR": "m"}
HOOK = dict.fromkeys(["DTLINE", "RPLINE", "UFLINE", "HOST"], "x") | {
    "LOCAL": "joe",
    "SENDER": "s@x.example",
}


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
            # Readers of a Maildir leave what came within this second for later.
            os.utime(file, (time.time() - 60,) * 2)

    return prepare


_listener = socket.create_server(("127.0.0.1", 0), backlog=200)
OPEN_PORT = _listener.getsockname()[1]
"""Connections to it are made by the kernel; nobody takes them."""
_listener.detach()

CASES = [
    Case("addcr", 0, b"a\n\r\n"),
    Case("addcr", 111, closed=(0,)),
    Case("argv0|sh", 100),
    Case("argv0|nosuchprogram|x", 111),
    Case("argv0|sh|x|-c|echo $0", 0),
    Case("delcr", 0, b"a\r\n\r"),
    Case("delcr", 111, closed=(0,)),
    Case("envdir|d", 111),
    Case("envdir|d|printenv|FOO", 0, prepare=files(d__FOO="bar\n")),
    Case("envuidgid|root", 100),
    Case("envuidgid|root|printenv|UID|GID", 0),
    Case("fghack", 100),
    Case("fghack|sh|-c|ls /proc/self/fd; exit 3", 3),
    Case("fixcrio", 100),
    Case("fixcrio|sh|-c|cat >&2; exit 3", 3, b"a\n"),
    Case("date@|127.0.0.1|more", 0),
    Case("finger@|127.0.0.1|user", 0),
    Case("http@|127.0.0.1|page|1", 0),
    Case("mconnect|127.0.0.1|1", 111, b"QUIT\n"),
    Case("mconnect-io", 0, b"QUIT\n"),
    Case("matchtest", 0),
    Case("matchtest|*b*c|abxc|d", 0),
    Case("multilog|-x|+y", 0, b"x\ny\n"),
    Case("multilog|s1|./main", 0, b"one\ntwo\n"),
    Case("multilog|e|-a*|e", 0, b"abc\nbc\n"),
    Case("pgrphack", 100),
    Case("pgrphack|sh|-c|echo there; exit 3", 3),
    Case("rblsmtpd|-r|list.example", 100),
    # Descriptor 2 gets a line with the pid.
    Case("rblsmtpd|-t0|true", 0, closed=(2,), RBLSMTPD="-not you"),
    Case("rblsmtpd|true", 0, b"NOOP\nQUIT\n", closed=(2,), RBLSMTPD="not now"),
    Case("rblsmtpd|-b|sh|-c|exit 3", 3, TCPREMOTEIP="192.0.2.1"),
    Case("readproctitle|a|b", 100),
    Case("readproctitle|errors:|.......", 0, b"trouble\n"),
    Case("recordio", 100),
    Case("recordio|sh|-c|cat >/dev/null; exit 3", 3, b"a\n", closed=(2,)),
    Case("setlock|-z|lock|true", 100),
    Case("setlock|-nX|lock|sh|-c|echo locked", 0),
    Case("setlock|-n|none/lock|true", 111),
    Case("setuidgid|root", 100),
    Case("setuidgid|nosuchaccount|true", 111),
    Case("softlimit|-x", 100),
    Case("softlimit|-o20|sh|-c|ulimit -n", 0),
    Case("supervise", 100),
    Case("supervise|s", 0, prepare=files(s__run=UNTIL_TOLD)),
    Case(
        "supervise|s",
        0,
        prepare=files(
            **{
                "s__run": UNTIL_TOLD.replace("exec", "echo >&5; exec"),
                "s__finish": "#!/bin/sh\necho finish $*\n",
                "s__notification-fd": "5\n",
            }
        ),
    ),
    Case("supervise|nosuchdirectory", 111),
    Case("svc|-z", 100),
    Case("svc|-u|s", 0, prepare=files(s__run="")),
    Case("svc|-u|-wu|-T0|s", 111, prepare=files(s__run="")),
    Case("svc|-wD|-T0|s", 111, prepare=files(s__run="")),
    Case("svok", 100),
    Case("svok|.", 100),
    Case("svok|nosuchdirectory", 111),
    Case("svscan|nosuchdirectory", 111),
    Case("svscan|-t|x", 100),
    Case("svscanboot|nosuchdirectory", None),
    Case("svscanboot|-t|x", 100),
    Case("svstat|s|nosuch", 0, prepare=files(s__run="")),
    Case("svstat|--json|s|nosuch", 111, prepare=files(s__run="")),
    Case("tai64n", 0, b""),
    Case("tai64nlocal", 0, b"@40000000433225833b6e1a8c x\nplain\n"),
    Case("tcpcat|127.0.0.1|1", 111),
    Case("tcpclient|127.0.0.1|1", 100),
    Case("tcpclient|127.0.0.1|1|true", 111),
    Case(
        f"tcpclient|-RHl|me|127.0.0.1|{OPEN_PORT}|sh|-c|echo $TCPLOCALHOST >&7",
        0,
        TCPREMOTEINFO="stale",
    ),
    Case("tcprules|cdb", 100),
    Case("tcprules|cdb|tmp", 0, TABLE_FILE.encode()),
    Case("tcprules|cdb|tmp", 100, b"::1/129:deny\n"),
    Case("tcprulescheck|cdb", 111, TCPREMOTEIP="192.0.2.1"),
    Case("tcprulescheck|cdb", 0, prepare=files(cdb=EMPTY_CDB), TCPREMOTEIP="::1"),
    Case("tcpserver|127.0.0.1", 100),
    Case("tcpserver|127.0.0.1|no-such-service|true", 111),
    Case("tcpserver|-y|10.0.0.1/8|127.0.0.1|0|true", 111),
    Case("who@|127.0.0.1", 0),
    Case("checkpassword", 2),
    Case("checkpassword|true", 2),
    Case("bouncesaying", 100),
    Case("bouncesaying|no such user", 100),
    Case("bouncesaying|not you|sh|-c|echo asked; exit 1", 0),
    Case("condredirect", 100),
    Case("condredirect|a@x.example|false", 0, MESSAGE),
    Case("condredirect|a@x.example|true", 100, MESSAGE),
    Case("datemail|-bz", 100, MESSAGE),
    Case("elq", 111),
    Case("except|true", 100),
    Case("except|sh|-c|cat; exit 3", 0, MESSAGE),
    Case("forward", 100),
    Case("maildir2mbox", 111),
    Case("maildir2mbox", 0, b"", files(**MAILDIR), (), **MOVING),
    Case("maildirwatch", 111),
    Case("mailsubj", 100),
    Case("mailsubj|hello|(", 100, b"text\n"),
    Case("pinq", 111),
    Case("predate", 100),
    Case("predate|sh|-c|grep -v Date; exit 3", 3, MESSAGE),
    Case("qail|x", 111),
    Case("qbiff", 0, MESSAGE),
    Case("qmail-pw2u", 111),
    Case("qmail-pw2u|-H", 0, b"alias:x:7790:2108::/var/qmail/alias:\n"),
    Case("qmail-upq", 111),
    Case("qreceipt|a@x.example", 100),
    Case("qreceipt|a@x.example", 0, MESSAGE, SENDER="s@x.example"),
    Case("qsmhook", 100),
    Case("qsmhook|-n|sh|-c|echo $0; cat|%u-%g", 0, MESSAGE, None, (), **HOOK),
    Case("tcp-env|-R", 111),
    Case("tcp-env|-R|printenv|PROTO", 0, PROTO="TCP"),
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
    Case("qmail-qmqpc", 55),
    Case("qmail-qmqpd", 0, b"20:7:aaaaaaa,0:,5:a\0b,"),
    Case("qmail-qmqpd", 100, b"EHLO x\r\n"),
    Case("qmail-qmtpd", 0, b"3:\nab,0:,", RELAYCLIENT=""),
    Case("qmail-qmtpd", 100, b"EHLO x\r\n"),
    Case("qmail-pop3d", 0),
    Case(
        "qmail-pop3d|m",
        0,
        b"STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
        prepare=files(m__new__1="hello\n", m__cur__keep="", m__tmp__keep=""),
    ),
    Case("qmail-popup|me.example", 1),
    # Descriptor 1 gets a greeting with the pid.
    Case("qmail-popup|me.example|false", 1, b"USER u\nPASS p\n", closed=(1,)),
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
    # Nothing that would compile the machine's own /etc/aliases.
    Case("newaliases|word", 100),
    Case("newinclude", 100),
    Case("newinclude|list", 0, prepare=files(list="a, b@c.example\n")),
    Case("newinclude|list", 111, prepare=files(list="a (\n")),
    Case("dot-forward|-x", 100),
    Case("dot-forward|none|.forward", 111, prepare=files(**{".forward": "a>\n"})),
    Case(
        "dot-forward|.forward",
        100,
        prepare=files(**{".forward": '"|cat; exit 100"\n'}),
        UFLINE="U\n",
    ),
    Case("fastforward", 100),
    Case("fastforward|-p|cdb", 0, prepare=files(cdb=EMPTY_CDB), RECIPIENT="a@b"),
    Case("fastforward|cdb", 100, prepare=files(cdb=EMPTY_CDB), RECIPIENT="a@b"),
    Case("setforward", 100),
    Case("setforward|cdb|tmp", 0, b"a@: b@c.example, |prog;"),
    Case("setforward|cdb|tmp", 100, b"a@: b@c.example"),
    Case("printforward", 100),
    Case("printforward", 0, EMPTY_CDB.encode("latin-1")),
    Case("setmaillist", 100),
    Case("setmaillist|bin|tmp", 0, b"a@b.example\n# x\n/list\n"),
    Case("printmaillist", 100, b"a"),
    Case("printmaillist", 0, b"&a@b.example\0/list\0"),
    Case("splogger|tag", 0, b"alert: nobody listens\n"),
]
