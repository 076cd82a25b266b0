"""tcpserver, tcprules and tcprulescheck beside the originals: same in, same out."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.dnsserver import serving
from tests.support.tcpservers import QUIET, Running, visit

RULES = b"""\
127.:allow,RELAYCLIENT="",PATH="/nonexistent",TCPREMOTEINFO="ruled"
=:deny
"""
VISITS: dict[str, tuple[list[str], list[str]]] = {
    "environment": (QUIET, ["env"]),
    "normal": (["-HRl0"], ["env"]),
    "quiet": (["-qHRl0"], ["env"]),
    "descriptors": (QUIET, ["sh", "-c", "cd /proc/self/fd; echo *; exit 3"]),
    "killed": (QUIET, ["sh", "-c", "kill -9 $$"]),
    "local name": (["-v", "-HRl", "a b:%c\x7f" + "x" * 120], ["env"]),
    "banner": ([*QUIET, "-B", "220 hello\r\n"], ["env"]),
    "no program": (QUIET, ["no-such-program"]),
    "no rules": ([*QUIET, "-x", "missing.cdb"], ["env"]),
    "no rules quiet": (["-qHRl0", "-x", "missing.cdb"], ["env"]),
    "no rules allowed": ([*QUIET, "-X", "-x", "missing.cdb"], ["env"]),
    "rules": ([*QUIET, "-x", "rules.cdb"], ["env"]),
    "deny": ([*QUIET, "-x", "deny.cdb"], ["env"]),
    "limit": ([*QUIET, "-c", "1", "-D", "-o"], ["env"]),
    "path": (QUIET, ["./script"]),
    "ident refused": (["-v", "-Hl0", "-t", "1"], ["env"]),
}
STARTS = {
    "no arguments": [],
    "no program": ["-v", "0", "0"],
    "quiet no program": ["-q", "0", "0"],
    "option": ["-z"],
    "option argument": ["-c"],
    "port": ["127.0.0.1", "nosuchport", "true"],
    "port cut": ["127.0.0.1", "25x", "true"],
    "quiet port": ["-q", "127.0.0.1", "nosuchport", "true"],
    "address": ["192.0.2.1", "0", "true"],
    "no address": ["127.1", "0", "true"],
}


@pytest.fixture
def rules(tmp_path: Path, originals: str) -> Path:
    """A directory with compiled rules and a script."""
    for name, text in (("rules", RULES), ("deny", b'127.:deny,X="y"\n')):
        subprocess.run(
            [f"{originals}/tcprules", f"{name}.cdb", "tmp"],
            input=text,
            cwd=tmp_path,
            check=True,
            timeout=20,
        )
    (tmp_path / "script").write_text("#!/bin/sh\necho $0 $TCPREMOTEIP\n")
    (tmp_path / "script").chmod(0o755)
    return tmp_path


def ours(python: list[str], name: str) -> list[str]:
    """The command of one of our programs."""
    return [*python, name]


@pytest.fixture
def env() -> dict[str, str]:
    """What our programs need to be found, and stale variables of an outer server."""
    return {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "TCPREMOTEINFO": "stale",
        "TCPREMOTEHOST": "stale",
        "TCPLOCALHOST": "stale",
        "OTHER": "kept",
    }


@pytest.mark.parametrize("name", VISITS)
def test_connection_is_served_as_by_the_original(
    name: str, python: list[str], originals: str, rules: Path, env: dict[str, str]
) -> None:
    options, program = VISITS[name]
    theirs = visit([f"{originals}/tcpserver"], options, program, env, rules)
    assert visit(ours(python, "tcpserver"), options, program, env, rules) == theirs


@pytest.mark.parametrize("name", STARTS)
def test_start_fails_as_in_the_original(
    name: str, python: list[str], originals: str, env: dict[str, str]
) -> None:
    results = []
    for command in ([f"{originals}/tcpserver"], ours(python, "tcpserver")):
        done = subprocess.run(
            [*command, *STARTS[name]],
            capture_output=True,
            timeout=30,
            env={"PATH": "/bin:/usr/bin", **env},
        )
        results.append((done.returncode, done.stdout, done.stderr))
    assert results[0] == results[1]


def test_port_in_use_is_said_as_in_the_original(
    python: list[str], originals: str, env: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ([f"{originals}/tcpserver"], ours(python, "tcpserver")):
            done = subprocess.run(
                [*command, "127.0.0.1", port, "true"],
                capture_output=True,
                timeout=30,
                env=env,
            )
            assert done.returncode == 111
            assert done.stderr == (
                b"tcpserver: fatal: unable to bind: address already used\n"
            )


@pytest.mark.parametrize("option", ["-g", "-u"])
def test_id_that_may_not_be_taken_is_said_as_in_the_original(
    option: str,
    python: list[str],
    originals: str,
    env: dict[str, str],
    as_root: None,
    world_readable: Callable[[], None],
) -> None:
    world_readable()
    results = []
    for command in ([f"{originals}/tcpserver"], ours(python, "tcpserver")):
        done = subprocess.run(
            [*command, option, "5", "127.0.0.1", "0", "true"],
            capture_output=True,
            timeout=30,
            env=env,
            user=65534,
            group=65534,
            extra_groups=[],
        )
        results.append((done.returncode, done.stderr))
    assert results[0] == results[1]
    assert results[0][0] == 111


@pytest.fixture
def world_readable(python: list[str], originals: str) -> Callable[[], None]:
    """Fail early where another user could not even start the programs."""

    def check() -> None:
        assert os.access(originals, os.X_OK)
        for part in Path(python[0]).resolve().parents:
            assert part.stat().st_mode & 0o001, part

    return check


def test_fork_failure_drops_the_connection_and_the_server_lives(
    python: list[str], env: dict[str, str], as_root: None
) -> None:
    command = ours(python, "tcpserver")
    launcher = ["prlimit", "--nproc=1:1", *command]
    server = Running(launcher, ["-v", "-HRl0", "-u", "54321"], ["env"], env)
    for count in (1, 2):
        assert server.fetch()[0] == b""
        server.wait_for(
            "tcpserver: warning: dropping connection, unable to fork: ", count
        )
        # And before the first one.
        server.wait_for("tcpserver: status: 0/40", count + 1)
    assert server.stop() == 0
    assert server.lines()[-1] == "tcpserver: status: 0/40"


RULE_RUNS: dict[str, tuple[list[str], bytes]] = {
    "good": (["out.cdb", "out.tmp"], RULES),
    "bad": (["out.cdb", "out.tmp"], b"1:nonsense\n"),
    "no newline": (["out.cdb", "out.tmp"], b"1:deny"),
    "empty": (["out.cdb", "out.tmp"], b""),
    "no arguments": ([], b""),
    "one argument": (["out.cdb"], b""),
    "more arguments": (["out.cdb", "out.tmp", "x"], b":deny\n"),
    "no directory": (["out.cdb", "none/out.tmp"], b""),
    "cdb is a directory": (["directory", "out.tmp"], b""),
    "tmp is a directory": (["out.cdb", "directory"], b""),
}


@pytest.mark.parametrize("name", RULE_RUNS)
def test_tcprules_does_as_the_original(
    name: str, python: list[str], originals: str, tmp_path: Path, env: dict[str, str]
) -> None:
    arguments, text = RULE_RUNS[name]
    results = []
    for side, command in (
        ("theirs", [f"{originals}/tcprules"]),
        ("ours", ours(python, "tcprules")),
    ):
        place = tmp_path / side
        (place / "directory").mkdir(parents=True)
        done = subprocess.run(
            [*command, *arguments],
            input=text,
            capture_output=True,
            cwd=place,
            env=env,
            timeout=30,
        )
        made = {p.name: p.is_dir() or p.stat().st_mode for p in place.iterdir()}
        cdb = place / "out.cdb"
        data = cdb.read_bytes() if cdb.exists() else None
        results.append((done.returncode, done.stdout, done.stderr, made, data))
    assert results[0] == results[1]


@pytest.mark.parametrize("arguments", [[], ["missing.cdb"], ["rules.cdb"]])
def test_tcprulescheck_does_as_the_original(
    arguments: list[str],
    python: list[str],
    originals: str,
    rules: Path,
    env: dict[str, str],
) -> None:
    results = []
    for command in ([f"{originals}/tcprulescheck"], ours(python, "tcprulescheck")):
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            cwd=rules,
            env={**env, "TCPREMOTEIP": "127.0.0.1"},
            timeout=30,
        )
        results.append((done.returncode, done.stdout, done.stderr))
    assert results[0] == results[1]


def test_host_names_reach_log_and_environment(
    python: list[str], env: dict[str, str]
) -> None:
    zone = {
        ("1.0.0.127.in-addr.arpa.", "PTR"): ["Odd%name.Example."],
        (r"odd%name.example.", "A"): ["127.0.0.1"],
    }
    with serving(zone) as names:
        env["DNSCACHEIP"] = f"127.0.0.1:{names.port}"
        seen, log, _ = visit(ours(python, "tcpserver"), ["-v", "-Rp"], ["env"], env)
    assert r"TCPREMOTEHOST=odd\045name.example" in seen
    assert r"TCPLOCALHOST=odd\045name.example" in seen
    assert (
        r"tcpserver: ok PID odd\045name.example:127.0.0.1:SERVERPORT "
        r"odd\045name.example:127.0.0.1::CLIENTPORT" in log
    )
