"""The programs that nobody runs any more, and tcp-env: what they still do."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

import pytest

from pytools.commands import tcp_env
from pytools.process import launcher
from pytools.process.programs import RETIRED, module_of
from qmail.queue import layout
from qmail.retired import maildirwatch, qbiff, qsmhook
from tests.support.forked import Forked
from tests.support.queuehome import make_queue
from tests.support.ways_cases import files

HOOK = {
    "UFLINE": "From u\n",
    "RPLINE": "R\n",
    "DTLINE": "D\n",
    "LOCAL": "joe-list",
    "HOST": "h.example",
    "SENDER": "s@t",
}


@pytest.fixture
def run(tmp_path: Path) -> Forked:
    return Forked(tmp_path)


def test_retired_programs_are_in_one_place() -> None:
    for name in RETIRED:
        assert (module_of(name) or "").startswith("qmail.retired.")


# elq, qail, pinq


@pytest.mark.parametrize(
    ("program", "reader"), [("elq", "elm"), ("qail", "Mail"), ("pinq", "pine")]
)
def test_reader_is_started_after_the_mail_was_moved(
    run: Forked, tmp_path: Path, program: str, reader: str
) -> None:
    script = "#!/bin/sh\ncat mbox; echo $*; exit 7\n"
    files(M__new__m="hello\n", M__cur__m="", **{f"b__{reader}": script})(tmp_path)
    for name in ("M/new/m", "M/cur/m"):
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "bin").mkdir()
    mover = tmp_path / "bin/maildir2mbox"
    mover.write_bytes(launcher.render(b"maildir2mbox", os.fsencode(tmp_path)))
    mover.chmod(0o755)
    env = {"MAILDIR": "M", "MAIL": "../mbox", "MAILTMP": "../tmp"}
    env["PATH"] = f"{tmp_path}/b:/usr/bin:/bin"
    done = run(program, "-x", "y", env=env)
    assert (done.status, done.err) == (7, b"")
    assert b"\nhello\n" in done.out
    assert done.out.endswith(b"\n-x y\n")
    done = run(program, env=env | {"PATH": "/nowhere"})
    line = f"{program}: fatal: unable to run {reader}: file does not exist\n"
    assert done.said == (111, b"", line.encode())
    done = run(program, env={"PATH": env["PATH"]})
    assert done.said == (111, b"", b"maildir2mbox: fatal: MAIL not set\n")


# qsmhook


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ([], b"From u\n"),
        (["-n"], b""),
        (["-nPl"], b"R\nD\n"),
        (["-l", "-P", "-DFMms"], b"From u\nR\nD\n"),
    ],
)
def test_qsmhook_lines(run: Forked, options: list[str], head: bytes) -> None:
    done = run("qsmhook", *options, "cat", data=b"m\n", env=HOOK)
    assert done.said == (0, head + b"m\n", b"")


@pytest.mark.parametrize(
    ("word", "result"),
    [
        (b"a%ub%hc", b"aUbHc"),
        (b"%g", b"G"),
        (b"%%u%%%u", b"%u%U"),
        (b"%x%", b""),
        (b"%", b""),
        (b"%%", b"%"),
        (b"", b""),
    ],
)
def test_qsmhook_words(word: bytes, result: bytes) -> None:
    meaning = {b"%": b"%", b"g": b"G", b"h": b"H", b"u": b"U"}
    assert qsmhook.expanded(word, meaning) == result


@pytest.mark.parametrize(
    ("options", "recipient"),
    [
        ([], "joe-list"),
        (["-xJOE-"], "list"),
        (["-x", "x"], "joe-list"),
        (["-xj", "-xo"], "e-list"),
    ],
)
def test_qsmhook_prefix(run: Forked, options: list[str], recipient: str) -> None:
    done = run("qsmhook", *options, "echo", "%u", env=HOOK)
    assert done.out == f"{recipient}\n".encode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], (100, b"qsmhook: fatal: incorrect usage\n")),
        (["-z", "cat"], (100, b"qsmhook: illegal option -- z\n")),
        (["-x"], (100, b"qsmhook: option requires an argument -- x\n")),
        (["./none"], (100, b"qsmhook: fatal: command not found\n")),
        (["sh", "-c", "exit 75"], (75, b"")),
        (["sh", "-c", "kill -9 $$"], (111, b"qsmhook: fatal: temporary problem\n")),
    ],
)
def test_qsmhook_trouble(
    run: Forked, words: list[str], said: tuple[int, bytes]
) -> None:
    done = run("qsmhook", *words, env=HOOK)
    assert (done.status, done.err) == said


@pytest.mark.parametrize("missing", sorted(HOOK))
def test_qsmhook_outside_of_a_delivery_is_100(run: Forked, missing: str) -> None:
    env = {name: value for name, value in HOOK.items() if name != missing}
    assert run("qsmhook", "cat", env=env).status == 100


# qbiff


def record(user: bytes, line: bytes, size: int = 384) -> bytes:
    head = bytes(8) + line.ljust(32, b"\0") + b"ts/0" + user.ljust(32, b"\0")
    return head.ljust(size, b"\xff")


@pytest.mark.parametrize("size", [384, 400])
def test_qbiff_finds_the_terminals_of_its_user(size: int) -> None:
    known = [
        (b"joe", b"pts/3"),
        (b"jo", b"pts/4"),
        (b"joe", b"/dev/sda"),
        (b"joe", b"../etc/x"),
        (b"joe", b""),
        (b"joe", b"tty1"),
    ]
    utmp = b"".join(record(user, line, size) for user, line in known) + b"short"
    assert qbiff.terminals(utmp, b"joe", size) == [b"pts/3", b"tty1"]


def test_qbiff_text_is_printable() -> None:
    assert qbiff.text(b"j\ne", b"s\xff", b"    hi\n\x1b") == (
        b"\r\n\a*** TO <j_e> FROM <s_>\r\n    hi//\r\n"
    )


def test_qbiff_is_always_0(run: Forked) -> None:
    assert run("qbiff", data=b"x").said == (0, b"", b"")
    env = {"USER": "nobody-here", "LOCAL": "x", "SENDER": ""}
    assert run("qbiff", data=None, env=env).said == (0, b"", b"")


# maildirwatch


@pytest.mark.parametrize(
    ("fields", "body", "shown"),
    [
        (
            [b"Return-Path: <a@b>\n", b"Delivered-To: c\n", b"Subject: s\n  t\n"],
            b"\nbody\n",
            b"FROM <a@b> TO <c>\ns/  t//body/\n\n",
        ),
        (
            [b"From: J\xe9\n", b"return-path :\n", b"Delivered-To: \n"],
            b"",
            b"FROM ? TO <?>\n\x1b[1mFrom: J/\x1b[0m\n\n\n",
        ),
        ([], b"\n" + b"x" * 200, b"FROM ? TO <?>\n/" + b"x" * 157 + b"\n\n"),
    ],
)
def test_maildirwatch_entry(fields: list[bytes], body: bytes, shown: bytes) -> None:
    assert maildirwatch.shown(fields, body) == shown


def test_maildirwatch_shows_new_mail_until_it_cannot(
    run: Forked, tmp_path: Path
) -> None:
    files(M__new__1="Subject: one\n\n", M__new__2="Subject: two\n\n")(tmp_path)
    os.utime(tmp_path / "M/new/2", (0, 0))
    os.utime(tmp_path / "M/new/1", (86400, 86400))
    (tmp_path / "M/new/directory").mkdir()
    os.utime(tmp_path / "M/new/directory", (0, 0))
    env = {"MAILDIR": "M"}
    file = tmp_path / "watch"
    file.write_bytes(launcher.render(b"maildirwatch", os.fsencode(tmp_path)))
    file.chmod(0o755)
    script = """
        ./watch >screen & watch=$!
        until test -s screen; do sleep 0.02; done
        kill $watch; cat screen
    """
    done = run("except", "sh", "-c", script, env=env)
    screen = done.out.split(b"\x1b[;H\x1b[;J")
    assert screen == [
        b"",
        b"FROM ? TO <?>\ntwo//\n\nFROM ? TO <?>\none//\n\n",
    ]
    assert run("maildirwatch").said[0] == 111
    assert run("except", "sh", "-c", "./watch >/dev/full", env=env).status == 111


# qmail-upq


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    make_queue(str(tmp_path / "queue"))
    (tmp_path / "queue/lock/sendmutex").touch()
    return tmp_path / "queue"


def test_upq_sorts_any_split_into_ours(run: Forked, queue: Path) -> None:
    there = {}
    for number in (1, 22, 23, 40, 1234, 99999):
        for kind in layout.SPLIT_KINDS:
            directory = queue / os.fsdecode(kind) / str(number % 41)
            directory.mkdir(exist_ok=True)
            (directory / str(number)).write_text(f"{kind!r} {number}")
            there[f"{kind.decode()}/{number % 23}/{number}"] = f"{kind!r} {number}"
    (queue / "mess/777").write_text("unsplit")
    there[f"mess/{777 % 23}/777"] = "unsplit"
    for odd in ("mess/0/x", "mess/0/007"):
        (queue / odd).write_text(odd)
        there[odd] = odd
    for _ in range(2):
        assert run("qmail-upq").said == (0, b"", b"")
        found = {
            str(path.relative_to(queue)): path.read_text()
            for kind in layout.SPLIT_KINDS
            for path in (queue / os.fsdecode(kind)).rglob("*")
            if path.is_file()
        }
        assert found == there


def test_upq_never_writes_over_a_message(run: Forked, queue: Path) -> None:
    (queue / "mess/5/23").write_text("misplaced")
    (queue / "mess/0/23").write_text("in place")
    done = run("qmail-upq")
    line = b"qmail-upq: warning: unable to move mess/5/23: mess/0/23 is there\n"
    assert done.said == (111, b"", line)
    assert (queue / "mess/5/23").read_text() == "misplaced"
    assert (queue / "mess/0/23").read_text() == "in place"


def test_upq_does_nothing_while_qmail_send_runs(run: Forked, queue: Path) -> None:
    (queue / "mess/5/23").write_text("")
    with open(queue / "lock/sendmutex", "wb") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        line = b"qmail-upq: fatal: qmail-send is running\n"
        assert run("qmail-upq").said == (111, b"", line)
    assert (queue / "mess/5/23").exists()


# tcp-env

SHOWN = ["sh", "-c", "env | grep -a ^TCP | sort; echo $PROTO"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_tcp_env_asks_the_socket(run: Forked, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dns = {"DNSCACHEIP": "127.0.0.1:1", "TCPREMOTEINFO": "stale", "TCP6INTERFACE": "x"}
    with (
        socket.create_server((address, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        ours, _ = server.accept()
        before = time.monotonic()
        done = run("tcp-env", "-R", *SHOWN, stdin=ours.fileno(), env=dns)
        assert time.monotonic() - before < 50
        here, there = ours.getsockname()[1], client.getsockname()[1]
        ours.close()
    lines = {line for line in done.out.decode().split("\n") if "HOST" not in line}
    wanted = {f"TCPLOCALIP={address}", f"TCPLOCALPORT={here}"}
    wanted |= {f"TCPREMOTEIP={address}", f"TCPREMOTEPORT={there}"}
    if family == socket.AF_INET6:
        wanted |= {line.replace("TCP", "TCP6") for line in wanted}
    assert lines - {""} == wanted | {"TCP6" if ":" in address else "TCP"}
    assert (done.status, done.err) == (0, b"")


@pytest.mark.parametrize("proto", ["TCP", "TCP6"])
def test_tcp_env_passes_on_what_tcpserver_made(run: Forked, proto: str) -> None:
    env = {"PROTO": proto, "TCPREMOTEIP": "192.0.2.1"}
    done = run("tcp-env", "-rzt5", "-t", "7", *SHOWN, env=env)
    assert done.said == (0, f"TCPREMOTEIP=192.0.2.1\n{proto}\n".encode(), b"")


@pytest.mark.parametrize(
    ("words", "env"),
    [
        ([], {"PROTO": "TCP"}),
        (["-t"], {"PROTO": "TCP"}),
        (["nosuchprogram"], {"PROTO": "TCP"}),
        (["true"], {}),
        (["true"], {"PROTO": "UDP"}),
    ],
)
def test_tcp_env_trouble_is_111_without_a_word(
    run: Forked, words: list[str], env: dict[str, str]
) -> None:
    assert run("tcp-env", *words, env=env).said == (111, b"", b"")
    assert run("tcp-env", *words, data=None, env=env).said == (111, b"", b"")


def test_tcp_env_unix_socket_is_111(run: Forked) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert run("tcp-env", "true", stdin=one.fileno()).said == (111, b"", b"")


@pytest.mark.parametrize(
    ("words", "look_up", "seconds", "program"),
    [
        ([b"-R", b"-t5", b"p", b"-r"], False, 5, [b"p", b"-r"]),
        ([b"-Rr", b"-t", b"x", b"--", b"-p"], True, 0, [b"-p"]),
        ([b"-Z", b"p"], True, 30, [b"p"]),
        ([b"-t"], True, 30, []),
    ],
)
def test_tcp_env_options(
    words: list[bytes], look_up: bool, seconds: int, program: list[bytes]
) -> None:
    args = tcp_env.Arguments(words)
    assert (args.look_up_info, args.seconds, args.program) == (
        look_up,
        seconds,
        program,
    )
