"""qmail-popup and qmail-pop3d as processes."""

from __future__ import annotations

import os
import poplib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.support.until import until

OLD = 1_000_000
TEXT = b"Subject: x\n\n.hello\n"


def run(
    words: list[str], stdin: bytes, **more: object
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        words, input=stdin, capture_output=True, check=False, timeout=100, **more
    )


def make_maildir(path: Path, messages: dict[str, bytes]) -> Path:
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True)
    for count, (name, text) in enumerate(messages.items()):
        (path / name).write_bytes(text)
        os.utime(path / name, (OLD + count, OLD + count))
    return path


def names(maildir: Path) -> list[str]:
    return sorted(f"{d}/{n}" for d in ("new", "cur") for n in os.listdir(maildir / d))


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return make_maildir(
        tmp_path / "Maildir",
        {"new/1.a": TEXT, "cur/2.b:2,S": TEXT * 2, "new/3.c": b"no end"},
    )


class Client(poplib.POP3):
    """poplib, at the other end of a socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(60)
        super().__init__("pair")

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._end


@contextmanager
def served(
    words: list[str], cwd: Path
) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    """A client of that program."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        words, stdin=theirs.fileno(), stdout=theirs.fileno(), cwd=cwd
    )
    theirs.close()
    client = Client(ours)
    try:
        yield client, process
        client.close()
        process.wait(60)
    finally:
        client.close()
        ours.close()
        process.kill()
        process.wait()


@pytest.fixture
def pop3d(python: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    return [*python, "qmail-pop3d", "Maildir"]


def test_client_reads_and_removes(pop3d: list[str], maildir: Path) -> None:
    with served(pop3d, maildir.parent) as (client, process):
        assert client.stat() == (3, 19 + 38 + 6)
        assert client.uidl()[1] == [b"1 1.a", b"2 2.b", b"3 3.c"]
        assert client.retr(1)[1] == [b"Subject: x", b"", b".hello", b""]
        assert client.top(3, 0)[1] == [b"no end", b""]
        client.dele(2)
        client.dele(3)
        client.quit()
    assert process.returncode == 0
    assert names(maildir) == ["cur/1.a:2,"]


def test_connection_that_breaks_removes_nothing(
    pop3d: list[str], maildir: Path
) -> None:
    before = names(maildir)
    with served(pop3d, maildir.parent) as (client, process):
        client.dele(1)
        client.dele(2)
    assert process.returncode == 0
    done = run(pop3d, b"DELE 1\r\nQUIT", cwd=maildir.parent)
    assert done.stdout == b"+OK \r\n" * 2
    assert names(maildir) == before


def test_message_that_another_reader_took_is_refused_and_one_moved_is_sent(
    pop3d: list[str], maildir: Path
) -> None:
    with served(pop3d, maildir.parent) as (client, _):
        (maildir / "new/1.a").rename(maildir / "cur/1.a:2,S")
        (maildir / "cur/2.b:2,S").unlink()
        assert client.retr(1)[1][2] == b".hello"
        with pytest.raises(poplib.error_proto, match="unable to open that message"):
            client.retr(2)
        client.dele(1)
        client.dele(2)
        assert client.quit() == b"+OK "
    assert names(maildir) == ["cur/3.c:2,"]


def test_message_that_cannot_be_removed_is_said_once(
    pop3d: list[str], maildir: Path
) -> None:
    with served(pop3d, maildir.parent) as (client, _):
        for path in (maildir / "new/1.a", maildir / "cur/2.b:2,S"):
            path.unlink()
            path.mkdir()
        for number in (1, 2, 3):
            client.dele(number)
        with pytest.raises(poplib.error_proto, match="unable to unlink all"):
            client.quit()
    assert names(maildir) == ["cur/2.b:2,S", "new/1.a"]


@pytest.mark.parametrize(
    ("words", "broken", "said"),
    [
        ([], "", b"-ERR this user has no $HOME/Maildir\r\n"),
        (["nosuch"], "", b"-ERR this user has no $HOME/Maildir\r\n"),
        (["Maildir"], "new", b"-ERR unable to scan $HOME/Maildir\r\n"),
    ],
)
def test_maildir_that_is_not_there_is_said(
    pop3d: list[str], tmp_path: Path, words: list[str], broken: str, said: bytes
) -> None:
    maildir = make_maildir(tmp_path / "Maildir", {})
    if broken:
        (maildir / broken).rmdir()
    done = run([*pop3d[:-1], *words], b"QUIT\r\n", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, b"")


@pytest.mark.timeout(400)
def test_ten_thousand_messages_need_little_memory(
    pop3d: list[str], tmp_path: Path
) -> None:
    messages = {f"cur/{1700000000 + n}.M{n}P{n}.h:2,S": TEXT for n in range(10000)}
    make_maildir(tmp_path / "Maildir", messages)
    commands = [b"UIDL\r\nLIST\r\n"]
    commands += [b"RETR %d\r\nDELE %d\r\n" % (n, n) for n in range(1, 10001)]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            pop3d, stdin=subprocess.PIPE, stdout=out, cwd=tmp_path
        )
        assert process.stdin is not None
        process.stdin.write(b"".join(commands))
        process.stdin.flush()
        replies = tmp_path / "out"
        until(lambda: replies.read_bytes().count(b"\r\n..hello\r\n") == 10000, 200)
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.communicate(b"QUIT\r\n", timeout=100)
    assert os.listdir(tmp_path / "Maildir/cur") == []
    peak = int(status.partition("VmHWM:")[2].split()[0])
    # 16 MB when measured, 11 of them the interpreter.
    assert peak < 25_000


