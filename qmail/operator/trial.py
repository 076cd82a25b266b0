"""``make run``: a mail server of one's own, below the checkout, without root.

It is built, started, sent a first message, shown, and stays until Ctrl-C; --once ends it
by itself. Nothing it started outlives it; what it built is there for the next time.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pytools.base.signals import SIGHUP, SIGINT, SIGTERM, SelfPipe
from pytools.base.tai import tai64n
from qmail.operator import processes, unprivileged
from qmail.operator.instance import HOST, SERVICES, Instance
from qmail.operator.places import SetupError
from qmail.operator.session import Session
from qmail.operator.templates import TRIAL_ADDRESS

PORT = 2525
SERVERS = ("qmail-smtpd", "trial-sink")
USER = f"you@{HOST}"
PATIENCE_SECONDS = 60.0
STOPPED_BY = (SIGINT, SIGTERM, SIGHUP)
MESSAGE = """\
From: pyqmail <pyqmail@{host}>
To: {to}
Subject: Your first message
Message-ID: <{token}@{host}>

This came by SMTP, was queued, scheduled, and delivered to a Maildir,
by the same programs that a mail server on port 25 runs.
"""


class Stopped(Exception):
    """The operator has had enough."""


class Trial:
    """One run: its steps in order, each of which may be stopped by a signal."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.session = Session(instance)
        self.began = b""
        self._signals: SelfPipe | None = None
        self._muted = False
        self._stopping = False

    def say(self, text: str = "") -> None:
        """Print a line; a reader who has gone stops the trial."""
        if self._muted:
            return
        try:
            print(text, flush=True)
        except OSError:
            self._muted = True
            # What Python keeps for standard output would fail again at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if not self._stopping:
                raise Stopped from None

    def run(self, once: bool) -> int:
        """Everything; the exit status."""
        for number in STOPPED_BY:
            signal.signal(number, _raise_stopped)
        clean = done = False
        try:
            try:
                self.prepare()
                self._signals = SelfPipe(STOPPED_BY)
                self.start()
                self.deliver_first_message()
                self.show_state()
                done = True
                if not once:
                    self.stay()
            finally:
                self._stopping = True
                for number in STOPPED_BY:
                    signal.signal(number, _ignore)
                clean = self.stop()
        except Stopped:
            if once and not done:
                print("trial: fatal: stopped before its end", file=sys.stderr)
                return 111
        return 0 if clean else 111

    def prepare(self) -> None:
        """Build, with nothing running yet."""
        instance = self.instance
        if self.session.find_leftover():
            self.say("Stopping what an earlier run left...")
            if self.session.stop():
                raise SetupError("an earlier run left processes that cannot be ended")
        for port in (instance.port, instance.sink_port):
            require_free_port(port)
        self.say(f"Building in {instance.root}...")
        instance.build(os.environ.get("WHEELS"))

    def start(self) -> None:
        """Start svscan, and wait until the SMTP server answers."""
        self.began = tai64n()
        self.say("Starting its services...")
        self.session.start()
        self.until(lambda: all(map(self.listens, SERVERS)), "servers that listen")
        self.say()
        self.say(f"  SMTP:       {TRIAL_ADDRESS} port {self.instance.port}")
        self.say(f"  local:      *@{HOST} goes to {self.instance.maildir}/")
        if self.instance.remote:
            self.say("  elsewhere:  goes out, by DNS: --remote")
        else:
            self.say(f"  elsewhere:  is kept in {self.instance.sink}/")
        self.say(f"  programs:   {self.instance.places.home}/bin/")
        self.say(f"              {self.instance.places.local_bin}/")
        self.say(f"  logs:       {self.instance.places.var_log}/")

    def listens(self, service: str) -> bool:
        """True once tcpserver has said so; a connection would show in the log."""
        return b" tcpserver: status: 0/" in self.log_of(service)

    def deliver_first_message(self) -> None:
        """Send it by SMTP, and show it as it lies in the Maildir."""
        self.say()
        self.say(f"Sending a message to {USER}...")
        token = f"{time.time_ns()}.{os.getpid()}"
        message = MESSAGE.format(host=HOST, to=USER, token=token)
        try:
            with smtplib.SMTP(
                TRIAL_ADDRESS, self.instance.port, "localhost", timeout=30
            ) as client:
                client.sendmail(f"pyqmail@{HOST}", [USER], message)
        except (OSError, smtplib.SMTPException) as error:
            raise SetupError(f"SMTP: {error}") from None
        found: list[Path] = []

        def look() -> bool:
            there = Path(self.instance.maildir, "new").iterdir()
            found.extend(p for p in there if f"<{token}@".encode() in p.read_bytes())
            return bool(found)

        self.until(look, f"the message in {self.instance.maildir}/new")
        self.say(f"Delivered: {found[0]}")
        self.say()
        for line in found[0].read_text(errors="replace").splitlines():
            self.say(f"    {line}".rstrip())

    def show_state(self) -> None:
        """The log lines of the message, and svstat of every service."""
        # Each log has a process of its own, which may be late.
        self.until(
            lambda: (
                b"end msg " in self.log_of("qmail-send")
                and b" tcpserver: end " in self.log_of("qmail-smtpd")
            ),
            "its end in the logs",
        )
        self.say()
        for service in ("qmail-smtpd", "qmail-send"):
            self.say(f"The log of {service}:")
            tai64nlocal = f"{self.instance.places.local_bin}/tai64nlocal"
            text = self.instance.run([tai64nlocal], self.log_of(service))
            for line in text.splitlines():
                self.say(f"    {line}")
        self.say("svstat:")
        for line in self.svstat():
            self.say(f"    {line}")
        self.say()

    def svstat(self) -> list[str]:
        """The line of every service; all must be up."""
        names = [name for one in SERVICES for name in (one, f"{one}/log")]
        svstat = f"{self.instance.places.local_bin}/svstat"
        lines: list[str] = []

        def all_up() -> bool:
            text = self.instance.run([svstat, *names], cwd=self.instance.places.service)
            lines[:] = text.splitlines()
            return all(": up (pid " in line for line in lines)

        self.until(all_up, "all services up")
        return lines

    def log_of(self, service: str) -> bytes:
        """What a service has logged since the start."""
        try:
            log = Path(self.instance.log_of(service), "current").read_bytes()
        except FileNotFoundError:
            return b""
        mine = (line for line in log.splitlines(True) if line[1:25] >= self.began)
        return b"".join(mine)

    def stay(self) -> NoReturn:
        """Until a signal, or until svscan is gone."""
        self.say("It stays until you press Ctrl-C. Meanwhile, in another terminal, try")
        self.say(f"    {self.instance.places.local_bin}/pyqmail status")
        self.say()
        while True:
            self.pause(1.0)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise SetupError(
                    f"not within {PATIENCE_SECONDS:.0f} s: {what}\n{self.end_of_logs()}"
                )
            self.pause(0.05)

    def pause(self, seconds: float) -> None:
        """Wait a moment; here, and only here, a signal is heeded."""
        assert self._signals is not None
        poll = select.poll()
        poll.register(self._signals.fd, select.POLLIN)
        # A terminal that goes away tells only its session's leader, which may be make,
        # and make then waits for us. Errors are reported without being asked for.
        poll.register(1, 0)
        if poll.poll(seconds * 1000):
            raise Stopped
        if not self.session.is_running():
            log = f"{self.instance.places.var_log}/svscan"
            raise SetupError(f"svscan has ended\n...try: cat {log}")

    def end_of_logs(self) -> str:
        """For a failure: the last lines of every log, and where they are."""
        logs = [f"{self.instance.log_of(name)}/current" for name in SERVICES]
        logs = [path for path in logs if os.path.exists(path)]
        done = subprocess.run(
            ["tail", "-n", "5", *logs], capture_output=True, check=False
        )
        return done.stdout.decode(errors="replace").rstrip()

    def stop(self) -> bool:
        """Stop everything; False if something would not go."""
        if self.session.leader == 0:
            return True
        self.say("Stopping its services...")
        survivors = self.session.stop()
        if survivors:
            names = ", ".join(
                f"{processes.name_of(pid)} (pid {pid})" for pid in survivors
            )
            print(f"trial: warning: still there: {names}", file=sys.stderr)
            return False
        self.say("All of them have ended.")
        return True


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _raise_stopped(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped


def require_free_port(port: int) -> None:
    """SetupError, with whoever has the port, if we cannot listen on it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((TRIAL_ADDRESS, port))
            listener.listen()
        except OSError as error:
            holder = processes.listener(port)
            who = f"taken by {holder}" if holder is not None else error.strerror
            raise SetupError(
                f"port {port} of {TRIAL_ADDRESS} is not to be had: {who}\n"
                "...try: another one and the one after it: make run ARGS='--port 2600'"
            ) from None


def only_run(root: str) -> int:
    """The lock of the instance, as a descriptor to keep."""
    fd = os.open(f"{root}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 20).decode() or "?"
        raise SetupError(
            f"the trial in {root} runs already (pid {pid})\n"
            f"...try: look at it, or end it: kill {pid}"
        ) from None
    os.ftruncate(fd, 0)
    os.write(fd, b"%d" % os.getpid())
    return fd


def port_number(text: str) -> int:
    """A port, and room for the one after it."""
    number = int(text)
    if not 1 <= number < 65535:
        raise ValueError(text)
    return number


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make run ARGS=",
        description="a trial instance, for which root is not needed",
    )
    parser.add_argument("--once", action="store_true", help="end when all was shown")
    parser.add_argument(
        "--port",
        type=port_number,
        default=PORT,
        help="for SMTP; the next is the sink's",
    )
    parser.add_argument(
        "--remote",
        action="store_true",
        help="let mail for other hosts out to the world",
    )
    parser.add_argument("--instance", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(argv: list[str]) -> int:
    """``trial [--once] [--port N] [--remote]``."""
    os.umask(0o022)
    try:
        options = parse(argv[1:])
    except SystemExit as end:
        return 100 if end.code else 0
    try:
        if os.geteuid() == 0:
            unprivileged.become_somebody(argv[1:])
        root = options.instance or unprivileged.make_place()
        lock = only_run(root)
        trial = Trial(Instance(root, options.port, options.remote))
        code = trial.run(options.once)
        os.close(lock)
        return code
    except SetupError as error:
        print(f"trial: fatal: {error}", file=sys.stderr)
    except OSError as error:
        what = error.strerror or str(error)
        where = f" {error.filename}" if error.filename else ""
        print(f"trial: fatal: unable to run{where}: {what}", file=sys.stderr)
    return 111


if __name__ == "__main__":
    sys.exit(main(sys.argv))
