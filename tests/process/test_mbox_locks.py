"""One mbox, written by qmail-local and by the deliverers of other packages."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qmail.local.mboxlock import lock_mailbox
from tests.conftest import tool
from tests.process.test_qmail_local import Home
from tests.support.spawners import actor, made_home
from tests.support.until import until

TEXT = b"From: a@b\nSubject: theirs\n\nFrom inside\n"


class Mailbox:
    """The mbox of a user, who is nobody if the tests run as root."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "box"
        self.path.write_bytes(b"")
        self.path.chmod(0o600)
        os.chown(self.path, *actor())
        self.inode = self.path.stat().st_ino

    def waiting(self, kind: str) -> re.Match[str] | None:
        """A process that waits for this kind of lock of the mbox."""
        waits = f"-> {kind} .*:{self.inode} "
        return re.search(waits, Path("/proc/locks").read_text())

    def deliver(self, words: list[str], env: dict[str, str]) -> None:
        """Have the message delivered by that program, as the user."""
        uid, gid = actor()
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if os.geteuid():
            drop = []
        done = subprocess.run(
            [*drop, *words],
            input=TEXT,
            capture_output=True,
            timeout=60,
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), **env},
            check=False,
        )
        assert done.returncode == 0, done.stderr


def by_procmail(box: Mailbox) -> None:
    rules = box.home / "procmailrc"
    rules.write_text(f"DEFAULT={box.path}\n")
    os.chown(rules, *actor())
    words = [tool("procmail", "procmail"), str(rules)]
    box.deliver(words, {"LOGNAME": "nobody"})


def by_dovecot(box: Mailbox) -> None:
    lib = Path(tool("doveadm", "dovecot-core")).parent.parent / "lib/dovecot"
    uid, gid = actor()
    settings = {
        "DOVECONF_ENV": "1",  # they are here, not in a file
        "LD_LIBRARY_PATH": str(lib),
        "USER": "nobody",
        "MAIL_LOCATION": f"mbox:{box.home}/mail:INBOX={box.path}",
        "MAIL_UID": str(uid),
        "MAIL_GID": str(gid),
        "BASE_DIR": str(box.home),
        "STATE_DIR": str(box.home),
        "LOG_PATH": "/dev/stderr",
        "STATS_WRITER_SOCKET_PATH": "",
        "SSL": "no",
    }
    box.deliver([str(lib / "dovecot-lda"), "-f", "a@b"], settings)


OTHERS = {"procmail": by_procmail, "dovecot": by_dovecot}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with made_home() as made:
        yield Mailbox(made.path / "user")


@pytest.mark.parametrize("other", list(OTHERS.values()), ids=list(OTHERS))
def test_other_deliverer_waits_for_our_lock(
    box: Mailbox, other: Callable[[Mailbox], None]
) -> None:
    with open(box.path, "ab") as held, ThreadPoolExecutor(1) as pool:
        lock_mailbox(held.fileno())
        delivery = pool.submit(other, box)
        until(lambda: box.waiting("POSIX") or delivery.done())
        assert not delivery.done()
        assert box.path.read_bytes() == b""
        held.close()  # and the lock ends
        delivery.result()
    assert b"\nSubject: theirs\n" in box.path.read_bytes()


def test_qmail_local_waits_for_the_lock_of_others(
    tmp_path: Path, python: list[str]
) -> None:
    home = Home(tmp_path, python)
    box = Mailbox(home.path)
    with open(box.path, "r+b") as held, ThreadPoolExecutor(1) as pool:
        fcntl.lockf(held, fcntl.LOCK_EX)  # as procmail and Dovecot take it
        delivery = pool.submit(home.deliver, "./box\n")
        until(lambda: box.waiting("OFDLCK") or delivery.done())
        assert not delivery.done()
        assert box.path.read_bytes() == b""
        fcntl.lockf(held, fcntl.LOCK_UN)
        assert delivery.result().stdout == b"did 1+0+0\n"
    assert box.path.read_bytes().startswith(b"From s@t ")
