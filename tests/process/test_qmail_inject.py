"""qmail-inject and sendmail as real processes, with a queue program of the test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.conftest import CHECKOUT
from tests.support.recorder import Recorder

MESSAGE = b"To: a, b@c.d\nDate: d\nMessage-ID: i\nFrom: f@g.h\n\nbody\n"
ADDED = b"To: a@host.dom.example, b@c.d\nDate: d\nMessage-ID: i\nFrom: f@g.h\n\nbody\n"


class Injector:
    """A qmail home with control files, and the programs run in it."""

    def __init__(self, path: Path, python: list[str]) -> None:
        self.home = path / "qmail"
        (self.home / "control").mkdir(parents=True)
        (self.home / "bin").mkdir()
        self.control("me", "id.example\n")
        self.control("defaulthost", "host \n")
        self.control("defaultdomain", "dom.example\n")
        self.queue = Recorder(path / "recorder")
        self.prefix: list[str] = []
        self._python = python

    def control(self, name: str, text: str) -> None:
        (self.home / "control" / name).write_text(text)

    def program(self, name: str) -> None:
        """A program in bin/ that shows how it was run."""
        path = self.home / "bin" / name
        path.write_text('#!/bin/sh\necho "$0" "$@"; pwd; env | sort; cat\n')
        path.chmod(0o755)

    def run(
        self,
        *words: str | bytes,
        program: str = "qmail-inject",
        message: bytes = MESSAGE,
        code: int = 0,
        cwd: Path | None = None,
        **env: str,
    ) -> subprocess.CompletedProcess[bytes]:
        ended = subprocess.run(
            [*self.prefix, *self._python, program, *words],
            input=message,
            capture_output=True,
            timeout=60,
            cwd=cwd,
            env={
                "PATH": "/bin:/usr/bin",
                "PYTHONPATH": str(CHECKOUT),
                "PYQMAIL_TEST_HOME": str(self.home),
                "QMAILQUEUE": str(self.queue.program),
                "USER": "joe",
                **env,
            },
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        return ended


@pytest.fixture
def inject(tmp_path: Path, python: list[str]) -> Injector:
    return Injector(tmp_path, python)


def test_message_is_completed_and_queued(inject: Injector) -> None:
    ended = inject.run()
    assert inject.queue.message == ADDED
    assert inject.queue.envelope == [
        b"Fjoe@host.dom.example",
        b"Tb@c.d",
        b"Ta@host.dom.example",
    ]
    assert ended.stdout == ended.stderr == b""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-a"], []),
        (["-a", "x@y.z"], [b"Tx@y.z"]),
        (["x"], [b"Tx@host.dom.example"]),
        (["-A"], [b"Tb@c.d", b"Ta@host.dom.example"]),
        (["-h", "x@y.z"], [b"Tb@c.d", b"Ta@host.dom.example"]),
        (["-H", "x@y.z"], [b"Tx@y.z", b"Tb@c.d", b"Ta@host.dom.example"]),
        (["-aH", "--", "-x"], [b"T-x@host.dom.example", b"Tb@c.d"]),
    ],
)
def test_recipients_come_from_where_the_option_says(
    inject: Injector, words: list[str], expected: list[bytes]
) -> None:
    inject.run(*words)
    assert inject.queue.envelope[1:][: len(expected) or None] == expected


def test_sender_option_overrides_return_path(inject: Injector) -> None:
    inject.run("-fs@t", message=b"Return-Path: <r@p>\n" + MESSAGE)
    assert inject.queue.envelope[0] == b"Fs@t.dom.example"
    assert inject.queue.message == ADDED


def test_empty_sender_stays_empty(inject: Injector) -> None:
    inject.run("-f", "", "x@y.z")
    assert inject.queue.envelope == [b"F", b"Tx@y.z"]


def test_n_prints_instead(inject: Injector) -> None:
    ended = inject.run("-n", "-f", "a b@c.d")
    assert ended.stdout == b'Return-Path: <"a b"@c.d>\n' + ADDED
    assert not inject.queue.was_run


def test_last_line_gets_its_line_feed(inject: Injector) -> None:
    inject.run(message=MESSAGE + b"end")
    assert inject.queue.message == ADDED + b"end\n"


def test_added_fields_name_this_host_and_user(inject: Injector) -> None:
    inject.run("-a", "x", message=b"", NAME="Joe Q")
    date, message_id, sender, cc, end = inject.queue.message.split(b"\n")
    assert date.startswith(b"Date: ")
    assert date.endswith(b" -0000")
    assert message_id.startswith(b"Message-ID: <20")
    assert message_id.endswith(b".qmail@id.example>")
    assert sender == b'From: "Joe Q" <joe@host.dom.example>'
    assert cc == b"Cc: recipient list not shown: ;"
    assert end == b""


def test_environment_overrides_the_control_files(inject: Injector) -> None:
    inject.run(
        "a",
        "b@c",
        "d@e+",
        message=b"",
        QMAILDEFAULTHOST="eh",
        QMAILDEFAULTDOMAIN="ed",
        QMAILPLUSDOMAIN="ep",
        QMAILIDHOST="ei",
    )
    assert inject.queue.envelope[1:] == [b"Ta@eh.ed", b"Tb@c.ed", b"Td@e.ep"]
    assert b".qmail@ei>\n" in inject.queue.message


def test_missing_control_files_leave_their_own_names(inject: Injector) -> None:
    for name in ("me", "defaulthost", "defaultdomain"):
        (inject.home / "control" / name).unlink()
    inject.run("a", "b@c+", message=b"")
    assert inject.queue.envelope[1:] == [
        b"Ta@defaulthost.defaultdomain",
        b"Tb@c.plusdomain",
    ]
    assert b".qmail@idhost>\n" in inject.queue.message


def test_unreadable_control_file_is_temporary(inject: Injector) -> None:
    (inject.home / "control" / "idhost").mkdir()
    ended = inject.run(code=111)
    assert b"is a directory" in ended.stderr


def test_mailing_lists_are_named_from_the_callers_directory(
    inject: Injector, tmp_path: Path
) -> None:
    (tmp_path / "lists").write_text("# mine\n\nB@C.D \n")
    inject.run(cwd=tmp_path, QMAILMFTFILE="lists")
    followup = b"Mail-Followup-To: a@host.dom.example,\n  b@c.d\n"
    assert inject.queue.message == followup + ADDED


def test_broken_field_is_refused_unless_nobody_reads_it(inject: Injector) -> None:
    broken = b"To: foo: bar, baz\n" + MESSAGE
    ended = inject.run(message=broken, code=100)
    assert ended.stderr.endswith(b":\nTo: foo: bar, baz\n")
    assert not inject.queue.was_run
    inject.run("-a", "x@y.z", message=broken)
    assert inject.queue.envelope == [b"Fjoe@host.dom.example", b"Tx@y.z"]
    assert inject.queue.message == b"To: foo: bar, baz\n" + ADDED


@pytest.mark.parametrize("words", [["-x"], ["-f"], ["a@b(c"]])
def test_misuse_is_100(inject: Injector, words: list[str]) -> None:
    inject.run(*words, code=100)
    assert not inject.queue.was_run


@pytest.mark.parametrize(("answer", "code"), [(31, 100), (53, 111)])
def test_refusal_of_the_queue_is_passed_on(
    inject: Injector, tmp_path: Path, answer: int, code: int
) -> None:
    refusing = Recorder(tmp_path / "refusing", answer)
    ended = inject.run(code=code, QMAILQUEUE=str(refusing.program))
    assert ended.stderr.startswith(b"qmail-inject: fatal: ")
    assert b"(#" in ended.stderr


def test_large_body_streams(inject: Injector) -> None:
    body = b"0123456789abcdef" * 65536 * 8
    inject.prefix = ["sh", "-c", 'ulimit -v 60000; exec "$@"', "sh"]
    inject.run(message=MESSAGE + body)
    assert inject.queue.message == ADDED + body + b"\n"


@pytest.mark.parametrize(
    ("words", "redirection", "said"),
    [
        (["-n"], "0<&-", b"read error: file descriptor not open\n"),
        (["x"], "0<&-", b"read error: file descriptor not open\n"),
        (["-n"], ">/dev/full", b"unable to write the message: out of disk space\n"),
        (["-n"], ">&-", b"unable to write the message: file descriptor not open\n"),
    ],
)
def test_trouble_with_the_message_is_temporary(
    inject: Injector, words: list[str], redirection: str, said: bytes
) -> None:
    inject.prefix = ["sh", "-c", f'exec "$@" {redirection}', "sh"]
    ended = inject.run(*words, code=111)
    assert ended.stderr == b"qmail-inject: fatal: " + said
    assert not inject.queue.was_run


@pytest.mark.parametrize("name", ["To", "Cc", "Bcc", "Resent-To", "Apparently-To"])
def test_list_of_nobodys_concern_is_completed_where_it_parses(
    inject: Injector, name: str
) -> None:
    field = name.encode()
    fields = field + b": a\n" + field + b": foo: bar, baz\n"
    inject.run("-a", "x@y.z", message=fields + b"\n")
    assert inject.queue.envelope[1:] == [b"Tx@y.z"]
    if name != "Bcc":
        completed = fields.replace(b": a\n", b": a@host.dom.example\n")
        assert inject.queue.message.endswith(completed + b"\n")


def test_sender_field_is_read_also_with_arguments(inject: Injector) -> None:
    ended = inject.run("-a", "x@y.z", message=b"From: foo: bar, baz\n\n", code=100)
    said = b"qmail-inject: fatal: unable to parse this line:\nFrom: foo: bar, baz\n"
    assert ended.stderr == said


def test_sendmail_passes_recipients_to_inject(inject: Injector) -> None:
    inject.program("qmail-inject")
    ended = inject.run("-oi", "-em", "x@y.z", "-t", program="sendmail")
    first, where, *_ = ended.stdout.split(b"\n")
    assert first == b"bin/qmail-inject -a -- x@y.z -t"
    assert where == os.fsencode(inject.home)
    assert ended.stdout.endswith(MESSAGE)


def test_sendmail_t_reads_the_header(inject: Injector) -> None:
    inject.program("qmail-inject")
    ended = inject.run("-t", "-i", "--", "x", program="sendmail")
    assert ended.stdout.startswith(b"bin/qmail-inject -H -- x\n")


def test_sendmail_f_sets_sender_and_from(inject: Injector) -> None:
    inject.program("qmail-inject")
    ended = inject.run("-fa@b.c", "x", program="sendmail", NAME="n", MAILHOST="m")
    lines = ended.stdout.split(b"\n")
    assert lines[0] == b"bin/qmail-inject -a -f a@b.c -- x"
    assert b"QMAILUSER=a" in lines
    assert b"QMAILHOST=b.c" in lines
    assert not [line for line in lines if line.startswith((b"NAME=", b"MAILHOST="))]


@pytest.mark.parametrize("words", [["-f", "<>"], ["-f", ""]])
def test_sendmail_f_of_the_empty_sender(inject: Injector, words: list[str]) -> None:
    inject.program("qmail-inject")
    ended = inject.run(*words, "x", program="sendmail")
    assert ended.stdout.startswith(b"bin/qmail-inject -a -f  -- x\n")


def test_sendmail_capital_f_names_the_sender(inject: Injector) -> None:
    inject.program("qmail-inject")
    ended = inject.run("-F", "Joe Q", "x", program="sendmail")
    assert b"\nMAILNAME=Joe Q\n" in ended.stdout


def test_sendmail_takes_what_mail_programs_pass(inject: Injector) -> None:
    inject.program("qmail-inject")
    words = ["-Nnever", "-R", "hdrs", "-OErrorMode=q", "-q", "-odb", "-B8BITMIME"]
    words += ["-Jx", "-Ey", "-vim", "-xG", "-p", "smtp:h", "-bm", "-V", "e"]
    ended = inject.run(*words, "x", program="sendmail")
    assert ended.stdout.startswith(b"bin/qmail-inject -a -- x\n")


def test_sendmail_q_alone_has_nothing_to_do(inject: Injector) -> None:
    inject.program("qmail-inject")
    assert inject.run("-q15m", program="sendmail").stdout == b""


def test_sendmail_bs_is_a_local_smtp_session(inject: Injector) -> None:
    inject.program("qmail-smtpd")
    ended = inject.run("-bs", program="sendmail")
    lines = ended.stdout.split(b"\n")
    assert lines[0] == b"bin/qmail-smtpd"
    for line in (
        b"RELAYCLIENT=",
        b"DATABYTES=0",
        b"PROTO=TCP",
        b"TCPREMOTEIP=127.0.0.1",
        b"TCPREMOTEINFO=sendmail-bs",
    ):
        assert line in lines


def test_sendmail_bs_behind_a_server_adds_nothing(inject: Injector) -> None:
    inject.program("qmail-smtpd")
    ended = inject.run("-bs", program="sendmail", PROTO="TCP")
    assert b"RELAYCLIENT" not in ended.stdout


@pytest.mark.parametrize(("name", "words"), [("sendmail", ["-bp"]), ("mailq", [])])
def test_mailq_is_qmail_qread(inject: Injector, name: str, words: list[str]) -> None:
    inject.program("qmail-qread")
    ended = inject.run(*words, program=name)
    assert ended.stdout.startswith(b"bin/qmail-qread\n")


def test_sendmail_bi_runs_the_newaliases_of_the_home(inject: Injector) -> None:
    inject.run("-bi", program="sendmail", code=111)
    inject.program("newaliases")
    ended = inject.run("-bi", program="sendmail")
    assert ended.stdout.startswith(b"bin/newaliases\n")


def test_sendmail_does_not_run_itself_as_newaliases(inject: Injector) -> None:
    file = inject.home / "bin/newaliases"
    file.write_bytes(launcher.render(b"sendmail", bytes(inject.home)))
    file.chmod(0o755)
    ended = inject.run("-bi", program="sendmail", code=100)
    assert b"is sendmail" in ended.stderr


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["-bd"], b""),
        (["-b", "x"], b""),
        (["-Z"], b"sendmail: illegal option -- Z\n"),
        (["-tk", "-bp"], b"sendmail: illegal option -- k\n"),
        (["-f"], b"sendmail: option requires an argument -- f\n"),
        (["-t", "-F"], b"sendmail: option requires an argument -- F\n"),
    ],
)
def test_sendmail_misuse_is_100(
    inject: Injector, words: list[str], first: bytes
) -> None:
    ended = inject.run(*words, program="sendmail", code=100)
    usage = b"sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"
    assert ended.stderr == first + b"sendmail: usage: " + usage


def test_sendmail_mode_counts_before_what_follows_it(inject: Injector) -> None:
    inject.program("qmail-qread")
    ended = inject.run("-bp", "-Z", program="sendmail")
    assert ended.stdout.startswith(b"bin/qmail-qread\n")


def test_sendmail_any_two_hyphens_end_the_options(inject: Injector) -> None:
    inject.program("qmail-inject")
    ended = inject.run("-t", "--anything", "-x", program="sendmail")
    assert ended.stdout.startswith(b"bin/qmail-inject -H -- -x\n")


def test_sendmail_without_inject_is_temporary(inject: Injector) -> None:
    ended = inject.run("x", program="sendmail", code=111)
    assert ended.stderr == (
        b"sendmail: fatal: unable to run qmail-inject: file does not exist\n"
    )
