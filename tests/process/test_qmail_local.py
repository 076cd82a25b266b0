"""qmail-local as a real process, with real mailboxes, programs and a queue program."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.support.recorder import Recorder
from tests.support.until import until

MESSAGE = b"Subject: x\n\nFrom here\n>From there\nend"
HEAD = b"Return-Path: <s@t>\nDelivered-To: joe-x@example.org\n"


class Home:
    """A user's home and the way mail gets there."""

    def __init__(self, path: Path, python: list[str]) -> None:
        self.path = path / "home"
        self.path.mkdir(mode=0o755)
        self.queue = Recorder(path / "recorder")
        self._message = path / "message"
        self._python = python
        self.home_argument = str(self.path)

    def maildir(self, name: str = "Maildir") -> Path:
        for sub in ("tmp", "new", "cur"):
            (self.path / name / sub).mkdir(parents=True)
        return self.path / name

    def deliver(
        self,
        qmail: str | None,
        *flags: str,
        dash: str = "-",
        ext: str = "x",
        sender: str = "s@t",
        message: bytes = MESSAGE,
        env: dict[str, str] | None = None,
        code: int = 0,
    ) -> subprocess.CompletedProcess[bytes]:
        if qmail is not None:
            (self.path / f".qmail{dash}{ext}").write_text(qmail)
        self._message.write_bytes(message)
        words = ["joe", self.home_argument, "joe-x", dash, ext, "example.org", sender]
        with open(self._message, "rb") as stdin:
            stdin.read(5)  # it has to rewind
            ended = subprocess.run(
                [*self._python, "qmail-local", *flags, "--", *words, "./Mailbox"],
                stdin=stdin,
                capture_output=True,
                timeout=60,
                env={
                    "PATH": "/bin:/usr/bin",
                    "PYTHONPATH": str(CHECKOUT),
                    "PYQMAIL_TEST_HOME": str(self.path.parent),
                    "QMAILQUEUE": str(self.queue.program),
                    **(env or {}),
                },
                check=False,
            )
        assert ended.returncode == code, ended.stderr
        return ended


@pytest.fixture
def home(tmp_path: Path, python: list[str]) -> Home:
    return Home(tmp_path, python)


def test_maildir_line_delivers_into_new(home: Home) -> None:
    maildir = home.maildir()
    ended = home.deliver("./Maildir/\n")
    [name] = (maildir / "new").iterdir()
    assert name.read_bytes() == HEAD + MESSAGE
    assert name.stat().st_mode & 0o777 == 0o600
    assert name.name.count(".") >= 2
    assert name.name.endswith("." + os.uname().nodename)
    assert list((maildir / "tmp").iterdir()) == []
    assert ended.stdout == b"did 1+0+0\n"
    assert ended.stderr == b""


def test_two_maildir_lines_deliver_twice(home: Home) -> None:
    maildir = home.maildir()
    home.deliver("./Maildir/\n./Maildir/\n")
    assert len(list((maildir / "new").iterdir())) == 2


def test_mbox_line_appends_and_quotes(home: Home) -> None:
    home.deliver("./box\n")
    ended = home.deliver("./box\n", sender="")
    text = (home.path / "box").read_bytes()
    first, second = text.split(b"\nFrom MAILER-DAEMON ")
    assert first.startswith(b"From s@t ")
    assert first.endswith(
        b"\n" + HEAD + b"Subject: x\n\n>From here\n>>From there\nend\n"
    )
    assert second.endswith(b"end\n\n")
    assert (home.path / "box").stat().st_mode & 0o777 == 0o600
    assert ended.stdout == b"did 1+0+0\n"


def test_mbox_that_is_replaced_while_it_is_locked_gets_the_message(home: Home) -> None:
    old, new = home.path / "box", home.path / "new"
    old.write_bytes(b"")
    new.write_bytes(b"kept\n")
    with open(old) as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        inode = f":{os.fstat(held.fileno()).st_ino} "
        delivery = pool.submit(home.deliver, "./box\n")
        try:
            waits = re.compile(f"-> FLOCK .*{inode}")
            until(lambda: waits.search(Path("/proc/locks").read_text()))
            new.rename(old)
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)
        delivery.result()
    text = old.read_bytes()
    assert text.startswith(b"kept\nFrom s@t ")
    assert text.endswith(b"end\n\n")


