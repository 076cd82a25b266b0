"""``make run``: the trial instance from a clean copy of the sources, and after it."""

from __future__ import annotations

import os
import pty
import random
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, cannot_run
from tests.guide.server import WHEELS, fill_wheels
from tests.support.until import until

pytestmark = pytest.mark.timeout(900)
NOBODY = 65534
STAYS = b"It stays until you press Ctrl-C."


def free_port() -> int:
    """A port that is free, and whose next one is, too; none that clients are given."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Copy:
    """A copy of the sources that belongs to ``owner``; make run is started in it."""

    def __init__(self, owner: int, caller: int) -> None:
        fill_wheels()
        self.caller = caller
        self.path = Path(tempfile.mkdtemp(prefix="pyqmail-copy-"))
        self.port = free_port()
        command = (
            "git -c safe.directory='*' ls-files -z -co --exclude-standard"
            " | tar c --null --ignore-failed-read -T - 2>/dev/null"
            f" | tar x -C {self.path}"
        )
        subprocess.run(command, shell=True, cwd=CHECKOUT, check=True)
        self.path.chmod(0o755)
        if owner != os.geteuid():
            for directory, names, files in os.walk(self.path):
                for name in (".", *names, *files):
                    os.chown(f"{directory}/{name}", owner, owner)

    @property
    def instance(self) -> Path:
        """Where the instance is built: nobody's own directory for one that is root."""
        as_nobody = self.caller == 0 and self.path.stat().st_uid == 0
        return self.path / ("build/trial-nobody" if as_nobody else "build/trial")

    def command(self, *arguments: str) -> list[str]:
        """make run, as it is typed."""
        words = " ".join((f"--port {self.port}", *arguments))
        return ["make", "--no-print-directory", "run", f"ARGS={words}"]

    def environment(self) -> dict[str, str]:
        """That of a newcomer, with the libraries at hand."""
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"PATH": path, "WHEELS": str(WHEELS), "HOME": "/nonexistent"}

    def once(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """make run ARGS=--once, to its end."""
        change = {} if self.caller == os.geteuid() else as_user(self.caller)
        return subprocess.run(
            self.command("--once", *arguments),
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            user=change.get("user"),
            group=change.get("group"),
            extra_groups=[] if change else None,
        )

    def leftovers(self) -> list[str]:
        """Every process with a file or a command line below the copy, the sockets
        there, and who listens on the ports."""
        found = [f"process {pid}" for pid in processes_below(self.path)]
        found += [str(p) for p in self.path.rglob("*") if p.is_socket()]
        for port in (self.port, self.port + 1):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    found.append(f"port {port}")
        return found

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self.path)


def as_user(uid: int) -> dict[str, int]:
    """What subprocess needs to become somebody."""
    return {"user": uid, "group": uid}


def processes_below(path: Path) -> list[int]:
    """The processes that work in a directory, or name it in their command line."""
    found = []
    needle = os.fsencode(path)
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            places = [os.readlink(f"/proc/{name}/cwd")]
            places += [os.readlink(p) for p in Path(f"/proc/{name}/fd").iterdir()]
        except OSError:
            continue
        if needle in words or any(p.startswith(f"{path}/") for p in places):
            found.append(int(name))
    return found


class Terminal:
    """make run on a terminal of its own, as somebody who sits at it has it."""

    def __init__(self, copy: Copy, *arguments: str) -> None:
        self.output = b""
        command = copy.command(*arguments)
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(copy.path)
                if copy.caller != os.geteuid():
                    os.setgroups([])
                    os.setgid(copy.caller)
                    os.setuid(copy.caller)
                os.execvpe(command[0], command, copy.environment())
            finally:
                os._exit(126)

    def wait_for(self, text: bytes, seconds: float = 300.0) -> None:
        """Read until the text is there."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < deadline, self.output.decode()
            assert self._read(), self.output.decode()

    def _read(self) -> bool:
        try:
            block = os.read(self._fd, 65536)
        except OSError:
            return False
        self.output += block
        return bool(block)

    def press_ctrl_c(self) -> None:
        """As the terminal sends it: to make and all that it runs."""
        os.write(self._fd, b"\x03")

    def hang_up(self) -> int:
        """Close the window."""
        os.close(self._fd)
        return os.waitpid(self.pid, 0)[1]

    def end(self) -> int:
        """Read to the end; the raw status of make."""
        while self._read():
            pass
        os.close(self._fd)
        return os.waitpid(self.pid, 0)[1]

    def trial(self, copy: Copy) -> int:
        """The pid of the trial itself, as it has written it down."""
        return int((copy.instance / "lock").read_text())


def send(port: int, recipient: str) -> None:
    """A message by SMTP."""
    with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=100) as client:
        client.sendmail("ann@example.org", [recipient], "Subject: hi\r\n\r\n.dot\r\n")


@pytest.fixture(scope="module")
def users() -> Iterator[Copy]:
    """A clone of a user's, who is not root."""
    uid = os.geteuid() or NOBODY
    copy = Copy(uid, uid)
    yield copy
    copy.remove()


@pytest.fixture(scope="module")
def roots() -> Iterator[Copy]:
    """A clone that root has made and runs."""
    if os.geteuid() != 0:
        cannot_run("needs root")
    copy = Copy(0, 0)
    yield copy
    copy.remove()


