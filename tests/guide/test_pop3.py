"""POP3 on the guide's installation: mail in by SMTP, out to its user with his password."""

from __future__ import annotations

import contextlib
import poplib
import re
from collections.abc import Iterator

import pytest

from tests.conftest import tool
from tests.guide.server import GuideServer
from tests.guide.test_mail import send

PORT = 110
WORDS = "secret words"
YESCRYPT = "$y$j9T$saltsaltsaltsaltsalt./$1vJrJFB8oKMK.nXC4xgk5kfBEQkKv/ZWOe4XFex/am7"
LATIN = b"p\xe4ss"
"""A password that is no UTF-8, and its hash."""
OF_LATIN = "$5$saltsalt$dxUIt0GJjd/F3vZMnhxZZW7IZPucAUTtZzUMY9ovhz7"


@contextlib.contextmanager
def pop3d(server: GuideServer) -> Iterator[None]:
    """The service of the template, while the block runs."""
    server.run("pyqmail service add pop3d --link")
    try:
        server.wait_up("pop3d", "pop3d/log")
        server.wait_port(PORT)
        yield
    finally:
        server.run("pyqmail service remove pop3d")
        server.run("rm -r /var/qmail/supervise/pop3d; usermod -p '!' dave")


def connect(server: GuideServer) -> poplib.POP3:
    """poplib on a connection made inside."""

    class Inside(poplib.POP3):
        def _create_socket(self, timeout: float) -> object:
            return server.connect(PORT)

    return Inside("127.0.0.1", PORT)


def login(
    server: GuideServer, user: str = "dave", password: str = WORDS
) -> poplib.POP3:
    """A session behind the password. poplib.error_proto if it is refused."""
    session = connect(server)
    try:
        session.user(user)
        session.pass_(password)
    except poplib.error_proto:
        session.close()
        raise
    return session


def test_mail_of_smtp_is_fetched_by_its_user_and_gone(server: GuideServer) -> None:
    server.run(f"usermod -p '{YESCRYPT}' dave")
    with pop3d(server):
        send(server, "a@example.org", "dave@foobar.example.com")
        server.until(server.new_messages, "mail")
        name = server.new_messages()[0]
        # A message is listed from the next second on.
        server.until(lambda: _count(server) == 1, "the message listed")
        session = login(server)
        owner = server.run("ps -o user= -C qmail-pop3d", check=False).stdout.split()
        execed = server.run("ps axo user,args | grep [q]mail-pop3d").stdout
        assert re.search(r"^dave .*qmail-pop3d Maildir$", execed, re.MULTILINE), owner
        assert session.uidl()[1] == [b"1 " + name.encode()]
        lines = session.retr(1)[1]
        assert lines[0] == b"Return-Path: <a@example.org>"
        assert lines[-3:] == [b"body line", b".dot", b""]
        session.dele(1)
        session.quit()
        server.until(lambda: not server.new_messages(), "the message gone")
        _refusals(server)
        _other_hash(server)
        _fetchmail(server)


def _count(server: GuideServer) -> int:
    session = login(server)
    count = session.stat()[0]
    session.close()
    return count


def _refusals(server: GuideServer) -> None:
    """Wrong, locked, expired, unknown, root: one answer for all of them."""
    cases = [("dave", "wrong"), ("nobody-here", WORDS), ("qmaild", WORDS)]
    server.run(f"usermod -p '{YESCRYPT}' root; usermod -p '!{YESCRYPT}' dave")
    try:
        said = [
            _refusal(server, *case)
            for case in [*cases, ("root", WORDS), ("dave", WORDS)]
        ]
        server.run(f"usermod -p '{YESCRYPT}' -e 2020-01-01 dave")
        said.append(_refusal(server, "dave", WORDS))
    finally:
        server.run(f"usermod -p '*' root; usermod -e '' -p '{YESCRYPT}' dave")
    assert set(said) == {b"-ERR authorization failed"}


def _refusal(server: GuideServer, user: str, password: str) -> bytes:
    with pytest.raises(poplib.error_proto) as caught:
        login(server, user, password)
    return bytes(caught.value.args[0])


def _other_hash(server: GuideServer) -> None:
    """SHA-256, and a password that is no text."""
    server.run(f"usermod -p '{OF_LATIN}' dave")
    with server.connect(PORT) as raw:
        raw.sendall(b"USER dave\r\nPASS " + LATIN + b"\r\nSTAT\r\nQUIT\r\n")
        with raw.makefile("rb") as stream:
            replies = stream.read().split(b"\r\n")
    # All that came with the password is answered, too.
    assert replies[1:] == [b"+OK ", b"+OK ", b"+OK 0 0", b"+OK ", b""]
    server.run(f"usermod -p '{YESCRYPT}' dave")


def _fetchmail(server: GuideServer) -> None:
    """A client of Debian's fetches and deletes, as dave on his own machine."""
    program = tool("fetchmail", "fetchmail")
    home, fetched = "/home/dave", "/home/dave/fetched"
    server.root.write(f"{home}/Maildir/new/1.a", "Subject: 1\n\n.x\n")
    server.root.write(f"{home}/Maildir/cur/2.b:2,S", "Subject: 2\n\nend")
    server.run(f"touch -d yesterday {home}/Maildir/new/1.a {home}/Maildir/cur/2.b:2,S")
    rc = (
        f"poll 127.0.0.1 protocol pop3 port {PORT} uidl username dave"
        f' password "{WORDS}" sslproto "" mda "cat >> {fetched}"\n'
    )
    server.root.write(f"{home}/.fetchmailrc", rc)
    server.run(f"chmod 600 {home}/.fetchmailrc; chown -R dave {home}")
    server.run(f"su dave -c '{program} --all --nosyslog --nodetach'")
    text = server.run(f"cat {fetched}").stdout
    assert "\n.x\n" in text
    assert "Subject: 2" in text
    assert server.run(f"find {home}/Maildir -type f").stdout == ""
    server.run(f"rm {fetched} {home}/.fetch*")
