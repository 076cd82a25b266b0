"""predate, datemail, mailsubj, qreceipt, maildir2mbox, qmail-pw2u as processes."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.support.forked import Forked
from tests.support.recorder import Recorder

MESSAGE = b"From: a@b\nTo: c@d\nSubject: x\n\nbody\n"


@pytest.fixture
def run(tmp_path: Path) -> Forked:
    (tmp_path / "bin").mkdir()
    (tmp_path / "control").mkdir()
    for control in ("me", "defaultdomain", "plusdomain"):
        (tmp_path / "control" / control).write_text("me.example\n")
    for name in (b"qmail-inject", b"sendmail", b"predate", b"maildir2mbox"):
        file = tmp_path / "bin" / os.fsdecode(name)
        file.write_bytes(launcher.render(name, os.fsencode(tmp_path)))
        file.chmod(0o755)
    return Forked(tmp_path)


@pytest.fixture
def queue(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "queue")


def queued_by(queue: Recorder, **more: str) -> dict[str, str]:
    return {"QMAILQUEUE": str(queue.program), **more}


# predate, datemail


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC0", b"+0000"),
        ("XST-5:30", b"+0530"),
        ("XST3:30", b"-0330"),
        ("XST0:10:45", b"-0011"),
        ("XST-0:10:45", b"+0011"),
        ("XST0:00:20", b"-0000"),
    ],
)
def test_predate_date_is_in_the_local_zone(
    run: Forked, zone: str, shown: bytes
) -> None:
    done = run("predate", "cat", data=MESSAGE, env={"TZ": zone})
    line, _, rest = done.out.partition(b"\n")
    date = rb"Date: \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d " + re.escape(shown)
    assert re.fullmatch(date, line), line
    assert (done.status, rest) == (0, MESSAGE)


def test_predate_clock_is_the_local_one(run: Forked) -> None:
    before = time.time()
    done = run("predate", "cat", env={"TZ": "XST-2"})
    shown = time.strptime(done.out.decode(), "Date: %d %b %Y %H:%M:%S +0200\n")
    assert before - 1 < time.mktime(shown) + time.localtime().tm_gmtoff - 7200
    assert time.mktime(shown) + time.localtime().tm_gmtoff - 7200 < time.time() + 1


@pytest.mark.parametrize("status", [0, 1, 99, 111])
def test_predate_status_is_the_programs(run: Forked, status: int) -> None:
    assert run("predate", "sh", "-c", f"exit {status}", data=MESSAGE).status == status


def test_predate_big_message_unread_is_no_error(run: Forked) -> None:
    assert run("predate", "true", data=bytes(1_000_000)).said == (0, b"", b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], (100, b"", b"predate: usage: predate child\n")),
        (["sh", "-c", "kill -9 $$"], (111, b"", b"predate: fatal: child crashed\n")),
        (
            ["./none"],
            (111, b"", b"predate: fatal: unable to run ./none: file does not exist\n"),
        ),
    ],
)
def test_predate_trouble(
    run: Forked, words: list[str], said: tuple[int, bytes, bytes]
) -> None:
    assert run("predate", *words, data=MESSAGE).said == said


def test_predate_message_that_cannot_be_read_is_not_sent(run: Forked) -> None:
    done = run("predate", "sh", "-c", "cat >/dev/null; echo sent", data=None)
    line = b"predate: fatal: unable to read input: file descriptor not open\n"
    assert done.said == (111, b"", line)


def test_datemail_sends_with_a_local_date(run: Forked, queue: Recorder) -> None:
    env = queued_by(queue, TZ="XST-1")
    done = run("datemail", "-fs@t.example", "r@u.example", data=MESSAGE, env=env)
    assert done.said == (0, b"", b"")
    assert re.search(rb"^Date: .* \+0100$", queue.message, re.MULTILINE)
    assert queue.envelope == [b"Fs@t.example", b"Tr@u.example"]


# mailsubj


def test_mailsubj_writes_subject_and_recipients(run: Forked, queue: Recorder) -> None:
    env = queued_by(queue, QMAILUSER="u", QMAILHOST="h.example")
    done = run(
        "mailsubj", "a  b\\n", "c@d.example", "e@f.example", data=b"text\n", env=env
    )
    assert done.said == (0, b"", b"")
    assert (
        b"\nSubject: a  b\\n\nTo: c@d.example, e@f.example\n" in b"\n" + queue.message
    )
    assert queue.message.endswith(b"\n\ntext\n")
    assert queue.envelope == [b"Fu@h.example", b"Te@f.example", b"Tc@d.example"]


def test_mailsubj_line_break_makes_no_field(run: Forked, queue: Recorder) -> None:
    env = queued_by(queue, QMAILUSER="u", QMAILHOST="h.example")
    run("mailsubj", "a\nBcc: evil@x", "c@d.example", data=b"text\n", env=env)
    assert b"\nSubject: a Bcc: evil@x\n" in b"\n" + queue.message
    assert not re.search(rb"^B?cc:", queue.message, re.MULTILINE | re.IGNORECASE)


def test_mailsubj_status_is_qmail_injects(run: Forked, tmp_path: Path) -> None:
    refusing = queued_by(Recorder(tmp_path / "refusing", 31), QMAILUSER="u")
    assert run("mailsubj", "x", "c@d", data=b"text\n", env=refusing).status == 100
    # COMPAT: in the original "shift" fails, and with it the shell: 2.
    assert run("mailsubj").said[0] == 100


def test_mailsubj_text_that_cannot_be_read_is_not_sent(
    run: Forked, queue: Recorder
) -> None:
    done = run("mailsubj", "x", "c@d", data=None, env=queued_by(queue))
    assert done.status == 111
    assert not queue.was_run or (queue.where / "envelope").read_bytes() == b""


# qreceipt

NOTICE = b"""From: DELIVERY NOTICE SYSTEM <s@t>
To: <s@t>
Subject: success notice

