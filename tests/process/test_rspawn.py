"""qmail-rspawn as a real process: what it starts, and how it reads what comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.spawners import Home, Spawner, made_home, spawner


@pytest.fixture
def home() -> Iterator[Home]:
    with made_home() as made:
        yield made


@pytest.fixture
def rspawn(home: Home) -> Iterator[Spawner]:
    env = {"PATH": f"{home.path}/bin:{os.environ['PATH']}"}
    with spawner(home, "qmail-rspawn", env=env) as running:
        yield running


def test_rspawn_foreign_remote_gets_host_sender_and_recipient(
    home: Home, rspawn: Spawner
) -> None:
    home.program("qmail-remote", r"printf 'r%s\n\0Kdone %s\n\0' " '"$*" "$(cat)"')
    report = rspawn.deliver(b"one@two@Three.Example")
    assert report == (
        b"KThree.Example from@there one@two@Three.Example\n"
        b"done Subject: hello\n\nworld\n"
    )


def test_rspawn_foreign_remote_works_in_the_queue_with_three_descriptors(
    home: Home, rspawn: Spawner
) -> None:
    home.program("qmail-remote", 'printf "r"; pwd; ls /proc/$$/fd; printf "\\0K\\0"')
    cwd, *numbers = rspawn.deliver().removeprefix(b"K").split()
    assert cwd == bytes(home.path / "queue/mess")
    # The shell reads its script from a descriptor of its own, 10 or 255.
    assert {int(number) for number in numbers} - {10, 255} == {0, 1, 2}


@pytest.mark.parametrize(
    ("body", "report"),
    [
        ("kill -9 $$", b"Zqmail-remote crashed.\n"),
        ("exit 111", b"Zqmail-remote cannot be run.\n"),
        ("exit 1", b"Dqmail-remote cannot be run.\n"),
        ("exit 0", b"Zqmail-remote had nothing to say.\n"),
        (r"printf 'hno\n\0Kyes\n\0'", b"Dno\n"),
        (r"printf 'sno\n\0Dgone\n\0'", b"Zno\ngone\n"),
        (r"printf 'Zwait\n\0'", b"Zwait\n"),
    ],
)
def test_rspawn_remote_output_becomes_one_report(
    home: Home, rspawn: Spawner, body: str, report: bytes
) -> None:
    home.program("qmail-remote", body)
    assert rspawn.deliver() == report


def test_rspawn_remote_without_an_interpreter_is_a_shell_script(
    home: Home, rspawn: Spawner
) -> None:
    file = home.path / "bin/qmail-remote"
    file.unlink(missing_ok=True)
    file.write_text(r"printf 'r\0K%s\n\0' " '"$1"\n')
    file.chmod(0o755)
    assert rspawn.deliver(b"a@far.example") == b"Kfar.example\n"


def test_rspawn_remote_missing_is_failure(home: Home) -> None:
    with spawner(home, "qmail-rspawn", env={"PATH": f"{home.path}/bin"}) as rspawn:
        assert rspawn.deliver() == b"Dqmail-remote cannot be run.\n"


def test_rspawn_our_remote_is_forked(home: Home) -> None:
    home.launcher("qmail-remote")
    env = {"PATH": f"{home.path}/bin:{os.environ['PATH']}"}
    with spawner(home, "qmail-rspawn", fakes="fake_programs", env=env) as rspawn:
        report = rspawn.deliver()
        # The main is the driver's: exec would have found another one.
        assert report == (
            b"K%b/bin/qmail-remote host from@there joe@host\nparent %d\n"
            % (bytes(home.path), rspawn.process.pid)
        )
        assert rspawn.finish() == 0


def test_rspawn_at_start_forgets_timeouts(home: Home) -> None:
    table = home.path / "queue/lock/tcpto"
    table.write_bytes(b"\x01\x02\x03\x04\x05" * 200)
    with spawner(home, "qmail-rspawn") as rspawn:
        assert rspawn.limit == b"x"
        assert table.read_bytes() == bytes(1024)


def test_rspawn_at_start_without_table_goes_on(home: Home) -> None:
    with spawner(home, "qmail-rspawn") as rspawn:
        assert rspawn.limit == b"x"
        assert rspawn.finish() == 0


def test_rspawn_lost_resolver_takes_no_delivery_with_it(
    home: Home, rspawn: Spawner
) -> None:
    home.program("qmail-remote", r"printf 'r\0Kdone\0'")
    kids = f"/proc/{rspawn.process.pid}/task/{rspawn.process.pid}/children"
    with open(kids) as children:
        (resolver,) = children.read().split()
    os.kill(int(resolver), 9)
    assert [rspawn.deliver() for _ in range(3)] == [b"Kdone"] * 3
    assert rspawn.finish() == 0
