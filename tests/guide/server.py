"""A server that was installed by following the guide, in a private root."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

from pytools.base.tai import tai64n
from tests.conftest import CHECKOUT, ORIGINALS, cannot_run
from tests.guide.private_root import PrivateRoot
from tests.support.until import until

HOST = "foobar.example.com"
SOURCE = "/usr/local/src/netqmail-1.06"
GUIDE = CHECKOUT.parent / "shared/guide"
TEMPLATES = CHECKOUT / "service-templates"
WHEELS = CHECKOUT / "build/wheels"

CLONE_NEWNET = 0x40000000

TAKEN = (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP)
"""What qmail-send catches, but for SIGCHLD."""
SERVICES = ("qmail-send", "qmail-send/log", "qmail-smtpd", "qmail-smtpd/log")


def guide_script(name: str) -> bytes:
    """A script of the guide, byte for byte; ours where the guide is not at hand."""
    if GUIDE.is_dir():
        place = GUIDE / name if "/" not in name else GUIDE / "supervise" / name
    else:
        place = TEMPLATES / name
    return place.read_bytes()


def user_commands() -> str:
    """The Linux lines of INSTALL.ids, as an operator would leave them in IDS."""
    text = (CHECKOUT / "INSTALL.ids").read_text()
    block = text.split("Linux (shadow-utils")[1].split("Linux (BusyBox")[0]
    return "\n".join(re.findall(r"^ +(\S.*)$", block, re.MULTILINE)) + "\n"


def fill_wheels() -> None:
    """Have the libraries at hand before the network goes."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    with open(WHEELS / "lock", "w") as lock:
        # Another part of the tests may run beside this one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (WHEELS / "complete").exists():
            _download_wheels()


