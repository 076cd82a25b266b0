"""svc, svok, svstat where no supervise runs: each error, to the byte.

The table is also run against the originals, by tests/interop.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import services

SVC_OPTIONS = (
    "svc options: u up, d down, o once, x exit, p pause, c continue, h hup, a alarm, "
    "i interrupt, t term, k kill\n"
)
NO_OK = "unable to open supervise/ok"

# Command line, exit status, descriptor 1, descriptor 2; in a directory of make_places.
CASES = {
    "svc nothing": ("svc", 0, "", ""),
    "svc illegal": ("svc -z new", 100, "", "svc: illegal option -- z\n" + SVC_OPTIONS),
    "svc illegal late": (
        "svc -uZ new",
        100,
        "",
        "svc: illegal option -- Z\n" + SVC_OPTIONS,
    ),
    "svc missing": (
        "svc -u none",
        0,
        "",
        "svc: warning: unable to chdir to none: file does not exist\n",
    ),
    "svc file": (
        "svc -u file",
        0,
        "",
        "svc: warning: unable to chdir to file: not a directory\n",
    ),
    "svc empty name": (
        "svc -u ''",
        0,
        "",
        "svc: warning: unable to chdir to : file does not exist\n",
    ),
    "svc new": (
        "svc -u new",
        0,
        "",
        "svc: warning: unable to control new: file does not exist\n",
    ),
    "svc dead": (
        "svc -u dead",
        0,
        "",
        "svc: warning: unable to control dead: supervise not running\n",
    ),
    "svc without letters": (
        "svc dead",
        0,
        "",
        "svc: warning: unable to control dead: supervise not running\n",
    ),
    "svc directory": (
        "svc -u odd",
        0,
        "",
        "svc: warning: unable to control odd: is a directory\n",
    ),
    "svc goes on": (
        "svc -du none dead ./dead",
        0,
        "",
        "svc: warning: unable to chdir to none: file does not exist\n"
        "svc: warning: unable to control dead: supervise not running\n"
        "svc: warning: unable to control ./dead: supervise not running\n",
    ),
    "svc end of options": (
        "svc -u -- -x",
        0,
        "",
        "svc: warning: unable to chdir to -x: file does not exist\n",
    ),
    "svc single dash": (
        "svc -",
        0,
        "",
        "svc: warning: unable to chdir to -: file does not exist\n",
    ),
    "svok nothing": ("svok", 100, "", "svok: usage: svok dir\n"),
    "svok missing": (
        "svok none",
        111,
        "",
        "svok: fatal: unable to chdir to none: file does not exist\n",
    ),
    "svok new": ("svok new", 100, "", ""),
    "svok dead": ("svok dead", 100, "", ""),
    "svok looks at the first only": ("svok dead none", 100, "", ""),
    "svok directory": (
        "svok odd",
        111,
        "",
        "svok: fatal: unable to open odd/supervise/ok: is a directory\n",
    ),
    "svok loop": (
        "svok loop",
        111,
        "",
        "svok: fatal: unable to chdir to loop: symbolic link loop\n",
    ),
    "svstat nothing": ("svstat", 0, "", ""),
    "svstat missing": (
        "svstat none",
        0,
        "none: unable to chdir: file does not exist\n",
        "",
    ),
    "svstat file": ("svstat file", 0, "file: unable to chdir: not a directory\n", ""),
    "svstat new": ("svstat new", 0, f"new: {NO_OK}: file does not exist\n", ""),
    "svstat dead": ("svstat dead", 0, "dead: supervise not running\n", ""),
    "svstat directory": ("svstat odd", 0, f"odd: {NO_OK}: is a directory\n", ""),
    "svstat down loop": (
        "svstat downloop",
        0,
        "downloop: unable to stat down: symbolic link loop\n",
        "",
    ),
    "svstat no status": (
        "svstat nostatus",
        0,
        "nostatus: unable to open supervise/status: file does not exist\n",
        "",
    ),
    "svstat short": (
        "svstat short",
        0,
        "short: unable to read supervise/status: bad format\n",
        "",
    ),
    "svstat future": (
        "svstat future",
        0,
        "future: up (pid 4294967295) 0 seconds, normally down, paused, want down\n",
        "",
    ),
    "svstat future down": (
        "svstat futuredown",
        0,
        "futuredown: down 0 seconds, normally up, want up\n",
        "",
    ),
    "svstat several": (
        "svstat dead none ./dead",
        0,
        "dead: supervise not running\n"
        "none: unable to chdir: file does not exist\n"
        "./dead: supervise not running\n",
        "",
    ),
}


def make_places(directory: Path) -> None:
    """The directories that CASES names."""
    (directory / "file").touch()
    (directory / "new").mkdir()
    (directory / "loop").symlink_to("loop")
    for name in ("dead", "odd", "downloop", "nostatus"):
        (directory / name / "supervise").mkdir(parents=True)
    for fifo in ("ok", "control"):
        os.mkfifo(directory / "dead/supervise" / fifo)
        (directory / "odd/supervise" / fifo).mkdir()
    (directory / "downloop/down").symlink_to("down")
    records = {
        "nostatus": None,
        "short": bytes(17),
        "future": b"\x7f" + bytes(11) + b"\xff\xff\xff\xff\x01d",
        "futuredown": b"\x7f" + bytes(15) + b"\x01u",
        "zero": bytes(18),
    }
    for name, record in records.items():
        kept = directory / name / "supervise"
        kept.mkdir(parents=True, exist_ok=True)
        # A file takes writers as a FIFO with a supervise behind it does.
        (kept / "ok").touch()
        if record is not None:
            (kept / "status").write_bytes(record)
    (directory / "future/down").touch()


def run_case(programs: str, command: str, directory: Path) -> tuple[int, str, str]:
    """Run the command line with the programs of one directory."""
    result = subprocess.run(
        ["/bin/sh", "-c", f"PATH={programs}; {command}"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )

    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_service_tool_without_supervise_answers_to_the_byte(
    tmp_path: Path, case: str
) -> None:
    programs = services.install(tmp_path / "bin")
    make_places(tmp_path)
    command, *expected = CASES[case]
    assert list(run_case(str(programs), command, tmp_path)) == expected


def test_svstat_unreadable_status_says_so(tmp_path: Path) -> None:
    programs = services.install(tmp_path / "bin")
    kept = tmp_path / "s/supervise"
    (kept / "status").mkdir(parents=True)
    (kept / "ok").touch()
    answer = "s: unable to read supervise/status: is a directory\n"
    assert run_case(str(programs), "svstat s", tmp_path) == (0, answer, "")


def test_svc_letters_are_sent_once_each_in_order(tmp_path: Path) -> None:
    programs = services.install(tmp_path / "bin")
    (tmp_path / "s/supervise").mkdir(parents=True)
    os.mkfifo(tmp_path / "s/supervise/control")
    control = os.open(tmp_path / "s/supervise/control", os.O_RDWR | os.O_NONBLOCK)
    try:
        command = "svc -kud -d -uopchaitx s ./s"
        assert run_case(str(programs), command, tmp_path) == (0, "", "")
        assert os.read(control, 100) == b"kudopchaitx" * 2
    finally:
        os.close(control)


@pytest.mark.parametrize("tool", ["svc", "svok", "svstat"])
def test_service_tool_imports_only_what_it_uses(tmp_path: Path, tool: str) -> None:
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]);"
        f"import pytools.commands.{tool};"
        "print(*sorted(set(sys.modules) - before))"
    )
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-ISB", "-c", code, str(root)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    allowed = {
        "svc": {"signals", "_signal", "options", "control"},
        "svok": set(),
        "svstat": {"status"},
    }[tool] | {"__future__", "errno", "exits", "base", "commands", "pytools", tool}
    allowed |= {"supervision"}
    loaded = {name.rpartition(".")[2] for name in result.stdout.split()}
    assert loaded <= allowed
