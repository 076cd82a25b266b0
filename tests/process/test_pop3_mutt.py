"""A client with a screen: mutt reads a Maildir by POP3, and removes from it."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, ORIGINALS, tool
from tests.process.test_pop3 import TEXT, make_maildir, names

ANY_PASSWORD = "tr '\\000' ' ' <&3 >&4; exec 3<&-; exec \"$@\" 4>&-"
"""Takes every password, and notes it on descriptor 4."""
MUTTRC = """
set ssl_starttls=no ssl_force_tls=no pop_authenticators=user quit=yes delete=yes
set wait_key=no sort=mailbox-order
folder-hook . 'push "<pipe-message>cat >taken<enter><delete-message><quit>"'
"""


def test_mutt_of_debian_copies_and_deletes(
    python: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutt, home = tool("mutt", "mutt"), tmp_path
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    maildir = make_maildir(home / "Maildir", {"new/1.a": TEXT, "new/2.b": TEXT})
    popup, pop3d = [*python, "qmail-popup"], [*python, "qmail-pop3d", "Maildir"]
    (home / "rc").write_text(f"set folder={home}\n{MUTTRC}")
    chain = [*popup, "h.example", "sh", "-c", ANY_PASSWORD, "sh", *pop3d]
    with (home / "4").open("wb") as record:
        server = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 4>&0', "sh", *python, "tcpserver", "-1RHlh.example"]
            + ["127.0.0.1", "0", *chain],
            stdin=record,
            stdout=subprocess.PIPE,
            cwd=home,
        )
    screen, theirs = pty.openpty()
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        client = subprocess.Popen(
            ["timeout", "--foreground", "80", mutt, "-nFrc", "-f"]
            + [f"pop://u:p%20w@127.0.0.1:{port}"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=home,
            env={
                "HOME": str(home),
                "TERM": "vt100",
                "LD_LIBRARY_PATH": f"{ORIGINALS}/usr/lib/x86_64-linux-gnu",
            },
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while part := os.read(screen, 4096):
                shown += part
        client.wait(30)
    finally:
        server.terminate()
        server.communicate(timeout=30)
        os.close(screen)
    assert client.returncode == 0, shown
    assert (home / "4").read_bytes().startswith(b"u p w <"), shown
    assert names(maildir) == ["cur/2.b:2,"], shown
    assert b"\n.hello\n" in (home / "taken").read_bytes()
