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
        server.run("echo 40 > /var/qmail/control/concurrencyincoming")
        server.run("echo 20 > /var/qmail/control/concurrencylocal")
        server.run("qmailctl stop; qmailctl start")
        server.wait_up()
        server.wait_port()

    def close(self) -> None:
        """End it and remove its disk."""
        self.server.close()
        shutil.rmtree(self._disk)

    def smtp_source(
        self, messages: int, sessions: int, a_session: int = 1, hold: bool = False
    ) -> float:
        """Send mail to the user; accepted messages a second."""
        again = "-d" if a_session > 1 else ""
        command = (
            f"LD_LIBRARY_PATH={ORIGINALS}/usr/lib/postfix {tool('smtp-source', 'postfix')}"
            f" {again} -s {sessions} -m {messages} -l {MESSAGE_BYTES} -M {HOST}"
            f" -f ann@example.org -t {USER}@{HOST} 127.0.0.1:25"
        )
        began = time.monotonic()
        self.run(command, seconds=120)
        return messages / (time.monotonic() - began)

    def stop_delivery(self) -> None:
        """Let the queue grow: qmail-send is down, the queue server is not."""
        self.run("svc -d /service/qmail-send")
        self.server.until(
            lambda: self.server.pid_of("qmail-send") == 0, "qmail-send down"
        )

    def start_delivery(self) -> None:
        """Let qmail-send work again."""
        self.run("svc -u /service/qmail-send")

    def mail(self) -> str:
        """The directory of delivered mail, as this side of the private root sees it."""
        return f"{self._disk}/home/{USER}/Maildir/new"

    def queued(self) -> int:
        """How many messages are in the queue."""
        mess = f"{self._disk}/var/qmail/queue/mess"
        return sum(len(os.listdir(f"{mess}/{part}")) for part in os.listdir(mess))

    def empty(self) -> None:
        """Wait until all is delivered, and take it away."""
        self.server.until(lambda: self.queued() == 0, "an empty queue", 120)
        for name in os.listdir(self.mail()):
            os.unlink(f"{self.mail()}/{name}")


@contextmanager
def instance() -> Iterator[Instance]:
    """The one server of this run of benches."""
    if not _running:
        _running.append(Instance())
    yield _running[0]


def close() -> None:
    """End it, if there is one."""
    while _running:
        _running.pop().close()


_running: list[Instance] = []
