"""forward, preline, maildirmake, qmail-newu, qmail-tcpto, qmail-tcpok as processes."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LINES = {
    "UFLINE": "From me\n",
    "RPLINE": "Return-Path: <me>\n",
    "DTLINE": "Delivered-To: you\n",
}
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(python: list[str], tmp_path: Path) -> Run:
    def run(
        *args: str,
        data: bytes = b"",
        stdin: int | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*python, *args],
            input=data if stdin is None else None,
            stdin=stdin,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=cwd,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
                "PYQMAIL_TEST_HOME": str(tmp_path),
                **(env or {}),
            },
        )

    return run


# preline


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ([], "From me\nReturn-Path: <me>\nDelivered-To: you\n"),
        (["-f"], "Return-Path: <me>\nDelivered-To: you\n"),
        (["-r", "-d"], "From me\n"),
        (["-frd"], ""),
        (["-frdF"], "From me\n"),
        (["-Ff"], "Return-Path: <me>\nDelivered-To: you\n"),
        (["-frd", "-RD", "--"], "Return-Path: <me>\nDelivered-To: you\n"),
    ],
)
def test_preline_options_choose_the_lines(
    run: Run, options: list[str], head: str
) -> None:
    done = run("preline", *options, "cat", data=b"body\n", env=LINES)
    assert (done.returncode, done.stdout) == (0, head.encode() + b"body\n")


@pytest.mark.parametrize(
    ("args", "first"),
    [([], b""), (["-x", "cat"], b"preline: illegal option -- x\n"), (["-f"], b"")],
    ids=["none", "option", "no-command"],
)
def test_preline_misuse_is_100(run: Run, args: list[str], first: bytes) -> None:
    done = run("preline", *args, env=LINES)
    assert done.returncode == 100
    assert done.stderr == first + b"preline: usage: preline cmd [ arg ... ]\n"


@pytest.mark.parametrize("missing", sorted(LINES))
def test_preline_without_a_line_in_the_environment_is_misuse(
    run: Run, missing: str
) -> None:
    env = {name: line for name, line in LINES.items() if name != missing}
    assert run("preline", "cat", env=env).returncode == 100


@pytest.mark.parametrize("status", [0, 1, 99, 100, 111])
def test_preline_status_is_the_commands(run: Run, status: int) -> None:
    done = run("preline", "sh", "-c", f"cat >/dev/null; exit {status}", env=LINES)
    assert done.returncode == status


def test_preline_command_killed_is_111(run: Run) -> None:
    done = run("preline", "sh", "-c", "cat >/dev/null; kill -9 $$", env=LINES)
    assert (done.returncode, done.stderr) == (111, b"preline: fatal: child crashed\n")


def test_preline_command_missing_is_100(run: Run) -> None:
    done = run("preline", "./no-such-command", env=LINES)
    assert done.returncode == 100
    assert done.stderr == (
        b"preline: fatal: unable to run ./no-such-command: file does not exist\n"
    )


def test_preline_big_message_passes_unchanged(run: Run) -> None:
    body = bytes(range(256)) * 4000
    done = run("preline", "-frd", "cat", data=body, env=LINES)
    assert done.stdout == body


def test_preline_short_message_unread_is_no_error(run: Run) -> None:
    done = run("preline", "true", data=b"x" * 4000, env=LINES)
    assert done.returncode == 0


def test_preline_long_message_unread_is_111(run: Run) -> None:
    done = run("preline", "true", data=b"x" * 1_000_000, env=LINES)
    assert done.returncode == 111
    assert done.stderr == b"preline: fatal: unable to copy input: broken pipe\n"


def test_preline_command_has_sigpipe_at_default(run: Run) -> None:
    done = run("preline", "grep", "SigIgn", "/proc/self/status", env=LINES)
    assert int(done.stdout.split()[1], 16) & 1 << 12 == 0


# forward

QUEUE = """#!/bin/sh
cat > "$OUT/message"
cat <&1 > "$OUT/envelope"
exit $CODE
"""


@pytest.fixture
def queue(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "queue"
    program.write_text(QUEUE)
    program.chmod(0o755)
    return {
        "QMAILQUEUE": str(program),
        "OUT": str(tmp_path),
        "CODE": "0",
        "NEWSENDER": "owner@host",
        "DTLINE": "Delivered-To: you\n",
    }


def test_forward_queues_for_all_addresses(
    run: Run, queue: dict[str, str], tmp_path: Path
) -> None:
    done = run("forward", "a@b", "c@d", data=b"Subject: x\n\nbody\n", env=queue)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"forward: qp ")
    assert done.stderr.removeprefix(b"forward: qp ").strip().isdigit()
    message = (tmp_path / "message").read_bytes()
    assert message == b"Delivered-To: you\nSubject: x\n\nbody\n"
    assert (tmp_path / "envelope").read_bytes() == b"Fowner@host\0Ta@b\0Tc@d\0\0"


@pytest.mark.parametrize(
    ("code", "status"), [("31", 100), ("11", 100), ("53", 111), ("71", 111)]
)
def test_forward_refusal_by_the_queue_is_told(
    run: Run, queue: dict[str, str], code: str, status: int
) -> None:
    done = run("forward", "a@b", env=queue | {"CODE": code})
    assert done.returncode == status
    assert done.stderr.startswith(b"forward: fatal: ")
    assert b"qp" not in done.stderr


@pytest.mark.parametrize("missing", ["NEWSENDER", "DTLINE"])
def test_forward_outside_of_a_delivery_is_100(
    run: Run, queue: dict[str, str], missing: str, tmp_path: Path
) -> None:
    del queue[missing]
    done = run("forward", "a@b", env=queue)
    assert done.returncode == 100
    assert done.stderr == b"forward: fatal: %b not set\n" % missing.encode()
    assert not (tmp_path / "message").exists()


def test_forward_unreadable_message_queues_nothing(
    run: Run, queue: dict[str, str], tmp_path: Path
) -> None:
    unreadable = os.open("/dev/null", os.O_WRONLY)
    done = run("forward", "a@b", stdin=unreadable, env=queue)
    os.close(unreadable)
    assert done.returncode == 111
    expected = b"forward: fatal: unable to read message: file descriptor not open\n"
    assert done.stderr == expected
    assert (tmp_path / "envelope").read_bytes() == b""


# maildirmake


def test_maildirmake_makes_a_private_maildir(run: Run, tmp_path: Path) -> None:
    assert run("maildirmake", "Mail dir", cwd=tmp_path).returncode == 0
    made = tmp_path / "Mail dir"
    assert sorted(os.listdir(made)) == ["cur", "new", "tmp"]
    for directory in (made, made / "cur", made / "new", made / "tmp"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_maildirmake_existing_name_is_111(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    done = run("maildirmake", "there", cwd=tmp_path)
    assert done.returncode == 111
    assert done.stderr == (
        b"maildirmake: fatal: unable to mkdir there: file already exists\n"
    )


def test_maildirmake_without_name_is_100(run: Run) -> None:
    done = run("maildirmake")
    assert (done.returncode, done.stderr) == (
        100,
        b"maildirmake: usage: maildirmake name\n",
    )


# qmail-newu


@pytest.fixture
def users(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    (tmp_path / "users/assign").write_text("=joe:joe:507:100:/home/joe:::\n.\n")
    return tmp_path / "users"


def test_newu_replaces_the_database(run: Run, users: Path) -> None:
    (users / "cdb").write_bytes(b"old")
    done = run("qmail-newu")
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(os.listdir(users)) == ["assign", "cdb"]
    assert stat.S_IMODE((users / "cdb").stat().st_mode) == 0o644
    assert b"!joe\0joe\x00507\x00100\0/home/joe\0\0" in (users / "cdb").read_bytes()


@pytest.mark.parametrize(
    ("text", "line"), [("=joe:joe:507:100:/home/joe:::\n", 2), ("=a:b\n.\n", 1)]
)
def test_newu_bad_format_keeps_the_old_database(
    run: Run, users: Path, text: str, line: int
) -> None:
    (users / "assign").write_text(text)
    (users / "cdb").write_bytes(b"old")
    done = run("qmail-newu")
    assert done.returncode == 111
    start = f"qmail-newu: fatal: bad format in users/assign, line {line}: "
    assert done.stderr.startswith(start.encode())
    assert (users / "cdb").read_bytes() == b"old"


def test_newu_without_assign_is_111(run: Run, users: Path) -> None:
    (users / "assign").unlink()
    done = run("qmail-newu")
    assert done.returncode == 111
    assert done.stderr == (
        b"qmail-newu: fatal: unable to read users/assign: file does not exist\n"
    )


def test_newu_without_place_for_the_database_is_111(run: Run, users: Path) -> None:
    (users / "cdb.tmp").mkdir()
    done = run("qmail-newu")
    assert done.returncode == 111
    assert (
        done.stderr == b"qmail-newu: fatal: unable to write users/cdb: is a directory\n"
    )


# qmail-tcpto, qmail-tcpok


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "queue/lock").mkdir(parents=True)
    (tmp_path / "trial").write_text(f"{os.getuid()} {os.getgid()}")
    file = tmp_path / "queue/lock/tcpto"
    when = (int(time.time()) - 5000).to_bytes(4, "little")
    file.write_bytes(
        (b"\xc0\x00\x02\x01\x07\0\0\0" + when + bytes(4))
        + (b"\xc0\x00\x02\x02\x00\0\0\0" + when + bytes(4))
        + bytes(992)
    )
    return file


def test_tcpto_prints_hosts_with_timeouts(run: Run, table: Path) -> None:
    done = run("qmail-tcpto")
    assert done.returncode == 0
    words = done.stdout.split()
    assert (words[0], words[-1], done.stdout.count(b"\n")) == (b"192.0.2.1", b"7", 1)
    assert 5000 <= int(words[3]) < 5100
    assert done.stdout == (
        b"192.0.2.1 timed out %b seconds ago; # recent timeouts: 7\n" % words[3]
    )


def test_tcpto_and_tcpok_know_the_second_table(run: Run, table: Path) -> None:
    second = table.with_name("tcpto6")
    host = b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"
    second.write_bytes((host + b"\3" + bytes(11)).ljust(1792, b"\0"))
    lines = run("qmail-tcpto").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [b"192.0.2.1", b"2001:db8::1"]
    assert lines[1].endswith(b" seconds ago; # recent timeouts: 3")
    assert run("qmail-tcpok").returncode == 0
    assert second.read_bytes() == bytes(1792)
    assert run("qmail-tcpto").stdout == b""


def test_tcpto_without_table_complains_on_stdout(run: Run, tmp_path: Path) -> None:
    done = run("qmail-tcpto")
    assert done.returncode == 111
    assert done.stdout == b"fatal: unable to read tcpto: file does not exist\n"


def test_tcpok_clears_the_table(run: Run, table: Path) -> None:
    assert run("qmail-tcpok").returncode == 0
    assert table.read_bytes() == bytes(1024)


def test_tcpok_waits_for_the_lock(
    python: list[str], table: Path, tmp_path: Path
) -> None:
    with open(table, "r+b") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [*python, "qmail-tcpok"],
            env={"PATH": os.environ["PATH"], "PYQMAIL_TEST_HOME": str(tmp_path)},
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert table.read_bytes() != bytes(1024)
        fcntl.flock(holder, fcntl.LOCK_UN)
    assert process.wait(60) == 0
    assert table.read_bytes() == bytes(1024)


def test_tcpok_of_root_cannot_be_led_to_a_file_of_roots(
    run: Run, table: Path, tmp_path: Path, as_root: None
) -> None:
    (tmp_path / "trial").write_text("65534 65534")
    for directory in (tmp_path, *tmp_path.parents):
        if (
            directory.stat().st_uid == os.getuid()
            and directory.stat().st_mode & 0o7 < 5
        ):
            directory.chmod(directory.stat().st_mode | 0o5)
    precious = tmp_path / "precious"
    precious.write_bytes(b"p" * 2000)
    precious.chmod(0o600)
    table.unlink()
    table.symlink_to(precious)
    done = run("qmail-tcpok")
    assert done.returncode == 111
    assert done.stderr.endswith(b": access denied\n")
    assert precious.read_bytes() == b"p" * 2000


def test_tcpok_without_table_is_111(run: Run, tmp_path: Path) -> None:
    (tmp_path / "trial").write_text(f"{os.getuid()} {os.getgid()}")
    done = run("qmail-tcpok")
    assert done.returncode == 111
    assert done.stderr == (
        b"qmail-tcpok: fatal: unable to clear %b/queue/lock/tcpto: file does not exist\n"
        % bytes(tmp_path)
    )
