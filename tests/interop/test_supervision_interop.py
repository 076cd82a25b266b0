"""Our supervise with the originals' svc, svok and svstat, theirs with ours, and both
programs asked the same."""

from __future__ import annotations

import re
import stat
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.process.test_service_tools import CASES, make_places, run_case
from tests.support import services
from tests.support.services import (
    is_down,
    is_up,
    make_service,
    read_status,
    supervised,
)
from tests.support.until import until

SLEEPER = "exec sleep 1000"
# Who supervises, who asks.
PAIRS = [("ours", "theirs"), ("theirs", "ours"), ("theirs", "theirs"), ("ours", "ours")]


class Sides:
    """Where the programs of both lie."""

    def __init__(self, ours: Path, originals: str) -> None:
        self.bin = {"ours": str(ours), "theirs": originals}

    def supervise(self, side: str) -> str:
        return f"{self.bin[side]}/supervise"

    def svc(self, side: str, service: Path, option: str) -> None:
        assert self.ask(side, service, f"svc {option} {service.name}") == (0, "", "")

    def svok(self, side: str, service: Path) -> int:
        return self.ask(side, service, f"svok {service.name}")[0]

    def svstat(self, side: str, service: Path) -> str:
        status, line, errors = self.ask(side, service, f"svstat {service.name}")
        assert (status, errors) == (0, "")
        return line

    def ask(self, side: str, service: Path, command: str) -> tuple[int, str, str]:
        return run_case(self.bin[side], command, service.parent)


@pytest.fixture
def sides(tmp_path: Path, originals: str) -> Sides:
    return Sides(services.install(tmp_path / "bin"), originals)


def line_for(words: str) -> re.Pattern[str]:
    return re.compile(rf"s: {words}\n")