def test_missing_maildir_is_temporary(home: Home) -> None:
    ended = home.deliver("./Nowhere/\n", code=111)
    assert b"(#4.2.1)" in ended.stderr
    assert ended.stdout == b""


def test_maildir_without_new_leaves_nothing_in_tmp(home: Home) -> None:
    maildir = home.maildir()
    (maildir / "new").rmdir()
    ended = home.deliver("./Maildir/\n", code=111)
    assert b"(#4.3.0)" in ended.stderr
    assert list((maildir / "tmp").iterdir()) == []


def test_mbox_that_is_a_directory_is_temporary(home: Home) -> None:
    (home.path / "box").mkdir()
    ended = home.deliver("./box\n", code=111)
    assert ended.stderr == b"Unable to open ./box: is a directory. (#4.2.1)\n"


def test_program_sees_message_environment_and_home(home: Home) -> None:
    home.maildir()
    ended = home.deliver(
        "./Maildir/\n|cat > copy; pwd > where; umask > mask\n"
        '|printf "%s|" "$SENDER" "$NEWSENDER" "$RECIPIENT" "$USER" "$HOME" "$EXT" '
        '"$DEFAULT" "$DTLINE" > vars\n|ls -l /proc/self/fd > fds\n'
    )
    assert (home.path / "copy").read_bytes() == MESSAGE
    assert (home.path / "where").read_text() == f"{home.path}\n"
    assert (home.path / "mask").read_text() == "0077\n"
    expected = f"s@t|s@t|joe-x@example.org|joe|{home.path}|x||"
    assert (home.path / "vars").read_text().startswith(expected)
    assert "Delivered-To: joe-x@example.org\n|" in (home.path / "vars").read_text()
    lines = (home.path / "fds").read_text().splitlines()[1:]
    assert len(lines) == 4, lines  # 0, 1, 2 and the look itself
    assert ended.stdout == b"did 1+0+3\n"


def test_default_file_sets_default_to_the_rest(home: Home) -> None:
    (home.path / ".qmail-list-default").write_text('|echo "$DEFAULT $EXT2"\n')
    ended = home.deliver(None, ext="List-Sub.Scribe")
    assert ended.stdout == b"Sub.Scribe Sub.Scribe\ndid 0+0+1\n"


@pytest.mark.parametrize(
    ("status", "code"),
    [("100", 100), ("64", 100), ("112", 100), ("1", 111), ("111", 111), ("75", 111)],
)
def test_program_status_ends_the_delivery(home: Home, status: str, code: int) -> None:
    ended = home.deliver(f"&a@b\n|echo said; exit {status}\n./after\n", code=code)
    assert ended.stdout == b"said\n"
    assert not (home.path / "after").exists()
    assert not home.queue.was_run


def test_program_killed_is_temporary(home: Home) -> None:
    ended = home.deliver("|kill -9 $$\n", code=111)
    assert b"(#4.3.0)" in ended.stderr


def test_program_dies_of_a_broken_pipe_by_default(home: Home) -> None:
    ended = home.deliver("|yes | true\n")
    assert ended.stderr == b""  # where it is ignored, yes complains


def test_program_99_leaves_out_the_rest_but_forwards(home: Home) -> None:
    ended = home.deliver("&a@b\n|exit 99\n&c@d\n./after\n")
    assert home.queue.envelope == [b"Fs@t", b"Ta@b"]
    assert not (home.path / "after").exists()
    assert ended.stdout.startswith(b"did 0+1+1\nqp ")


def test_forwards_go_together_after_everything_else(home: Home) -> None:
    ended = home.deliver(f"&a@b\n|test ! -e {home.queue.where}/message\nc@d\n./box\n")
    assert home.queue.message == b"Delivered-To: joe-x@example.org\n" + MESSAGE
    assert home.queue.envelope == [b"Fs@t", b"Ta@b", b"Tc@d"]
    did, qp, rest = ended.stdout.split(b"\n")
    assert did == b"did 1+2+1"
    assert qp.split(b" ")[0] == b"qp"
    assert int(qp.split(b" ")[1]) > 1
    assert rest == b""


