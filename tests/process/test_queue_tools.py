"""qmail-clean, qmail-qread and qmail-qstat, run over a queue."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qmail.queue import layout
from tests.support.queuehome import QueueHome

DAY = 86400
ARRIVAL = 1764166253  # 26 Nov 2025 14:10:53


def run(
    home: QueueHome, python: list[str], name: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    env = {"PYQMAIL_TEST_HOME": home.path, "PATH": os.environ["PATH"]}
    command = [*python, name]
    return subprocess.run(
        command, input=stdin, capture_output=True, env=env, timeout=60
    )


def put(home: QueueHome, path: bytes, data: bytes = b"") -> Path:
    place = Path(home.path, "queue", path.decode())
    place.write_bytes(data)
    return place


def fill(home: QueueHome) -> None:
    put(home, layout.mess(457), b"x" * 1234)
    put(home, layout.bounce(457))
    info = put(home, layout.info(457), b"Fann\x07@example.org\0")
    os.utime(info, (ARRIVAL, ARRIVAL))
    put(home, layout.local(457), b"Tben@here\0Deve\xff@here\0")
    put(home, layout.remote(457), b"Tjoe@there\0")
    put(home, layout.mess(24), b"")
    info = put(home, layout.info(24), b"F\0")
    os.utime(info, (0, 0))
    put(home, layout.mess(25), b"")
    put(home, layout.intd(25), b"")
    put(home, layout.todo(25), b"")


def test_qread_prints_what_the_original_prints(
    home: QueueHome, python: list[str]
) -> None:
    fill(home)
    done = run(home, python, "qmail-qread")
    assert done.stdout == (
        b"1 Jan 1970 00:00:00 GMT  #24  0  <> \n"
        b"26 Nov 2025 14:10:53 GMT  #457  1234  <ann_@example.org>  bouncing\n"
        b"\tlocal\tben@here\n"
        b"  done\tlocal\teve_@here\n"
        b"\tremote\tjoe@there\n"
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_qread_message_that_has_gone_is_a_warning(
    home: QueueHome, python: list[str]
) -> None:
    put(home, layout.info(7), b"Fs\0")
    done = run(home, python, "qmail-qread")
    assert done.stdout == b"warning: trouble with #7: file does not exist\n"
    assert done.returncode == 0


@pytest.mark.parametrize("kind", ["info", "local", "remote"])
@pytest.mark.parametrize("what", ["fifo", "link", "directory"])
def test_qread_what_is_no_ordinary_file_is_a_warning(
    home: QueueHome, python: list[str], kind: str, what: str
) -> None:
    fill(home)
    path = Path(home.path, "queue", kind, str(457 % layout.SPLIT), "457")
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "link":
        secret = Path(home.path, "secret")
        secret.write_bytes(b"Tsecret\0")
        path.symlink_to(secret)
    else:
        path.mkdir()
    done = run(home, python, "qmail-qread")
    assert b"warning: trouble with #457: " in done.stdout
    assert b"secret" not in done.stdout
    assert b"  #24  0  <> \n" in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", ["qmail-qread", "qmail-qstat", "qmail-clean"])
def test_tool_without_queue_is_111(
    home: QueueHome, python: list[str], name: str
) -> None:
    os.rename(f"{home.path}/queue", f"{home.path}/away")
    assert run(home, python, name).returncode == 111


def test_qstat_counts_mess_and_todo(home: QueueHome, python: list[str]) -> None:
    fill(home)
    done = run(home, python, "qmail-qstat")
    assert done.stdout == (
        b"messages in queue: 3\nmessages in queue but not yet preprocessed: 1\n"
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_clean_foop_and_todo_remove_their_files(
    home: QueueHome, python: list[str]
) -> None:
    fill(home)
    done = run(home, python, "qmail-clean", b"todo/25\0foop/25\0foop/99\0")
    assert (done.stdout, done.returncode) == (b"+++", 0)
    left = home.leftovers()
    assert "mess/20/457" in left
    assert not [name for name in left if name.endswith("/25")]


ANSWERS = {
    b"foop/\0": b"x",
    b"foop/x\0": b"x",
    b"foop/-1\0": b"x",
    b"\0": b"x",
    b"mess/1\0": b"x",
    b"foopx1\0": b"x",
    b"todox1\0": b"+",
    b"foop/%b1\0" % (b"0" * 93): b"+",
    b"foop/%b1\0" % (b"0" * 94): b"x",
    b"x" * 9000 + b"\0": b"x",
    b"foop/1\0x\0foop/2\0": b"+x+",
    b"foop/1": b"",
}


@pytest.mark.parametrize("command", ANSWERS, ids=range(len(ANSWERS)))
def test_clean_answers_each_command(
    home: QueueHome, python: list[str], command: bytes
) -> None:
    assert run(home, python, "qmail-clean", command).stdout == ANSWERS[command]


def test_clean_what_cannot_be_removed_is_failed(
    home: QueueHome, python: list[str]
) -> None:
    os.mkdir(f"{home.path}/queue/todo/5")
    done = run(home, python, "qmail-clean", b"todo/5\0foop/6\0")
    assert done.stdout == b"!+"


def test_clean_sweeps_old_pid_files_at_start_and_each_31st(
    home: QueueHome, python: list[str]
) -> None:
    # A file is as old as its last change, which cannot be set back: so the clock of
    # the cleaner goes forward instead.
    from qmail.queue.clean import Cleaner

    young = put(home, b"pid/1.2.3")
    before = os.getcwd()
    os.chdir(f"{home.path}/queue")
    try:
        changed = young.stat().st_ctime
        Cleaner().sweep_pid(changed + 36 * 3600 - 1)
        assert young.exists()
        os.utime(young, (0, 0))
        Cleaner().sweep_pid(changed + 36 * 3600 - 1)
        assert young.exists()
        Cleaner().sweep_pid(young.stat().st_ctime + 36 * 3600)
        assert not young.exists()
    finally:
        os.chdir(before)


def test_clean_without_a_reader_obeys_nothing(
    home: QueueHome, python: list[str]
) -> None:
    fill(home)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [*python, "qmail-clean"],
            env={**os.environ, "PYQMAIL_TEST_HOME": home.path},
            input=b"todo/25\0",
            stdout=write_end,
            timeout=30,
            check=False,
        )
    finally:
        os.close(write_end)
    assert done.returncode == 100
    assert os.path.exists(f"{home.path}/queue/todo/25")