def check_once(copy: Copy) -> None:
    """One whole run, and nothing left of it."""
    done = copy.once()
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    assert f"127.0.0.1 port {copy.port}" in out
    assert "    Delivered-To: you@trial.example\n" in out
    assert "    Subject: Your first message\n" in out
    date = r"    20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} "
    assert re.search(
        date + r"info msg \d+: bytes \d+ from <pyqmail@trial.example>", out
    )
    assert re.search(date + r"delivery \d+: success: did_1\+0\+0/", out)
    assert re.search(date + r"end msg \d+\n", out)
    assert re.search(date + r"tcpserver: ok \d+ ", out)
    services = ("qmail-queued", "qmail-send", "qmail-smtpd", "trial-sink")
    for service in services:
        for name in (service, f"{service}/log"):
            assert re.search(rf"    {name}: up \(pid \d+\) \d+ seconds", out)
    assert copy.leftovers() == []
    assert copy.instance.stat().st_mode & 0o777 == 0o700
    assert copy.instance.stat().st_uid != 0


def test_run_once_of_a_user_shows_everything_and_leaves_nothing(users: Copy) -> None:
    check_once(users)


def test_run_once_of_root_shows_everything_and_leaves_nothing(roots: Copy) -> None:
    check_once(roots)
    below = [roots.instance, *roots.instance.rglob("*")]
    assert {path.lstat().st_uid for path in below} == {NOBODY}


def test_run_once_of_root_in_a_users_clone_runs_as_the_user(users: Copy) -> None:
    if os.geteuid() != 0:
        cannot_run("needs root")
    users.caller = 0
    try:
        check_once(users)
    finally:
        users.caller = NOBODY
    below = [users.instance, *users.instance.rglob("*")]
    assert {path.lstat().st_uid for path in below} == {NOBODY}


def test_ctrl_c_stops_everything_and_a_second_start_works(users: Copy) -> None:
    for _ in range(2):
        terminal = Terminal(users)
        terminal.wait_for(STAYS)
        assert processes_below(users.path)
        terminal.press_ctrl_c()
        terminal.end()
        assert terminal.output.rstrip().endswith(b"All of them have ended.")
        assert users.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_trial_alone_ends_it_with_success(
    users: Copy, number: signal.Signals
) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    os.kill(terminal.trial(users), number)
    assert terminal.end() == 0
    assert users.leftovers() == []


def test_terminal_that_goes_away_ends_it(users: Copy) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    terminal.hang_up()
    until(lambda: users.leftovers() == [], 100, "an end of everything")


def test_open_smtp_session_does_not_outlive_the_trial(users: Copy) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    with socket.create_connection(("127.0.0.1", users.port), 60) as client:
        assert client.recv(512).startswith(b"220 ")
        terminal.press_ctrl_c()
        terminal.end()
        assert users.leftovers() == []


def test_killed_trial_is_tidied_up_by_the_next(users: Copy) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    os.kill(terminal.trial(users), signal.SIGKILL)
    assert terminal.end() != 0
    assert users.leftovers() != []
    done = users.once()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stopping what an earlier run left..." in done.stdout
    assert users.leftovers() == []


def test_mail_stays_inside_the_instance(users: Copy) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    try:
        new = users.instance / "home/Maildir/new"
        sink = users.instance / "var/qmail/sink"
        for recipient in ("root@trial.example", "joe@remote.example"):
            send(users.port, recipient)
        until(
            lambda: any(b"To: root@" in p.read_bytes() for p in new.iterdir()),
            what="root's mail in the Maildir",
        )
        until(lambda: list(sink.glob("[0-9]*")), what="remote mail in the sink")
        (kept,) = sink.glob("[0-9]*")
        text = kept.read_text()
        assert text.startswith("X-Envelope-Sender: <ann@example.org>\n")
        assert "X-Envelope-Recipients: <joe@remote.example>\n" in text
        assert text.endswith("\n\n.dot\n")
        status = subprocess.run(
            [users.instance / "usr/local/bin/pyqmail", "status"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert status.returncode == 0, status.stdout + status.stderr
        assert re.search(r"\ntrial-sink +up +\d+ +\w.* up\b", status.stdout)
    finally:
        terminal.press_ctrl_c()
        terminal.end()
    assert users.leftovers() == []


def test_second_trial_in_the_same_place_is_refused(users: Copy) -> None:
    terminal = Terminal(users)
    terminal.wait_for(STAYS)
    try:
        done = users.once()
        assert done.returncode != 0
        assert f"runs already (pid {terminal.trial(users)})" in done.stderr
    finally:
        terminal.press_ctrl_c()
        terminal.end()


def test_taken_port_is_named_with_its_holder(users: Copy) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", users.port))
        holder.listen()
        done = users.once()
    assert done.returncode != 0
    assert f"port {users.port} of 127.0.0.1 is not to be had: taken by " in done.stderr
    assert "--port" in done.stderr
    assert users.leftovers() == []


def test_control_files_of_the_operator_are_kept(users: Copy) -> None:
    assert users.once().returncode == 0
    control = users.instance / "var/qmail/control/concurrencyincoming"
    control.write_text("7\n")
    done = users.once()
    assert "tcpserver: status: 0/7\n" in done.stdout
    control.write_text("20\n")


def test_clone_where_nobody_may_look_is_run_from_elsewhere() -> None:
    if os.geteuid() != 0:
        cannot_run("needs root")
    copy = Copy(0, 0)
    try:
        copy.path.chmod(0o700)
        done = copy.once()
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(
            r"Building in (/var/tmp/pyqmail-trial-\S+)\.\.\.", done.stdout
        )
        assert found is not None
        assert processes_below(Path(found[1])) == []
        shutil.rmtree(found[1])
    finally:
        copy.remove()