@pytest.mark.parametrize(
    ("files", "sender", "expected"),
    [
        (["-owner"], "s@t", b"Fjoe-x-owner@example.org"),
        (["-owner", "-owner-default"], "s@t", b"Fjoe-x-owner-@example.org-@[]"),
        (["-owner-default"], "s@t", b"Fs@t"),
        (["-owner", "-owner-default"], "", b"F"),
        (["-owner", "-owner-default"], "#@[]", b"F#@[]"),
    ],
)
def test_forward_sender_follows_the_owner_files(
    home: Home, files: list[str], sender: str, expected: bytes
) -> None:
    for name in files:
        (home.path / f".qmail-x{name}").write_text("")
    home.deliver("&a@b\n", sender=sender)
    assert home.queue.envelope[0] == expected


@pytest.mark.parametrize(("answer", "code"), [(31, 100), (53, 111), (11, 100)])
def test_forward_refused_by_the_queue_is_reported(
    home: Home, tmp_path: Path, answer: int, code: int
) -> None:
    refusing = Recorder(tmp_path / "refusing", answer)
    env = {"QMAILQUEUE": str(refusing.program)}
    ended = home.deliver("&a@b\n", env=env, code=code)
    assert b"(#" in ended.stderr
    assert ended.stdout == b""


def test_empty_file_means_the_default_delivery(home: Home) -> None:
    home.deliver("")
    assert (home.path / "Mailbox").exists()


def test_missing_file_without_dash_means_the_default_delivery(home: Home) -> None:
    home.deliver(None, dash="", ext="")
    assert (home.path / "Mailbox").exists()


def test_missing_file_with_dash_is_no_mailbox(home: Home) -> None:
    ended = home.deliver(None, code=100)
    assert b"(#5.1.1)" in ended.stderr


def test_loop_is_refused_for_good(home: Home) -> None:
    looping = b"A: b\nDelivered-To: joe-x@example.org\n\nbody\n"
    ended = home.deliver("./box\n", message=looping, code=100)
    assert b"(#5.4.6)" in ended.stderr
    assert not (home.path / "box").exists()


@pytest.mark.parametrize(
    ("mode", "code"), [(0o757, b"#4.7.0"), (0o1755, b"#4.2.1")], ids=["o+w", "+t"]
)
def test_unsafe_home_is_temporary(home: Home, mode: int, code: bytes) -> None:
    home.path.chmod(mode)
    ended = home.deliver("./box\n", code=111)
    assert code in ended.stderr


def test_writable_qmail_file_is_temporary(home: Home) -> None:
    (home.path / ".qmail-x").write_text("./box\n")
    (home.path / ".qmail-x").chmod(0o646)
    ended = home.deliver(None, code=111)
    assert b"#4.7.0" in ended.stderr


def test_huge_qmail_file_is_temporary_and_not_read(home: Home) -> None:
    with open(home.path / ".qmail-x", "wb") as file:
        file.truncate(20 << 30)
    ended = home.deliver(None, code=111)
    assert b"too big" in ended.stderr


def test_executable_qmail_file_only_forwards(home: Home) -> None:
    (home.path / ".qmail-x").write_text("&a@b\n./box\n")
    (home.path / ".qmail-x").chmod(0o744)
    ended = home.deliver(None, code=111)
    assert b"#4.7.0" in ended.stderr
    assert not home.queue.was_run


def test_describe_prints_and_touches_nothing(home: Home) -> None:
    home.path.chmod(0o1755)
    ended = home.deliver("./Maildir/\n./box\n|cmd  a\n&a@b\n#\n", "-n")
    assert ended.stdout == (
        b"maildir ./Maildir/\nmbox ./box\nprogram cmd  a\nforward a@b\ndid 2+1+1\n"
    )
    assert b"sticky" in ended.stderr
    assert not (home.path / "box").exists()


def test_describe_prints_what_a_line_with_nul_is_taken_for(home: Home) -> None:
    (home.path / ".qmail-x").write_bytes(b"./a\0b/\n&c@d\0e\n|f\0g\n")
    ended = home.deliver(None, "-n")
    assert ended.stdout == b"maildir ./a\nforward c@d\nprogram f\ndid 1+1+1\n"


def test_relative_home_is_misuse(home: Home) -> None:
    home.home_argument = "home"
    ended = home.deliver("./box\n", code=100)
    assert ended.stderr.startswith(b"qmail-local: usage: qmail-local [ -nN ] user ")
