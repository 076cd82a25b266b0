"""Run a tcpserver, ours or the original, and talk to it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.until import until

LOOPBACK = "127.0.0.1"
QUIET = ["-v", "-HRl0"]
"""A log, and no lookup of any kind."""
ROOT = str(Path(__file__).resolve().parents[2])
ADDED = re.compile(r"(PYTHON\w*|PWD|OLDPWD|_|SHLVL|LC_CTYPE)=")


class Running:
    """A tcpserver on a port of its own."""

    def __init__(
        self,
        command: Sequence[str],
        options: Sequence[str],
        program: Sequence[str],
        env: dict[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self.host = host
        self.read_log, write_log = os.pipe()
        self.log = b""
        self.process = subprocess.Popen(
            [*command, "-1", *options, host, "0", *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=write_log,
            env={"PATH": "/bin:/usr/bin", **(env or {})},
            cwd=cwd,
        )
        os.close(write_log)
        os.set_blocking(self.read_log, False)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.process.stdout.close()
        assert line, self.lines()
        self.port = int(line)

    def connect(
        self, to: str | None = None, source: str | None = None
    ) -> socket.socket:
        """A connection to it, from the address ``source``."""
        where = to or {"::": "::1", "0": LOOPBACK}.get(self.host, self.host)
        return socket.create_connection(
            (where, self.port), 30, (source, 0) if source else None
        )

    def fetch(
        self, to: str | None = None, source: str | None = None
    ) -> tuple[bytes, int]:
        """Everything a new connection sends, and the port it came from."""
        with self.connect(to, source) as connection:
            port = connection.getsockname()[1]
            parts = []
            while chunk := connection.recv(65536):
                parts.append(chunk)
        return b"".join(parts), port

    def lines(self) -> list[str]:
        """The log so far."""
        try:
            while self.read_log >= 0 and (chunk := os.read(self.read_log, 65536)):
                self.log += chunk
        except BlockingIOError:
            pass
        return self.log.decode("latin-1").splitlines()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until that many lines of the log contain ``text``."""
        until(
            lambda: sum(text in line for line in self.lines()) >= times,
            30,
            f"{times} x {text!r}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, if that has not been done."""
        if self.process.poll() is None:
            self.stop()

    def stop(self) -> int:
        """TERM, and its exit status."""
        self.process.terminate()
        status = self.process.wait(30)
        self.lines()
        os.close(self.read_log)
        self.read_log = -1
        return status


def without_pids(text: str, log: str) -> str:
    """The pids of the log's visitors, where they stand in a log, as PID.

    Any other number may be the same as a pid, and stays.
    """
    pids = "|".join(re.findall(r"tcpserver: pid (\d+)", log)) or "none"
    where = rf"(?m)^(tcpserver: (?:pid|ok|deny|end) )(?:{pids})\b"
    return re.sub(where, r"\1PID", text)


def compile_rules(directory: Path, text: str) -> None:
    """Make the rules.cdb of that text, with our tcprules."""
    subprocess.run(
        [sys.executable, "-BXutf8", "-m", "pytools.process.launch"]
        + ["tcprules", "rules.cdb", "rules.tmp"],
        input=text.encode(),
        cwd=directory,
        env={"PYTHONPATH": ROOT},
        check=True,
        timeout=30,
    )


def visit(
    command: Sequence[str],
    options: Sequence[str],
    program: Sequence[str],
    env: dict[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> tuple[list[str], list[str], int]:
    """One connection to a server: (lines the client saw, sorted; log; exit status).

    Pids and ports are written as words, what a shell or Python adds is left out.
    """
    server = Running(command, options, program, env, cwd)
    seen, port = server.fetch()
    if "-v" in options:
        server.wait_for("status: 0/", 2)
    status = server.stop()
    log = server.log.decode("latin-1")
    known = {str(server.port): "SERVERPORT", str(port): "CLIENTPORT"}

    def anonymous(text: str) -> list[str]:
        text = without_pids(text, log)
        lines = re.sub(r"\d+", lambda n: known.get(n[0], n[0]), text).split("\n")
        return [line for line in lines if not ADDED.match(line)]

    return sorted(anonymous(seen.decode("latin-1"))), anonymous(log), status