def small(megabytes: int, words: list[str]) -> list[str]:
    """The same in so little memory, with descriptor 2 where 1 is."""
    limits = f'ulimit -v {megabytes * 1000}; exec "$@" 2>&1'
    return ["sh", "-c", limits, "sh", *words]


@pytest.mark.timeout(400)
def test_forty_thousand_messages_are_listed_or_refused_in_little_memory(
    pop3d: list[str], tmp_path: Path
) -> None:
    count = 40_000
    make_maildir(tmp_path / "Maildir", {})
    at = os.open(tmp_path / "Maildir/cur", os.O_RDONLY)
    for n in range(count):
        name = f"17000{n:05}.M{n:06}P{n:05}.mail.example.org,S=19,W=22:2,S"
        fd = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at)
        os.close(fd)
        os.utime(name, (OLD, OLD), dir_fd=at)
    os.close(at)
    # An interpreter alone takes 16 MB of addresses when measured, these messages 6.
    done = run(small(24, pop3d), b"STAT\r\nUIDL\r\nLIST\r\nQUIT\r\n", cwd=tmp_path)
    assert b"Trace" not in done.stdout
    lines = done.stdout.split(b"\r\n")
    assert lines[1] == b"+OK %d 0" % count
    assert len(lines) == 2 * count + 8
    done = run(small(18, pop3d), b"QUIT\r\n", cwd=tmp_path)
    said = b"-ERR unable to scan $HOME/Maildir\r\n"
    assert (done.returncode, done.stdout) == (0, said)


def broken(
    python: list[str], module: str, name: str, function: str, error: str
) -> list[str]:
    """A program of ours in which that function fails."""
    code = "".join(
        (
            f"import sys, {module}\n",
            f"def fail(*args): raise {error}\n",
            f"{module}.{name}.{function} = fail\n",
            "from pytools.process import runner\n",
            "program = sys.argv[1].encode()\n",
            "words = [word.encode() for word in sys.argv[1:]]\n",
            "sys.exit(runner.run(program, b'/', words))\n",
        )
    )
    return [python[0], "-B", "-c", code]


@pytest.mark.parametrize("error", ["MemoryError", "ValueError"])
def test_failure_is_an_error_reply_and_no_trace(
    python: list[str], pop3d: list[str], maildir: Path, error: str
) -> None:
    transaction = "qmail.pop3.transaction"
    words = broken(python, transaction, "Session", "_stat", error)
    commands = b"DELE 1\r\nSTAT\r\nQUIT\r\n"
    before = names(maildir)
    done = run([*words, *pop3d[-2:]], commands, cwd=maildir.parent)
    assert done.stdout == b"+OK \r\n" * 2 + b"-ERR temporary failure\r\n"
    assert (done.returncode, done.stderr) == (0, b"")
    assert names(maildir) == before


def test_failure_within_a_reply_only_ends_it(
    python: list[str], pop3d: list[str], maildir: Path
) -> None:
    words = broken(
        python, "qmail.pop3.transaction", "Session", "_uidl_line", "MemoryError"
    )
    done = run([*words, *pop3d[-2:]], b"UIDL\r\nQUIT\r\n", cwd=maildir.parent)
    assert b"-ERR" not in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")


def test_slow_client_of_a_large_message_gets_it_whole(
    pop3d: list[str], tmp_path: Path
) -> None:
    make_maildir(tmp_path / "Maildir", {"new/1": b"\n" + b"y" * 9 * 2**20})
    with served(pop3d, tmp_path) as (client, _):
        end = client.sock
        assert isinstance(end, socket.socket)
        end.sendall(b"RETR 1\r\nQUIT\r\n")
        got = bytearray()
        while part := end.recv(100_000):
            got += part
        assert len(got) == len(b"+OK \r\n\r\n" + b"\r\n\r\n.\r\n+OK \r\n") + 9 * 2**20


# qmail-popup.


