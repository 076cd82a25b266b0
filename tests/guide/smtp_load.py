"""SMTP from the test's own process: one session by hand, or a load of numbered messages.

Postfix's smtp-source sends the same message again and again; here each has a number, so
that a test can say which one was lost and which came twice.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Self

from tests.guide.server import HOST, GuideServer

NUMBER = b"X-Number: "


class Talk:
    """One SMTP session; replies are read one at a time."""

    def __init__(
        self, server: GuideServer, port: int = 25, seconds: float = 60
    ) -> None:
        self.socket = server.connect(port)
        self.socket.settimeout(seconds)
        self._stream = self.socket.makefile("rb")

    def reply(self) -> str:
        """The next reply, its lines joined; "" at the end of the session."""
        lines = []
        while line := self._stream.readline():
            lines.append(line.decode("ascii", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        """Send a command line; its reply."""
        data = line.encode() if isinstance(line, str) else line
        self.socket.sendall(data + b"\r\n")
        return self.reply()

    def begin(self, *recipients: str, sender: str = "ann@example.org") -> None:
        """From the greeting to the reply of DATA."""
        assert self.reply().startswith("220 ")
        assert self.say("HELO client.example").startswith("250 ")
        assert self.say(f"MAIL FROM:<{sender}>") == "250 ok"
        for recipient in recipients:
            assert self.say(f"RCPT TO:<{recipient}>") == "250 ok"
        assert self.say("DATA").startswith("354 ")

    def is_over(self) -> bool:
        """True when the server hangs up (in time) with nothing more to say."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self.socket.close()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def send_one(server: GuideServer, *recipients: str, header: str = "") -> str:
    """A whole session with one message; the reply to its end."""
    with Talk(server) as talk:
        talk.begin(*(recipients or (f"dave@{HOST}",)))
        reply = talk.say(f"Subject: one\r\n{header}\r\nbody line\r\n.")
        assert talk.say("QUIT").startswith("221 ")
        assert talk.is_over()
    return reply


class Load:
    """Numbered messages, many sessions at once, each sent until it is accepted.

    ``given`` are the numbers begun, ``accepted`` those that got a 250. ``unsure`` are
    those whose session was lost between the final dot and the reply: they were sent
    again, so may come twice. At the end of a with statement it stops.
    """

    def __init__(
        self,
        server: GuideServer,
        count: int,
        *,
        sessions: int = 20,
        recipient: str = f"dave@{HOST}",
        a_second: float = 0.0,
    ) -> None:
        self.given: set[int] = set()
        self.accepted: set[int] = set()
        self.unsure: set[int] = set()
        self.troubles: list[str] = []
        self._server = server
        self._recipient = recipient
        self._waiting = list(range(count, 0, -1))
        self._began = time.monotonic()
        self._a_second = a_second
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(sessions)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until all are sent."""
        for thread in self._threads:
            thread.join(200)
        assert not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Begin no more messages; wait until those begun are sent."""
        with self._lock:
            self._waiting.clear()
        self.wait()

    @property
    def is_running(self) -> bool:
        """True while messages are left to send."""
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (number := self._next()) is not None:
            deadline = time.monotonic() + 90
            while number not in self.accepted and time.monotonic() < deadline:
                self._try(number)

    def _next(self) -> int | None:
        with self._lock:
            if not self._waiting:
                return None
            number = self._waiting.pop()
            self.given.add(number)
        if self._a_second:
            pause = self._began + number / self._a_second - time.monotonic()
            time.sleep(max(pause, 0.0))
        return number

    def _try(self, number: int) -> None:
        is_sent = False
        try:
            with Talk(self._server) as talk:
                talk.begin(self._recipient, sender=f"number-{number}@example.org")
                body = b"\r\n\r\n" + b"a line of the body\r\n" * 50 + b"."
                is_sent = True
                reply = talk.say(NUMBER + b"%d" % number + body)
                if not reply.startswith("250 "):
                    raise AssertionError(reply or "the session was lost")
                self.accepted.add(number)
                talk.say("QUIT")
        except (AssertionError, OSError) as error:
            self.troubles.append(f"{number}: {error!r}")
            if is_sent and number not in self.accepted:
                self.unsure.add(number)
            time.sleep(0.05)


def arrived(server: GuideServer, maildir: str = "/home/dave/Maildir") -> Copies:
    """When which number arrived: the times of change of its copies, sorted."""
    found: Copies = defaultdict(list)
    new = server.path(f"{maildir}/new")
    for path in new.iterdir():
        number = number_of(path)
        if number:
            found[number].append(path.stat().st_ctime)
    for times in found.values():
        times.sort()
    return found


def number_of(path: Path) -> int:
    """The number of a message, 0 if it has none."""
    with path.open("rb") as file:
        head = file.read(4096)
    tail = head.partition(NUMBER)[2]
    return int(tail.split()[0]) if tail else 0


Copies = defaultdict[int, list[float]]