def _download_wheels() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "-d", str(WHEELS)]
        + ["--disable-pip-version-check", "click", "dnspython", "cdbx", "setproctitle"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        cannot_run(f"cannot download the libraries: {done.stderr.strip()[-200:]}")
    (WHEELS / "complete").touch()


class GuideServer:
    """The steps of the guide, one method each; ``root`` is where they happen."""

    def __init__(self) -> None:
        fill_wheels()
        self.root = PrivateRoot(HOST, binds())
        self.run = self.root.run
        self.read = self.root.read
        self.test_began = b""

    def close(self) -> None:
        """Forget it all."""
        self.root.close()

    def unpack(self) -> None:
        """The source where the guide has it: what is tracked, not what was built."""
        self.run(f"mkdir -p {SOURCE} /var/qmail")
        self.run(
            f"cd {CHECKOUT} && git -c safe.directory='*' ls-files -z --cached --others"
            f" --exclude-standard | tar c --null --ignore-failed-read -T - 2>/dev/null"
            f" | tar x -C {SOURCE}"
        )

    def create_users(self) -> None:
        """INSTALL.ids, edited as the guide says."""
        self.root.write(f"{SOURCE}/IDS", user_commands())
        self.run(f"cd {SOURCE} && chmod 700 IDS && sh ./IDS")

    def setup(self) -> subprocess.CompletedProcess[str]:
        """make setup check."""
        command = f"cd {SOURCE} && umask 022 && make --no-print-directory setup check"
        return self.run(command, env={"WHEELS": str(WHEELS)}, seconds=300)

    def configure(self) -> None:
        """config-fast, and daemontools' install."""
        self.run(f"cd {SOURCE} && ./config-fast {HOST}")
        self.run(f"cd {SOURCE} && package/install")
        self.wait_up("qmail-queued", "qmail-queued/log")

    def script(self, path: str, name: str) -> None:
        """Create a script of the guide with an editor."""
        self.root.write(path, guide_script(name))

    def start_qmail(self) -> None:
        """From "Start Qmail" to the run files."""
        home = "/var/qmail"
        self.script(f"{home}/rc", "rc")
        self.run("chmod 755 /var/qmail/rc && mkdir /var/log/qmail")
        self.run("echo ./Maildir > /var/qmail/control/defaultdelivery")
        self.script(f"{home}/bin/qmailctl", "qmailctl")
        self.run("chmod 755 /var/qmail/bin/qmailctl")
        self.run("ln -s /var/qmail/bin/qmailctl /usr/bin")
        for service in ("qmail-send", "qmail-smtpd"):
            self.run(f"mkdir -p {home}/supervise/{service}/log")
            for run in ("run", "log/run"):
                path = f"{home}/supervise/{service}/{run}"
                self.script(path, f"{service}/{run}")
                self.run(f"chmod 755 {path}")
        self.run(f"echo 20 > {home}/control/concurrencyincoming")
        self.run(f"chmod 644 {home}/control/concurrencyincoming")
        self.run("mkdir -p /var/log/qmail/smtpd")
        self.run("chown qmaill /var/log/qmail /var/log/qmail/smtpd")
        self.run(
            f"ln -s {home}/supervise/qmail-send {home}/supervise/qmail-smtpd /service"
        )

    def finish(self) -> None:
        """Rules, aliases, and the user dave."""
        self.run("""echo '127.:allow,RELAYCLIENT=""' >>/etc/tcp.smtp && qmailctl cdb""")
        alias = "/var/qmail/alias"
        self.run(
            f"echo dave > {alias}/.qmail-root; echo dave > {alias}/.qmail-postmaster"
        )
        self.run(f"ln -s .qmail-postmaster {alias}/.qmail-mailer-daemon")
        self.run(f"ln -s .qmail-postmaster {alias}/.qmail-abuse")
        self.run(f"chmod 644 {alias}/.qmail-root {alias}/.qmail-postmaster")
        self.run("qmailctl start")

    def add_user(self, name: str, maildir: bool = True) -> None:
        """A user of the machine, with the Maildir that the guide leaves to him."""
        self.run(f"useradd -m -s /bin/sh {name}")
        if maildir:
            self.run(f"su {name} -c '/var/qmail/bin/maildirmake ~/Maildir'")

    def default_delivery(self, line: str) -> None:
        """Change control/defaultdelivery and restart qmail-send, as one does."""
        self.run(f"echo '{line}' > /var/qmail/control/defaultdelivery")
        self.restart("qmail-send")

    def until(
        self, condition: Callable[[], object], what: str, seconds: float = 60.0
    ) -> None:
        """Wait for a condition; on failure show the logs."""
        try:
            until(condition, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def logs(self) -> str:
        """The end of every log, and of what svscan has to say."""
        return self.run(
            "tail -n 40 /var/log/qmail/current /var/log/qmail/smtpd/current"
            " /var/log/qmail-queued/current; svstat /service/* /service/*/log;"
            " ps axo pid,user,args | grep -v ' -ISc' | tail -n 60; qmail-qread",
            check=False,
            env={"PATH": "/var/qmail/bin:/usr/local/bin:/usr/bin:/bin"},
        ).stdout

    def log(self, service: str = "") -> str:
        """What a service logged since this test began (default: qmail-send)."""
        directory = f"/var/log/qmail/{service}".rstrip("/")
        text = self.run(f"cat {directory}/@* {directory}/current", check=False).stdout
        lines = text.splitlines(keepends=True)
        began = "@" + self.test_began.decode()
        return "".join(line.partition(" ")[2] for line in lines if line[:25] >= began)

    def logged(self, pattern: str, service: str = "") -> re.Match[str]:
        """Wait until a service's log has a line that matches; its first match.

        What a program did is seen before its multilog has written the line of it.
        """
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            found.extend(re.finditer(pattern, self.log(service), re.MULTILINE))
            return bool(found)

        self.until(is_there, f"{pattern} in the log")
        return found[0]

    def has_written_logs(self) -> bool:
        """Nothing that qmail-send and qmail-smtpd said is still on its way to a log."""
        return all(self._log_pipe_is_empty(name) for name in SERVICES[1::2])

    def _log_pipe_is_empty(self, service: str) -> bool:
        descriptor = self.path(f"/proc/{self.pid_of(service)}/fd/0")
        fd = os.open(descriptor, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            size = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
        finally:
            os.close(fd)
        return struct.unpack("i", size) == (0,)

    def pid_of(self, service: str) -> int:
        """The pid that svstat shows, 0 if the service is down."""
        text = self.run(f"svstat /service/{service}", check=False).stdout
        found = re.search(r"\(pid (\d+)\)", text)
        return int(found[1]) if found else 0

    def signals(self, service: str, field: str) -> set[int]:
        """The signals of that field of /proc/PID/status, as SigCgt or ShdPnd."""
        path = f"/proc/{self.pid_of(service)}/status"
        status = self.run(f"cat {path}", check=False).stdout
        found = re.search(rf"^{field}:\s*([0-9a-f]+)", status, re.MULTILINE)
        mask = int(found[1], 16) if found else 0
        return {number for number in range(1, 65) if mask >> number - 1 & 1}

    def hears(self, service: str, *numbers: signal.Signals) -> bool:
        """True once a service has its handlers of signals, which may end it before."""
        return self.signals(service, "SigCgt") >= set(numbers)

    def wait_up(self, *services: str) -> None:
        """Wait until these services are up (default: all of the guide's).

        qmail-send is, when it takes its signals as qmail-send(8) says.
        """
        for service in services or SERVICES:
            self.until(lambda s=service: self.pid_of(s), f"{service} up")  # type: ignore[misc]
            if service == "qmail-send":
                self.until(lambda: self.hears("qmail-send", *TAKEN), "its handlers")

    def wait_down(self, *services: str) -> None:
        """Wait until these services are down (default: all of the guide's)."""
        for service in services or SERVICES:
            self.until(lambda s=service: not self.pid_of(s), f"{service} down")  # type: ignore[misc]

    @contextlib.contextmanager
    def restarted(self, *services: str) -> Iterator[None]:
        """After the block, wait until these are up again (default: all of the guide's).

        What svc sends is done later: an old process may still be there, and answer.
        """
        services = services or SERVICES
        before = {service: self.pid_of(service) for service in services}
        yield
        for service, pid in before.items():
            self.until(
                lambda s=service, p=pid: self.pid_of(s) not in (0, p),  # type: ignore[misc]
                f"new {service}",
            )
            self.wait_up(service)

    def wait_obeyed(self, service: str) -> None:
        """Wait until supervise has done all that svc sent it before.

        It does one after the other, so here are two that change what it says it wants.
        What the service got of signals it has taken then, too.
        """
        for letter, want in (("o", b"\0"), ("u", b"u")):
            self.run(f"svc -{letter} /service/{service}")
            status = self.path(f"/var/qmail/supervise/{service}/supervise/status")
            self.until(
                lambda s=status, w=want: s.read_bytes()[17:] == w,  # type: ignore[misc]
                f"svc -{letter} {service}",
            )
        self.until(lambda: not self.signals(service, "ShdPnd"), "no signal pending")

    def wait_port(self, port: int = 25) -> None:
        """Wait until something accepts on a port of the loopback interface."""
        probe = (
            f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 2);"
            " s.recv(100); s.close()"
        )
        self.until(
            lambda: (
                self.run(f'/usr/bin/python3 -c "{probe}"', check=False).returncode == 0
            ),
            f"port {port}",
        )

    def path(self, name: str) -> Path:
        """A path inside, as seen from here; no link on the way may be absolute."""
        return Path(f"/proc/{self.root.pid}/root{name}")

    def connect(self, port: int = 25, host: str = "127.0.0.1") -> socket.socket:
        """A connection made in the private network, to be used from here."""
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/proc/{self.root.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A network belongs to a thread, and a socket to the network it began in.
            if libc.setns(inside, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                return socket.create_connection((host, port), 30)
            finally:
                assert libc.setns(own, CLONE_NEWNET) == 0
        finally:
            os.close(own)
            os.close(inside)

    @contextlib.contextmanager
    def changed(self, path: str, text: str | bytes | None) -> Iterator[None]:
        """Have a file with that text, or (None) not have it, while the block runs."""
        saved = "/tmp/saved" + path.replace("/", "-")
        self.run(f"rm -rf {saved}; test ! -e {path} || mv {path} {saved}")
        try:
            if text is not None:
                self.root.write(path, text)
                self.run(
                    f"test ! -e {saved} || {{ chmod --reference={saved} {path}; "
                    f"chown --reference={saved} {path}; }}"
                )
            yield
        finally:
            self.run(f"rm -rf {path}; test ! -e {saved} || mv {saved} {path}")

    @contextlib.contextmanager
    def user(self, name: str) -> Iterator[str]:
        """A user of the machine while the block runs; his home."""
        self.add_user(name)
        try:
            yield f"/home/{name}"
        finally:
            self.until(self.queue_is_empty, f"{name}'s mail gone")
            # Not while a process of his is there, if only as a zombie.
            remove = f"userdel -r {name}; rm -rf /home/{name}; ! id -u {name}"
            self.until(
                lambda: self.run(remove, check=False).returncode == 0, f"{name} gone"
            )

    def sessions(self) -> int:
        """How many connections tcpserver serves, by the last it said of that."""
        found = re.findall(
            r"^tcpserver: status: (\d+)/", self.log("smtpd"), re.MULTILINE
        )
        return int(found[-1]) if found else 0

    def restart(self, service: str) -> None:
        """Restart a service and wait until it is up again."""
        with self.restarted(service):
            self.run(f"svc -t /service/{service}")

    def new_messages(self, maildir: str = "/home/dave/Maildir") -> list[str]:
        """The names in new/ of a Maildir."""
        return self.run(f"ls {maildir}/new 2>/dev/null", check=False).stdout.split()

    def queue_is_empty(self) -> bool:
        """True when qmail-qstat says so."""
        text = self.run("/var/qmail/bin/qmail-qstat").stdout
        return [line.rpartition(" ")[2] for line in text.splitlines()] == ["0", "0"]

    def python(
        self, code: str, *args: str, check: bool = True, seconds: float = 120
    ) -> str:
        """Run a piece of Python inside; its output."""
        self.root.write("/tmp/piece.py", code)
        done = self.run(
            f"/usr/bin/python3 /tmp/piece.py {' '.join(args)}",
            check=check,
            seconds=seconds,
        )
        return done.stdout


def binds() -> list[str]:
    """What a private root shares with the machine: the checkout, and the originals."""
    originals = os.path.realpath(ORIGINALS)
    inside = Path(originals).is_relative_to(CHECKOUT)
    return [str(CHECKOUT)] + [originals] * (os.path.isdir(originals) and not inside)


def now() -> bytes:
    """The label that a log line written now would have."""
    return tai64n()


def installed() -> GuideServer:
    """A server after the guide's last step."""
    server = GuideServer()
    try:
        server.unpack()
        server.create_users()
        done = server.setup()
        assert "instcheck" not in done.stdout + done.stderr, done.stdout + done.stderr
        server.configure()
        server.start_qmail()
        server.finish()
        server.wait_up()
        server.wait_port()
        server.add_user("dave")
    except BaseException:
        server.close()
        raise
    return server


def tracked(path: Path) -> bool:
    """True if a path belongs to the source, not to what was built from it."""
    return not {"build", ".venv", ".git"} & set(path.parts)
