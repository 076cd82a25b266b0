"""One Maildir, read by qmail-pop3d and by Dovecot's IMAP server at the same time."""

from __future__ import annotations

import imaplib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, cannot_run, tool
from tests.process.test_pop3 import TEXT, make_maildir, names, served

NOBODY = 65534


def imap_server() -> Path:
    """Dovecot's imap; alone, it serves whoever started it."""
    lib = Path(tool("doveadm", "dovecot-core")).parent.parent / "lib/dovecot"
    if not (lib / "imap").exists():
        cannot_run("needs the Debian package dovecot-imapd")
    return lib / "imap"


@contextmanager
def imap(program: Path, home: Path) -> Iterator[imaplib.IMAP4]:
    """A session of Dovecot about the Maildir of ``home``, without a password."""
    env = {
        "DOVECONF_ENV": "1",  # its settings are here, not in a file
        "LD_LIBRARY_PATH": str(program.parent),
        "PATH": "/usr/bin:/bin",
        "USER": "nobody",
        "HOME": str(home),
        "MAIL_LOCATION": f"maildir:{home}/Maildir",
        "MAIL_UID": str(NOBODY),
        "MAIL_GID": str(NOBODY),
        "BASE_DIR": str(home),
        "STATE_DIR": str(home),
        "LOG_PATH": "/dev/stderr",
        "STATS_WRITER_SOCKET_PATH": "",
        "SSL": "no",
    }
    words = ["env", "-i", *(f"{k}={v}" for k, v in env.items()), str(program)]
    # By pipes: on a socket it takes itself for somebody's inetd service.
    session = imaplib.IMAP4_stream(shlex.join(words) + " 2>/dev/null")
    try:
        yield session
    finally:
        session.logout()


@pytest.fixture
def home(as_root: None) -> Iterator[Path]:
    """The home of nobody, whom Dovecot can be; it is never root."""
    path = Path(tempfile.mkdtemp(prefix="pop3-dovecot-"))
    path.chmod(0o755)
    maildir = make_maildir(
        path / "Maildir",
        {"new/1.a": TEXT, "new/2.b": TEXT, "cur/3.c:2,S": TEXT, "new/4.d": TEXT},
    )
    for place in [path, maildir, *maildir.rglob("*")]:
        os.chown(place, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def test_dovecot_and_qmail_pop3d_share_a_maildir(
    home: Path, python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = imap_server()
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    words = [*drop, *python, "qmail-pop3d", "Maildir"]
    maildir = home / "Maildir"
    uidl = [b"1 1.a", b"2 2.b", b"3 3.c", b"4 4.d"]
    with served(words, home) as (pop, _), imap(program, home) as other:
        assert pop.uidl()[1] == uidl
        assert other.select() == ("OK", [b"4"])
        other.store("1", "+FLAGS", r"(\Seen \Flagged)")
        # All that was new is in cur now, and one has flags in its name.
        assert names(maildir) == [
            "cur/1.a:2,FS",
            "cur/2.b:2,",
            "cur/3.c:2,S",
            "cur/4.d:2,",
        ]
        assert b".hello" in pop.retr(1)[1]
        assert b".hello" in pop.retr(4)[1]
        other.store("4", "+FLAGS", r"(\Deleted)")
        other.expunge()
        pop.dele(1)
        pop.dele(4)
        assert pop.quit() == b"+OK "
        assert names(maildir) == ["cur/2.b:2,", "cur/3.c:2,S"]
        other.noop()
        assert other.search(None, "ALL") == ("OK", [b"1 2"])
        # Dovecot's own files are none of the messages, and stay.
        assert (maildir / "dovecot-uidlist").exists()
    with served(words, home) as (pop, _):
        assert pop.uidl()[1] == [b"1 2.b", b"2 3.c"]
        pop.quit()
    assert (maildir / "dovecot-uidlist").exists()