Hi! This is the qreceipt program. Your message was delivered to the
following address: a@b. Thanks for asking.
"""


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"Notice-Requested-Upon-Delivery-To: a@b\n", True),
        (b"notice-requested-upon-delivery-to : c@d,\n <a@b> (me)\n", True),
        (b'Notice-Requested-Upon-Delivery-To: "a" @ b\n', True),
        (b"Notice-Requested-Upon-Delivery-To: us: c@d, a@b;\n", True),
        (b"Notice-Requested-Upon-Delivery-To: a@b", True),
        (b"Notice-Requested-Upon-Delivery-To: A@b\n", False),
        (b"Notice-Requested-Upon-Delivery-To: a@b.c\n", False),
        (b"\nNotice-Requested-Upon-Delivery-To: a@b\n", False),
        (b"X-Notice-Requested-Upon-Delivery-To: a@b\n", False),
        (b"", False),
    ],
)
def test_qreceipt_answers_who_asks(
    run: Forked, queue: Recorder, header: bytes, wanted: bool
) -> None:
    done = run("qreceipt", "a@b", data=header, env=queued_by(queue, SENDER="s@t"))
    assert done.said == (0, b"", b"")
    assert queue.was_run == wanted
    if wanted:
        assert queue.message == NOTICE
        assert queue.envelope == [b"F", b"Ts@t"]


def test_qreceipt_notice_names_the_message(run: Forked, queue: Recorder) -> None:
    data = b"Notice-Requested-Upon-Delivery-To: a@b\nMessage-ID: <1@x>\n\nb\n"
    run("qreceipt", "a@b", data=data, env=queued_by(queue, SENDER="s@t"))
    assert queue.message == NOTICE + b"Your Message-ID: <1@x>\n"


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_qreceipt_does_not_answer_bounces(
    run: Forked, queue: Recorder, sender: str
) -> None:
    data = b"Notice-Requested-Upon-Delivery-To: a@b\n"
    done = run("qreceipt", "a@b", data=data, env=queued_by(queue, SENDER=sender))
    assert (done.said, queue.was_run) == ((0, b"", b""), False)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (31, (100, b"", b"qreceipt: fatal: permanent qmail-queue error\n")),
        (53, (111, b"", b"qreceipt: fatal: temporary qmail-queue error\n")),
    ],
)
def test_qreceipt_refusal_by_the_queue_is_told(
    run: Forked, tmp_path: Path, code: int, said: tuple[int, bytes, bytes]
) -> None:
    env = queued_by(Recorder(tmp_path / "refusing", code), SENDER="s@t")
    data = b"Notice-Requested-Upon-Delivery-To: a@b\n"
    assert run("qreceipt", "a@b", data=data, env=env).said == said


@pytest.mark.parametrize(
    ("words", "data", "env", "said"),
    [
        (["a@b"], b"", {}, (100, b"qreceipt: usage: qreceipt deliveryaddress\n")),
        (
            [],
            b"",
            {"SENDER": ""},
            (100, b"qreceipt: usage: qreceipt deliveryaddress\n"),
        ),
        (["a@b"], None, {"SENDER": ""}, (111, b"qreceipt: fatal: read error\n")),
        (
            ["a@b"],
            b'Notice-Requested-Upon-Delivery-To: "a\n',
            {"SENDER": ""},
            (
                100,
                b"qreceipt: fatal: unable to parse this: "
                b'Notice-Requested-Upon-Delivery-To: "a\n',
            ),
        ),
    ],
)
def test_qreceipt_trouble(
    run: Forked,
    words: list[str],
    data: bytes | None,
    env: dict[str, str],
    said: tuple[int, bytes],
) -> None:
    done = run("qreceipt", *words, data=data, env=env)
    assert (done.status, done.err) == said


# maildir2mbox


@pytest.fixture
def mail(tmp_path: Path) -> dict[str, str]:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "M" / name).mkdir(parents=True)
    names = {"MAILDIR": "M", "MAIL": "mbox", "MAILTMP": "mbox.tmp"}
    return {name: str(tmp_path / value) for name, value in names.items()}


def deliver(path: Path, data: bytes, when: int) -> None:
    path.write_bytes(data)
    os.utime(path, (when, when))


def test_maildir2mbox_moves_by_time(
    run: Forked, mail: dict[str, str], tmp_path: Path
) -> None:
    maildir = tmp_path / "M"
    deliver(maildir / "new/b", b"Return-Path: <a@b>\nFrom x\n", 86400)
    deliver(maildir / "cur/c:2,S", b"one\n", 0)
    deliver(maildir / "new/a", b"no newline", 2 * 86400)
    deliver(maildir / "new/.hidden", b"x", 0)
    deliver(maildir / "new/future", b"x", int(time.time()) + 900)
    deliver(maildir / "tmp/old", b"x", 0)
    (maildir / "tmp/fresh").touch()
    (tmp_path / "mbox").write_bytes(b"old\n")
    (tmp_path / "mbox.tmp").write_bytes(b"left over" * 99)
    (tmp_path / "mbox.tmp").chmod(0o600)
    assert run("maildir2mbox", env=mail).said == (0, b"", b"")
    assert (tmp_path / "mbox").read_bytes() == (
        b"old\n"
        b"From XXX Thu Jan 01 00:00:00 1970\none\n\n"
        b"From a@b Fri Jan 02 00:00:00 1970\nReturn-Path: <a@b>\n>From x\n\n"
        b"From XXX Sat Jan 03 00:00:00 1970\nno newline\n\n"
    )
    assert sorted(os.listdir(maildir / "new")) == [".hidden", "future"]
    assert os.listdir(maildir / "cur") == []
    assert os.listdir(maildir / "tmp") == ["fresh"]
    assert not (tmp_path / "mbox.tmp").exists()
    assert (tmp_path / "mbox").stat().st_mode & 0o777 == 0o600


def test_maildir2mbox_nothing_new_touches_nothing(
    run: Forked, mail: dict[str, str], tmp_path: Path
) -> None:
    assert run("maildir2mbox", env=mail).said == (0, b"", b"")
    assert not (tmp_path / "mbox").exists()


def test_maildir2mbox_waits_for_the_lock(
    run: Forked, mail: dict[str, str], tmp_path: Path
) -> None:
    deliver(tmp_path / "M/new/a", b"x\n", 0)
    with open(tmp_path / "mbox", "ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        script = "timeout 0.3 $0; test $? = 124 && test -e M/new/a && ! test -s mbox"
        done = run("envdir", "M/cur", "sh", "-c", script, "bin/maildir2mbox", env=mail)
    assert done.status == 0
    assert run("maildir2mbox", env=mail).status == 0
    assert (tmp_path / "mbox").read_bytes().endswith(b"x\n\n")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"MAIL": None}, "MAIL not set"),
        ({"MAILTMP": None}, "MAILTMP not set"),
        ({"MAILDIR": None}, "MAILDIR not set"),
        ({"MAILDIR": "none"}, "unable to chdir to none: file does not exist"),
        ({"MAILDIR": "bin"}, "unable to scan $MAILDIR/new: file does not exist"),
        ({"MAIL": "no/x"}, "unable to lock no/x: file does not exist"),
        ({"MAIL": "."}, "unable to lock .: is a directory"),
        ({"MAILTMP": "no/x"}, "unable to create no/x: file does not exist"),
        ({"MAILTMP": "/dev/full"}, "/dev/full is no regular file"),
        ({"MAILTMP": "cur"}, "cur is no regular file"),
    ],
)
def test_maildir2mbox_trouble_is_111_and_moves_nothing(
    run: Forked,
    mail: dict[str, str],
    tmp_path: Path,
    change: dict[str, str | None],
    complaint: str,
) -> None:
    deliver(tmp_path / "M/new/a", b"x\n", 0)
    env = {name: value for name, value in {**mail, **change}.items() if value}
    line = f"maildir2mbox: fatal: {complaint}\n"
    assert run("maildir2mbox", env=env).said == (111, b"", line.encode())
    assert (tmp_path / "M/new/a").exists()


@pytest.mark.parametrize(
    ("prepare", "name", "complaint"),
    [
        (":", "mbox", "{tmp} is the same file as {mbox}"),
        (":", "M/../mbox", "{tmp} is the same file as {mbox}"),
        ("ln -s mbox t", "t", "{tmp} is no regular file"),
        ("ln -s other t", "t", "{tmp} is no regular file"),
        ("ln mbox t", "t", "{tmp} is the same file as {mbox}"),
        ("mv mbox t; ln -s t mbox", "t", "{tmp} is the same file as {mbox}"),
    ],
)
def test_maildir2mbox_writes_into_no_file_that_is_another(
    run: Forked,
    mail: dict[str, str],
    tmp_path: Path,
    prepare: str,
    name: str,
    complaint: str,
) -> None:
    deliver(tmp_path / "M/new/a", b"x\n", 0)
    (tmp_path / "mbox").write_bytes(b"old\n")
    (tmp_path / "other").write_bytes(b"other\n")
    subprocess.run(["/bin/sh", "-c", prepare], cwd=tmp_path, check=True)
    mail["MAILTMP"] = f"{tmp_path}/{name}"
    text = complaint.format(tmp=mail["MAILTMP"], mbox=mail["MAIL"])
    line = f"maildir2mbox: fatal: {text}\n"
    assert run("maildir2mbox", env=mail).said == (111, b"", line.encode())
    assert (tmp_path / "mbox").read_bytes() == b"old\n"
    assert (tmp_path / "other").read_bytes() == b"other\n"
    assert (tmp_path / "M/new/a").exists()


def test_maildir2mbox_takes_files_and_is_stopped_by_nothing_else(
    run: Forked, mail: dict[str, str], tmp_path: Path
) -> None:
    new, cur = tmp_path / "M/new", tmp_path / "M/cur"
    deliver(new / "a", b"a\n", 0)
    deliver(cur / "a:2,S", b"of the same name\n", 1)
    os.link(new / "a", cur / "a.linked")
    deliver(tmp_path / "elsewhere", b"elsewhere\n", 2)
    (new / "link").symlink_to("../../elsewhere")
    (new / "directory").mkdir()
    os.mkfifo(new / "fifo")
    (cur / "dangling").symlink_to("nowhere")
    (cur / "to-directory").symlink_to("../new/directory")
    stays = [(new, ["directory", "fifo"]), (cur, ["dangling", "to-directory"])]
    for directory, names in stays:
        for name in names:
            os.utime(directory / name, (1, 1), follow_symlinks=False)
    for _ in range(2):
        assert run("maildir2mbox", env=mail).said == (0, b"", b"")
        assert [(d, sorted(os.listdir(d))) for d, _ in stays] == stays
    day = b"From XXX Thu Jan 01 00:00:0%d 1970\n%b\n\n"
    found = [(0, b"a"), (0, b"a"), (1, b"of the same name"), (2, b"elsewhere")]
    assert (tmp_path / "mbox").read_bytes() == b"".join(day % one for one in found)
    assert (tmp_path / "elsewhere").read_bytes() == b"elsewhere\n"


# qmail-pw2u


@pytest.fixture
def passwd(tmp_path: Path) -> bytes:
    (tmp_path / "users").mkdir()
    uid = os.getuid() or 500
    (tmp_path / "home").mkdir()
    if os.getuid() == 0:
        os.chown(tmp_path / "home", uid, -1)
    lines = [
        f"alias:x:{uid}:2::{tmp_path}/home:",
        f"gone:x:{uid}:2::{tmp_path}/gone:",
        f"other:x:{uid + 1}:2::{tmp_path}/home:",
    ]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], [b"alias"]),
        (["-o"], [b"alias"]),
        (["-H"], [b"alias", b"gone", b"other"]),
        (["-hH"], [b"alias", b"gone", b"other"]),
    ],
)
def test_pw2u_looks_at_homes(
    run: Forked, passwd: bytes, options: list[str], names: list[bytes]
) -> None:
    done = run("qmail-pw2u", *options, data=passwd)
    assert (done.status, done.err) == (0, b"")
    assert re.findall(rb"^=(\w+):", done.out, re.MULTILINE) == names
    assert done.out.startswith(b"+:alias:")
    assert done.out.endswith(b"\n.\n")


@pytest.mark.parametrize(
    ("options", "separator", "dash"),
    [(["-c+"], b"+", b"-"), (["-c", ".x"], b".", b"-"), (["-/"], b"-", b"-/")],
)
def test_pw2u_separator_and_slash(
    run: Forked, passwd: bytes, options: list[str], separator: bytes, dash: bytes
) -> None:
    done = run("qmail-pw2u", *options, data=passwd)
    last = done.out.splitlines()[-2]
    assert last.startswith(b"+alias" + separator + b":")
    assert last.endswith(b":" + dash + b"::")


def test_pw2u_files_of_users_have_their_effect(
    run: Forked, passwd: bytes, tmp_path: Path
) -> None:
    files = {
        "include": "alias\ngone\n",
        "exclude": "gone # no\nGONE\n",
        "mailnames": "alias:postmaster\n",
        "subusers": "s:alias:p:\n",
        "append": "=x:y:1:2:/:::",
    }
    for name, text in files.items():
        (tmp_path / "users" / name).write_text(text)
    done = run("qmail-pw2u", "-CH", data=passwd)
    assert [line.partition(b":")[0] for line in done.out.splitlines()] == [
        *(b"+", b"=postmaster", b"=s", b"=x", b"."),
    ]


@pytest.mark.parametrize(
    ("options", "files", "said"),
    [
        (["-h"], {}, (111, "fatal: unable to stat {home}/gone")),
        (["-z"], {}, (100, "illegal option -- z")),
        (["-c"], {}, (100, "option requires an argument -- c")),
        ([], {"exclude": "alias"}, (111, "fatal: unable to find alias user")),
        (
            [],
            {"subusers": "s:no:p:"},
            (111, "fatal: unable to find no user for subuser"),
        ),
        (
            [],
            {"subusers": "s:no:"},
            (111, "fatal: unable to find no user for subuser"),
        ),
        ([], {"include/x": ""}, (111, "fatal: unable to read controls")),
        ([], {"append/x": ""}, (111, "fatal: unable to read controls")),
    ],
)
def test_pw2u_trouble_prints_nothing(
    run: Forked,
    passwd: bytes,
    tmp_path: Path,
    options: list[str],
    files: dict[str, str],
    said: tuple[int, str],
) -> None:
    for name, text in files.items():
        (tmp_path / "users" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "users" / name).write_text(text)
    done = run("qmail-pw2u", *options, data=passwd)
    line = f"qmail-pw2u: {said[1].format(home=tmp_path)}\n"
    assert done.said == (said[0], b"", line.encode())
