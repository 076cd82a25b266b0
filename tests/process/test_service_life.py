"""supervise beyond the original: supervise/last, ./finish, the readiness descriptor.

Everything here is done to a supervise of ours that really runs; svstat --json is asked
what there is to see.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import services
from tests.support.services import (
    is_down,
    is_up,
    lives,
    make_service,
    read_status,
    send,
    supervised,
)
from tests.support.until import until

SLEEPER = "exec sleep 1000"
FIRST_WAITS = """
if mkdir first 2>/dev/null
then while test ! -e gate; do sleep 0.02; done; exit 3
fi
exec sleep 1000
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    return services.install(tmp_path / "bin")


@pytest.fixture
def program(tools: Path) -> str:
    return str(tools / "supervise")


def finish_of(service: Path, body: str) -> Path:
    """Give the service a finish script."""
    file = service / "finish"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def gated_finish_of(service: Path) -> None:
    """One that notes its arguments and waits, for any time, until there is ``gate``."""
    # It does not outlive its supervise, should a test fail before.
    is_shut = "test ! -e gate && kill -0 $PPID"
    finish_of(service, f'echo "$@" >>finished; while {is_shut}; do sleep 0.02; done')
    (service / "timeout-finish").write_text("0\n")


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def ask(tools: Path, service: Path) -> dict[str, Any]:
    """What svstat --json says."""
    done = subprocess.run(
        [tools / "svstat", "--json", service], capture_output=True, timeout=20
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_last_counts_the_starts_and_tells_how_the_process_ended(
    tmp_path: Path, program: str, tools: Path
) -> None:
    service = make_service(tmp_path / "s", FIRST_WAITS)
    with supervised(service, program):
        until(lambda: lives(service) == ["start 1"])
        assert ask(tools, service)["exit"] is None
        (service / "gate").touch()
        until(lambda: lives(service) == ["exit 3", "start 2"])
        until(lambda: is_up(service))
        seen = ask(tools, service)
        assert (seen["starts"], seen["exit"]["code"]) == (2, 3)
        assert (seen["up"], seen["ready"]) == (True, None)
        send(service, b"dk")
        until(lambda: is_down(service))
        assert lives(service)[0] == "start 2"
        assert lives(service)[1] in ("signal 9", "signal 15")
        assert ask(tools, service)["exit"]["at"] == ask(tools, service)["since"]


def test_last_of_an_earlier_supervise_is_gone(
    tmp_path: Path, program: str, tools: Path
) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    (service / "supervise").mkdir()
    (service / "supervise/last").write_text(f"@{'4' * 24} start 7\n")
    with supervised(service, program):
        assert lives(service) == []
        assert ask(tools, service)["starts"] is None


@pytest.mark.parametrize(
    ("run", "arguments"),
    [("exit 7", "7 0"), ("kill -9 $$", "-1 9")],
    ids=["code", "signal"],
)
def test_finish_learns_how_run_ended(
    tmp_path: Path, program: str, run: str, arguments: str
) -> None:
    service = make_service(tmp_path / "s", run, down=True)
    finish_of(service, 'echo "$@" >>finished; pwd >>finished')
    with supervised(service, program):
        send(service, b"o")
        until(lambda: text_of(service / "finished").count("\n") == 2)
        assert text_of(service / "finished") == f"{arguments}\n{service}\n"
        until(lambda: lives(service)[-1] != "finish")


def test_finish_runs_while_the_service_is_down_and_puts_the_start_off(
    tmp_path: Path, program: str, tools: Path
) -> None:
    service = make_service(tmp_path / "s", "echo >>starts; " + SLEEPER)
    gated_finish_of(service)
    with supervised(service, program):
        until(lambda: is_up(service) and text_of(service / "starts"))
        send(service, b"t")
        until(lambda: lives(service)[-1] == "finish")
        until(lambda: text_of(service / "finished") == "-1 15\n")
        status = read_status(service)
        assert (status.pid, status.paused, status.want) == (0, 0, b"u")
        assert ask(tools, service)["finishing"] is True
        # None of these reaches it, or starts anything.
        send(service, b"pchaitkuod")
        until(lambda: read_status(service).want == b"d")
        send(service, b"u")
        until(lambda: read_status(service).want == b"u")
        assert is_down(service)
        (service / "gate").touch()
        until(lambda: is_up(service))
        assert lives(service) == ["signal 15", "start 2"]
        until(lambda: text_of(service / "starts") == "\n\n")


def test_finish_of_a_service_that_ran_once_starts_it_once_more_when_asked(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", "echo >>starts", down=True)
    gated_finish_of(service)
    with supervised(service, program):
        send(service, b"o")
        until(lambda: lives(service)[-1:] == ["finish"])
        send(service, b"o")
        (service / "gate").touch()
        until(lambda: text_of(service / "starts") == "\n\n")
        until(lambda: text_of(service / "finished") == "0 0\n0 0\n")
        until(lambda: lives(service) == ["start 2", "exit 0"])


def test_finish_is_waited_for_before_supervise_leaves(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    gated_finish_of(service)
    with supervised(service, program) as process:
        until(lambda: is_up(service))
        send(service, b"dx")
        until(lambda: text_of(service / "finished") == "-1 15\n")
        assert process.poll() is None
        (service / "gate").touch()
        assert process.wait(20) == 0
        assert lives(service) == ["start 1", "signal 15"]


def test_finish_that_takes_too_long_is_killed(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    finish_of(service, "exec sleep 1000")
    (service / "timeout-finish").write_text("100\n")
    with supervised(service, program, name="s"):
        until(lambda: is_up(service))
        send(service, b"t")
        until(lambda: lives(service) == ["signal 15", "start 2"])
    text = "supervise: warning: s/finish takes too long, so it is killed\n"
    # The service was ended once more, by the end of the test.
    assert services.errors_of(service).read_text() in (text, 2 * text)


@pytest.mark.parametrize("kind", ["not executable", "directory", "cannot be run"])
def test_finish_that_is_none_changes_nothing(
    tmp_path: Path, program: str, kind: str
) -> None:
    run = "mkdir first 2>/dev/null && exit 0; exec sleep 1000"
    service = make_service(tmp_path / "s", run)
    if kind == "directory":
        (service / "finish").mkdir()
    else:
        (service / "finish").write_text("#!/nonexistent/interpreter\n")
        (service / "finish").chmod(0o644 if kind == "not executable" else 0o755)
    with supervised(service, program, name="s"):
        until(lambda: lives(service) == ["exit 0", "start 2"])
    errors = services.errors_of(service).read_text()
    line = "supervise: fatal: unable to start s/finish: file does not exist\n"
    assert errors.count(line) == errors.count("\n")
    assert (line in errors) == (kind == "cannot be run")


def test_ready_is_known_when_the_service_says_so(
    tmp_path: Path, program: str, tools: Path
) -> None:
    run = """
        while test ! -e gate; do sleep 0.02; done
        echo partly >&5; echo and more >&5; echo >written; exec sleep 1000
    """
    service = make_service(tmp_path / "s", run)
    (service / "notification-fd").write_text("5\n")
    with supervised(service, program):
        until(lambda: lives(service) == ["start 1", "unready"] and is_up(service))
        assert ask(tools, service)["ready"] is False
        (service / "gate").touch()
        until(lambda: lives(service) == ["start 1", "ready"])
        until(lambda: is_up(service) and (service / "written").exists())
        assert ask(tools, service)["ready"] is True
        send(service, b"d")
        until(lambda: lives(service) == ["start 1", "signal 15"])
        assert ask(tools, service)["ready"] is None


def test_ready_descriptor_is_the_only_new_one(tmp_path: Path, program: str) -> None:
    run = "ls /proc/$$/fd >fds-$(ls | grep -c fds); exec sleep 1000"
    service = make_service(tmp_path / "s", run)
    with supervised(service, program):
        until(lambda: is_up(service) and text_of(service / "fds-0"))
        (service / "notification-fd").write_text("77")
        send(service, b"t")
        until(lambda: text_of(service / "fds-1"))
        before = set(text_of(service / "fds-0").split())
        # dash moves the script itself to 10.
        assert set(text_of(service / "fds-1").split()) - before == {"77"}


@pytest.mark.parametrize("text", ["", "three\n", "-1", "9" * 20])
def test_ready_descriptor_without_a_number_is_a_warning(
    tmp_path: Path, program: str, text: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    (service / "notification-fd").write_text(text)
    with supervised(service, program, name="s"):
        until(lambda: lives(service) == ["start 1"])
    assert services.errors_of(service).read_text() == (
        "supervise: warning: s/notification-fd is not a number, so it is ignored\n"
    )


def test_ready_descriptor_that_there_cannot_be_is_a_warning(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    (service / "notification-fd").write_text("99999999")
    with supervised(service, program, name="s"):
        until(lambda: lives(service) == ["start 1"])
    assert services.errors_of(service).read_text() == (
        "supervise: warning: s/notification-fd is more than there can be descriptors, "
        "so it is ignored\n"
    )