@pytest.fixture
def popup(python: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    return [*python, "qmail-popup"]


LOGIN = b"USER u v\r\nPASS  p w \r\n"
SHOW = (
    "tr '\\000' '|' <&3; echo; ls /proc/self/fd | head -4 | tr '\\n' ' ';"
    " echo to two >&2; exec cat"
)
REFUSED = b"-ERR authorization failed\r\n"


def talk(words: list[str], stdin: bytes) -> bytes:
    """What the program says after its greeting."""
    done = run(words, stdin)
    assert (done.returncode, done.stderr) == (1, b"")
    greeting, _, rest = done.stdout.partition(b"\r\n")
    assert re.fullmatch(rb"\+OK <\d+\.\d+@h\.example>", greeting)
    return rest


def test_subprogram_finds_record_connection_and_what_follows(popup: list[str]) -> None:
    said = talk([*popup, "h.example", "sh", "-c", SHOW], LOGIN + b"STAT\r\nrest")
    record, rest = said.removeprefix(b"+OK \r\n").split(b"\n", 1)
    assert re.fullmatch(rb"u v\|p w \|<\d+\.\d+@h\.example>\|", record)
    assert rest == b"0 1 2 3 to two\nSTAT\r\nrest"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", b""),
        ("exit 1", REFUSED),
        ("exit 111", REFUSED),
        ("kill -9 $$", b"-ERR aack, child crashed\r\n"),
    ],
)
def test_end_of_the_subprogram_is_told(
    popup: list[str], script: str, said: bytes
) -> None:
    words = [*popup, "h.example", "sh", "-c", script]
    assert talk(words, LOGIN) == b"+OK \r\n" + said
    assert talk(words, b"APOP u 0123\r\n") == said


def test_subprogram_that_is_not_there_refuses(popup: list[str]) -> None:
    assert talk([*popup, "h.example", "/nosuch"], LOGIN) == b"+OK \r\n" + REFUSED


def test_words_that_are_missing_are_said(popup: list[str]) -> None:
    for words in ([], ["h.example"]):
        done = run([*popup, *words], LOGIN)
        assert done.stdout == b"-ERR usage: popup hostname subprogram\r\n"
        assert done.returncode == 1


def test_record_beyond_the_pipe_is_not_waited_for(popup: list[str]) -> None:
    long = b"USER u\r\nPASS " + b"x" * 40_000 + b"\r\n"
    assert talk([*popup, "h.example", "false"], long).startswith(b"+OK \r\n-ERR ")


def test_end_without_a_word_does_not_wait_for_a_peer_that_reads_no_more(
    popup: list[str],
) -> None:
    ours, theirs = socket.socketpair()
    fill = (
        "import os\nos.set_blocking(1, False)\n"
        "try:\n while os.write(1, b'x' * 4096): pass\nexcept BlockingIOError: pass\n"
        "os.set_blocking(1, True)"
    )
    words = [*popup, "h.example", popup[0], "-c", fill]
    with (
        ours,
        subprocess.Popen(
            words, stdin=theirs.fileno(), stdout=theirs.fileno()
        ) as process,
    ):
        theirs.close()
        ours.sendall(LOGIN)
        try:
            assert process.wait(60) == 1
        finally:
            process.kill()


WITH_ALARMS = """
import os, signal, sys
signal.signal(signal.SIGALRM, signal.SIG_IGN)
from pytools.process import child
from qmail.commands import qmail_popup
from qmail.pop3 import login
"""


def test_popup_that_spins_is_ended_by_a_signal(popup: list[str]) -> None:
    """As an interpreter without memory may; SIGALRM does it, whatever was inherited.

    That the alarm has been set is looked at, and it is brought nearer.
    """
    script = (
        f"{WITH_ALARMS}"
        "def spin(self, data):\n"
        "    assert signal.alarm(1)\n"
        "    while True: pass\n"
        "login.Session.receive = spin\n"
        "qmail_popup.main([b'qmail-popup', b'h.example', b'true'])\n"
    )
    done = run([popup[0], "-c", script], LOGIN)
    assert done.returncode == -signal.SIGALRM


def test_popup_waits_for_its_subprogram_without_an_alarm(popup: list[str]) -> None:
    script = (
        f"{WITH_ALARMS}"
        "wait_for = child.wait_for\n"
        "def look(pid):\n"
        "    os.write(2, b'%d' % signal.alarm(0))\n"
        "    return wait_for(pid)\n"
        "child.wait_for = look\n"
        "qmail_popup.main([b'qmail-popup', b'h.example', b'false'])\n"
    )
    done = run([popup[0], "-c", script], LOGIN)
    assert done.stdout.endswith(b"\r\n+OK \r\n" + REFUSED)
    assert done.stderr == b"0"
