"""What every test may use, and the list of what could not run here.

A test that needs something this machine lacks calls ``cannot_run(reason)``; the reasons
are listed at the end of the run. With PYQMAIL_STRICT or CI set such a test fails.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parent.parent
ORIGINALS = os.environ.get("PYQMAIL_ORIGINALS", str(CHECKOUT / "build/originals"))
LIMITS = [getattr(resource, name) for name in dir(resource) if "RLIMIT_" in name]
STRICT = bool(os.environ.get("PYQMAIL_STRICT") or os.environ.get("CI"))

settings.register_profile(
    "dev",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# The same cases in every run: what is new is looked for where somebody looks at it.
settings.register_profile(
    "ci", parent=settings.get_profile("dev"), max_examples=200, derandomize=True
)
settings.register_profile(
    "deep", parent=settings.get_profile("dev"), max_examples=20000
)
settings.load_profile(os.environ.get("PYQMAIL_HYPOTHESIS", "dev"))


# A shell starts what it puts into the background with INT and QUIT ignored, and every
# program under test would inherit that.
for _number in set(signal.Signals) - {signal.SIGPIPE, signal.SIGXFSZ}:
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
# pytest ends its tests in order at INT.
signal.signal(signal.SIGINT, signal.default_int_handler)


def cannot_run(reason: str) -> NoReturn:
    """Say that this test cannot run on this machine, and why."""
    if STRICT:
        pytest.fail(f"cannot run here: {reason}")
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what could not run, each reason once with its number of tests."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("could not run here")
        reasons = Counter(str(report.longrepr[2]) for report in skipped)
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(
                f"{count:4} tests: {reason.removeprefix('Skipped: ')}"
            )


def process_state() -> dict[str, object]:
    """What a test shares with all tests after it, as it runs in the same process."""
    status = Path("/proc/self/status").read_text()
    environment = {**os.environ}
    environment.pop("PYTEST_CURRENT_TEST", None)
    return {
        "working directory": os.getcwd(),
        "umask": status.partition("Umask:")[2].split("\n", 1)[0].strip(),
        "users": (os.getresuid(), os.getresgid(), os.getgroups()),
        "environment": environment,
        "signals": {number: signal.getsignal(number) for number in signal.Signals},
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "timer": signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0),
        "limits": {number: resource.getrlimit(number) for number in LIMITS},
    }


@pytest.fixture(autouse=True)
def _leaves_the_process_as_it_was() -> Iterator[None]:
    """A test that changes the process for the tests after it fails, itself.

    Set up before all other fixtures, so it looks after these have tidied up.
    """
    before = process_state()
    yield
    after = process_state()
    os.chdir(str(before["working directory"]))
    changed = {
        key: (before[key], after[key]) for key in before if before[key] != after[key]
    }
    assert not changed, f"left changed (before, after): {changed}"


@pytest.fixture
def originals() -> str:
    """The directory with the programs of Debian's daemontools and ucspi-tcp."""
    if os.path.exists(f"{ORIGINALS}/usr/bin/tcprules"):
        return f"{ORIGINALS}/usr/bin"
    cannot_run("Debian's daemontools and ucspi-tcp are not unpacked (make originals)")


@pytest.fixture
def as_root() -> None:
    """For tests that change users or mount."""
    if os.geteuid() != 0:
        cannot_run("needs root")


@pytest.fixture
def python() -> list[str]:
    """The command that runs a program of this checkout: ``[*python, name, *args]``."""
    return [sys.executable, "-BXutf8", "-m", "pytools.process.launch"]


def tool(name: str, package: str) -> str:
    """The path of a program of another package, which the test needs."""
    unpacked = f"{ORIGINALS}/usr/bin:{ORIGINALS}/usr/sbin"
    found = shutil.which(name, path=f"{unpacked}:{os.environ['PATH']}:/usr/sbin")
    if found is None:
        cannot_run(f"needs the Debian package {package}")
    return found
