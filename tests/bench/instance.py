"""A whole server, installed by the guide in a private root, its queue on the real disk.

A private root is a tmpfs, where fsync costs nothing. So /var/qmail, /home and /var/log
of this one lie below build/bench, on the disk of the checkout. Names are not looked up
(-H): there is no DNS in there, and mail is what is to be measured.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import CHECKOUT, ORIGINALS, tool
from tests.guide.server import HOST, GuideServer

PLACE = CHECKOUT / "build/bench"
MESSAGE_BYTES = 4096
USER = "dave"
REMOTE = "remote.example"
SINK_PORT = 2600
CONTROL = "/var/qmail/control"
SMTPD = "/var/qmail/supervise/qmail-smtpd/run"


class Instance:
    """The server at work, and what the mail benches ask of it."""

    def __init__(self) -> None:
        PLACE.mkdir(parents=True, exist_ok=True)
        self._disk = tempfile.mkdtemp(dir=PLACE)
        os.chmod(self._disk, 0o755)
        self.server = GuideServer()
        self.run = self.server.run
        try:
            self._install()
        except BaseException:
            self.close()
            raise

    def _install(self) -> None:
        server = self.server
        for place in ("/var/qmail", "/home", "/var/log"):
            disk = self._disk + place
            server.run(
                f"mkdir -p {disk} {place} && chmod 755 {disk}"
                f" && mount --bind {disk} {place}"
            )
        server.unpack()
        server.create_users()
        server.setup()
        server.configure()
        server.start_qmail()
        server.finish()
        server.add_user(USER)
        server.run(f"sed -i 's/tcpserver -v -R/tcpserver -v -H -R/' {SMTPD}")
        server.run(f"echo 40 > {CONTROL}/concurrencyincoming")
        server.run(f"echo 20 > {CONTROL}/concurrencylocal")
        # The slash, without which the guide's line names an mbox.
        server.run(f"echo ./Maildir/ > {CONTROL}/defaultdelivery")
        server.run(f"echo {REMOTE}:127.0.0.1:{SINK_PORT} > {CONTROL}/smtproutes")
        server.run("qmailctl stop; qmailctl start")
        server.wait_up()
        server.wait_port()

    def close(self) -> None:
        """End it and remove its disk."""
        self.server.close()
        shutil.rmtree(self._disk)

    def postfix(self, name: str) -> str:
        """The command for a test program of Postfix."""
        libraries = f"{os.path.realpath(ORIGINALS)}/usr/lib/postfix"
        program = os.path.realpath(tool(name, "postfix"))
        return f"env LD_LIBRARY_PATH={libraries} {program}"

    def smtp_source(
        self, messages: int, sessions: int, keep: bool = False, to: str = USER
    ) -> float:
        """Send mail by SMTP, in as many sessions at once; accepted messages a second.

        A session takes one message, or with ``keep`` as many as there are.
        """
        address = to if "@" in to else f"{to}@{HOST}"
        began = time.monotonic()
        self.run(
            f"{self.postfix('smtp-source')} {'-d' if keep else ''} -s {sessions}"
            f" -m {messages} -l {MESSAGE_BYTES} -M {HOST} -f ann@example.org"
            f" -t {address} 127.0.0.1:25",
            seconds=120,
        )
        return messages / (time.monotonic() - began)

    def stop_delivery(self) -> None:
        """Let the queue grow: qmail-send is down, the queue server is not."""
        self.run("svc -d /service/qmail-send")
        self.server.until(
            lambda: self.server.pid_of("qmail-send") == 0, "qmail-send down"
        )

    def mail(self) -> str:
        """The directory of delivered mail, as this side of the private root sees it."""
        return f"{self._disk}/home/{USER}/Maildir/new"

    def queued(self) -> int:
        """How many messages are in the queue."""
        mess = f"{self._disk}/var/qmail/queue/mess"
        return sum(len(os.listdir(f"{mess}/{part}")) for part in os.listdir(mess))

    def drain(self) -> float:
        """Start deliveries, wait until the queue is empty; messages a second."""
        messages = self.queued()
        self.run("svc -u /service/qmail-send")
        began = time.monotonic()
        while self.queued():
            if time.monotonic() - began > 120:
                raise AssertionError(f"not delivered\n{self.server.logs()}")
            time.sleep(0.02)
        rate = messages / (time.monotonic() - began)
        for name in os.listdir(self.mail()):
            os.unlink(f"{self.mail()}/{name}")
        return rate


@contextmanager
def instance() -> Iterator[Instance]:
    """A server for one bench."""
    made = Instance()
    try:
        yield made
    finally:
        made.close()
