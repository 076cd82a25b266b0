"""The column of smtp-smuggling(7) that says what Postfix does, beside Debian's Postfix."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ORIGINALS, cannot_run
from tests.guide.private_root import PrivateRoot
from tests.support.smuggling import BYTES, rows, to_bytes

SECTION = "MESSAGES SMUGGLED IN"
ENDS = rows(SECTION, "The end of a message")
COMMANDS = rows(SECTION, "Commands")

FORGED = "MAIL FROM:<forged@a.example>"
BEGIN = "MAIL FROM:<s@a.example>\r\nRCPT TO:<r@ok.example>\r\nDATA\r\n"
HEADER = "Subject: x\r\n\r\na"
REST = f"{FORGED}\r\nRCPT TO:<r@ok.example>\r\nDATA\r\nforged\r\n.\r\nQUIT\r\n"

MAIN = """\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
shlib_directory = no
import_environment = LANG=C LD_LIBRARY_PATH
myhostname = me.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.0/24
virtual_mailbox_domains = ok.example
virtual_mailbox_base = /var/mail/v
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_peername_lookup = no
smtpd_forbid_bare_newline = normalize
smtpd_forbid_bare_newline_exclusions =
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_timeout = 3s
maillog_file = /var/log/postfix.log
"""
MASTER = """\
2525 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
INSTALL = """
groupadd postfix && groupadd postdrop && useradd -g postfix postfix &&
mkdir -p /usr/lib/postfix /var/spool/postfix /var/lib/postfix /var/mail/v &&
cp -a {from}/usr/lib/postfix/. /usr/lib/postfix/ &&
cp -a {from}/usr/sbin/post* /usr/sbin/ && cp -a {from}/etc/postfix /etc/ &&
cp -a {from}/usr/lib/x86_64-linux-gnu/. /usr/lib/x86_64-linux-gnu/ &&
chown postfix /var/lib/postfix && chown nobody /var/mail/v
"""
# Holds each dialogue of descriptor 0; prints the replies and the messages of each.
TALK = r"""
import json, os, re, shutil, socket, sys, time
BOX = "/var/mail/v/box/new"
def connected():
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", 2525), 60)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
def boxed():
    return sorted(os.listdir(BOX)) if os.path.isdir(BOX) else []
def hold(wire):
    shutil.rmtree("/var/mail/v/box", ignore_errors=True)
    with connected() as talk:
        talk.sendall(wire.encode("latin-1"))
        talk.shutdown(socket.SHUT_WR)
        replies = b"".join(iter(lambda: talk.recv(4096), b""))
    deadline = time.monotonic() + 60
    while len(boxed()) < replies.count(b"queued as"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    messages = [open(f"{BOX}/{name}", "rb").read().decode("latin-1") for name in boxed()]
    return replies.decode("latin-1"), messages
print(json.dumps([hold(wire) for wire in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[PrivateRoot]:
    """A private root in which Postfix serves port 2525."""
    origin = os.path.realpath(ORIGINALS)
    if not os.path.exists(f"{origin}/usr/lib/postfix/sbin/smtpd"):
        cannot_run("Debian's postfix is not unpacked (make originals)")
    with PrivateRoot("me.example", [origin]) as place:
        place.run(INSTALL.replace("{from}", origin))
        place.write("/etc/postfix/main.cf", MAIN)
        place.write("/etc/postfix/master.cf", MASTER)
        place.write("/root/talk.py", TALK)
        library = {"LD_LIBRARY_PATH": "/usr/lib/postfix"}
        place.run("postfix start", env=library)
        yield place
        place.run("postfix stop", env=library, check=False)


def hold(place: PrivateRoot, wires: list[str]) -> list[tuple[str, list[str]]]:
    done = place.run("python3 /root/talk.py", stdin=json.dumps(wires), seconds=300)
    held: list[tuple[str, list[str]]] = json.loads(done.stdout)
    return held


def words(text: str) -> str:
    """The text in the notation of the page."""
    names = {value.decode(): name for name, value in BYTES.items()}
    return " ".join(names.get(character, character) for character in text)


def test_messages_end_for_postfix_where_the_page_says(place: PrivateRoot) -> None:
    wires = [
        f"HELO x\r\n{BEGIN}{HEADER}{to_bytes(row[0]).decode()}{REST}" for row in ENDS
    ]
    cells = []
    for _, messages in hold(place, wires):
        (first,) = [message for message in messages if "\n\na" in message]
        body = first.partition("\n\na")[2]
        cells.append(words(body.partition(FORGED)[0]) + ", end" * (len(messages) - 1))
    assert cells == [row[3] for row in ENDS]


def test_commands_get_of_postfix_the_answers_of_the_page(place: PrivateRoot) -> None:
    wires = [f"HELO x\r\n{to_bytes(row[0]).decode()}QUIT\r\n" for row in COMMANDS]
    cells = []
    for replies, _ in hold(place, wires):
        codes = re.findall(r"^(\d{3}) ", replies, re.MULTILINE)[2:]
        # Its QUIT is answered 221, and so is what makes it hang up.
        is_over = not replies.endswith("221 2.0.0 Bye\r\n")
        cells.append(" ".join([*codes, "over"] if is_over else codes[:-1]))
    assert cells == [row[3] for row in COMMANDS]