@pytest.mark.parametrize(("guard", "asker"), PAIRS)
def test_pair_life_of_a_service_reads_and_obeys(
    tmp_path: Path, sides: Sides, guard: str, asker: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    assert sides.svok(asker, service) == 100
    with supervised(service, sides.supervise(guard), name="s") as process:
        assert sides.svok(asker, service) == 0
        until(lambda: is_up(service))
        up = rf"up \(pid {read_status(service).pid}\) [0-9]+ seconds"
        assert line_for(up).fullmatch(sides.svstat(asker, service))

        sides.svc(asker, service, "-p")
        until(lambda: read_status(service).paused)
        assert line_for(up + ", paused").fullmatch(sides.svstat(asker, service))

        (service / "down").touch()
        sides.svc(asker, service, "-c")
        until(lambda: not read_status(service).paused)
        normally = up + ", normally down"
        assert line_for(normally).fullmatch(sides.svstat(asker, service))
        (service / "down").unlink()

        sides.svc(asker, service, "-d")
        until(lambda: is_down(service))
        down = "down [0-9]+ seconds, normally up"
        assert line_for(down).fullmatch(sides.svstat(asker, service))

        sides.svc(asker, service, "-o")
        until(lambda: is_up(service))
        pid = read_status(service).pid
        sides.svc(asker, service, "-k")
        until(lambda: is_down(service))
        assert read_status(service).want == b"\0"
        assert line_for(down).fullmatch(sides.svstat(asker, service))

        sides.svc(asker, service, "-u")
        until(lambda: is_up(service) and read_status(service).pid != pid)
        sides.svc(asker, service, "-dx")
        assert process.wait(20) == 0
    assert sides.svstat(asker, service) == "s: supervise not running\n"
    assert sides.svok(asker, service) == 100


@pytest.mark.parametrize(("guard", "asker"), PAIRS[:2])
def test_pair_want_down_shows_while_the_service_hangs_on(
    tmp_path: Path, sides: Sides, guard: str, asker: str
) -> None:
    service = make_service(tmp_path / "s", "trap '' TERM; echo >r; " + SLEEPER)
    with supervised(service, sides.supervise(guard), name="s"):
        until(lambda: (service / "r").exists() and is_up(service))
        sides.svc(asker, service, "-d")
        until(lambda: read_status(service).want == b"d")
        words = r"up \(pid [0-9]+\) [0-9]+ seconds, want down"
        assert line_for(words).fullmatch(sides.svstat(asker, service))


def test_original_tools_see_a_service_down_while_finish_runs(
    tmp_path: Path, sides: Sides
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    finish = service / "finish"
    finish.write_text(
        "#!/bin/sh\necho >begun\nwhile test ! -e gate; do sleep 0.02; done\n"
    )
    finish.chmod(0o755)
    with supervised(service, sides.supervise("ours"), name="s"):
        until(lambda: is_up(service))
        sides.svc("theirs", service, "-t")
        until(lambda: (service / "begun").exists())
        words = "down [0-9]+ seconds, normally up, want up"
        assert line_for(words).fullmatch(sides.svstat("theirs", service))
        sides.svc("theirs", service, "-k")
        sides.svc("theirs", service, "-d")
        until(lambda: read_status(service).want == b"d")
        words = "down [0-9]+ seconds, normally up"
        assert line_for(words).fullmatch(sides.svstat("theirs", service))
        sides.svc("theirs", service, "-o")
        (service / "gate").touch()
        until(lambda: is_up(service))
        words = r"up \(pid [0-9]+\) [0-9]+ seconds"
        assert line_for(words).fullmatch(sides.svstat("theirs", service))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_without_supervise_answer_the_same(
    tmp_path: Path, sides: Sides, case: str
) -> None:
    make_places(tmp_path)
    command = CASES[case][0]
    theirs = run_case(sides.bin["theirs"], command, tmp_path)
    assert run_case(sides.bin["ours"], command, tmp_path) == theirs
    assert list(theirs) == list(CASES[case][1:])


def test_both_ancient_status_count_the_same_digits(
    tmp_path: Path, sides: Sides
) -> None:
    make_places(tmp_path)
    theirs = run_case(sides.bin["theirs"], "svstat zero", tmp_path)
    assert theirs[1].startswith("zero: down 46116860")
    # They round to doubles: 1024 seconds at a time.
    until(
        lambda: (
            run_case(sides.bin["ours"], "svstat zero", tmp_path)
            == run_case(sides.bin["theirs"], "svstat zero", tmp_path)
        )
    )


def test_both_supervises_leave_the_same_directory(tmp_path: Path, sides: Sides) -> None:
    seen = {}
    for side in ("ours", "theirs"):
        service = make_service(tmp_path / side, SLEEPER, down=True)
        began = int(time.time())
        with supervised(service, sides.supervise(side)):
            status = read_status(service)
            raw = (service / "supervise/status").read_bytes()
            seen[side] = (
                [
                    (file.name, stat.filemode(file.lstat().st_mode))
                    for file in sorted((service / "supervise").iterdir())
                    if file.name != "status.new"  # there while status is written
                ],
                len(raw),
                raw[12:],
                began <= status.seconds <= time.time(),
            )
    assert seen["ours"] == seen["theirs"]


@pytest.mark.parametrize(("first", "second"), PAIRS[:2])
def test_pair_second_supervise_is_locked_out_alike(
    tmp_path: Path, sides: Sides, first: str, second: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    with supervised(service, sides.supervise(first)):
        status, out, errors = sides.ask(second, service, "supervise s")
        assert (status, out) == (111, "")
        assert errors == (
            "supervise: fatal: unable to acquire s/supervise/lock: temporary failure\n"
        )


@pytest.mark.parametrize(("first", "second"), PAIRS[:2])
def test_pair_takes_over_a_directory(
    tmp_path: Path, sides: Sides, first: str, second: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    for side in (first, second, first):
        with supervised(service, sides.supervise(side)):
            until(lambda: is_up(service))


@pytest.mark.parametrize("scanner", ["ours", "theirs"])
@pytest.mark.parametrize("guard", ["ours", "theirs"])
def test_svscan_starts_either_supervise(
    tmp_path: Path, sides: Sides, scanner: str, guard: str
) -> None:
    scan = tmp_path / "service"
    service = make_service(scan / "s", "echo from the service; " + SLEEPER)
    log = make_service(service / "log", "exec cat >>lines")
    process = subprocess.Popen(
        [f"{sides.bin[scanner]}/svscan", str(scan)],
        env={"PATH": f"{sides.bin[guard]}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        lines = log / "lines"
        until(lambda: lines.exists() and lines.read_text() == "from the service\n")
        until(lambda: is_up(service) and is_up(log))
    finally:
        process.kill()
        process.wait(20)
        services.end_service(service)
        services.end_service(log)
        until(lambda: sides.svok("theirs", service) == 100)
        until(lambda: sides.ask("theirs", log, "svok log")[0] == 100)


def shows_no(pid: int) -> bool:
    return services.command_line(pid).endswith(b"no")


def test_readproctitle_shows_the_same_words(tmp_path: Path, sides: Sides) -> None:
    shown = {}
    for side in ("ours", "theirs"):
        with subprocess.Popen(
            [f"{sides.bin[side]}/readproctitle", "service", "errors:", "." * 40],
            stdin=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            # Nothing comes behind the words that are waited for.
            process.stdin.write(b"supervise:\nfatal: no")
            process.stdin.flush()
            until(partial(shows_no, process.pid))
            line = services.command_line(process.pid)
            shown[side] = line[line.index(b"readproctitle") :]
            process.stdin.close()
            assert process.wait(20) == 0
    assert shown["ours"] == shown["theirs"]
