"""The guide's server with /etc/aliases through fastforward, and .forward files."""

from __future__ import annotations

from tests.guide.server import HOST, GuideServer
from tests.guide.test_mail import send, wait_for_mail

ALIASES = """
# who gets what
sales: "|cat >>/tmp/sales", dave, :include:/etc/sales-list
owner-sales: boss
broken: "|exit 100"
"""
DEFAULT = "/var/qmail/alias/.qmail-default"


def aliases(server: GuideServer) -> None:
    """/etc/aliases and its list compiled, and asked for all addresses left over."""
    server.root.write("/etc/aliases", ALIASES)
    server.root.write("/etc/sales-list", f"# the rest\nDave <dave@{HOST}>\n")
    server.run("/var/qmail/bin/newinclude /etc/sales-list")
    server.run("/var/qmail/bin/newaliases")
    server.run("rm -f /tmp/sales")


def test_alias_of_etc_aliases_reaches_program_and_user_once(
    server: GuideServer,
) -> None:
    aliases(server)
    with server.changed(DEFAULT, "| fastforward -d /etc/aliases.cdb\n"):
        send(server, "ann@example.org", f"Sales@{HOST}")
        message = wait_for_mail(server)
        server.until(server.queue_is_empty, "an empty queue")
    lines = message.splitlines()
    assert lines[0] == f"Return-Path: <owner-sales@{HOST}>"
    assert lines[1] == f"Delivered-To: dave@{HOST}"
    assert f"Delivered-To: Sales@{HOST}" in lines
    piped = server.read("/tmp/sales").splitlines()
    # newaliases makes ``!program``, which gets the lines of preline.
    assert piped[0].startswith("From ann@example.org ")
    assert piped[1:3] == [
        "Return-Path: <ann@example.org>",
        f"Delivered-To: Sales@{HOST}",
    ]


def test_unknown_alias_and_refusing_program_bounce(server: GuideServer) -> None:
    aliases(server)
    with server.changed(DEFAULT, "| fastforward -d /etc/aliases.cdb\n"):
        send(server, f"dave@{HOST}", f"nobody@{HOST}")
        assert "Sorry, no mailbox here by that name. (#5.1.1)" in wait_for_mail(server)
        server.run("rm -f /home/dave/Maildir/new/*")
        send(server, f"dave@{HOST}", f"broken@{HOST}")
        assert f"<broken@{HOST}>:" in wait_for_mail(server)


def test_forward_file_forwards_or_leaves_the_mailbox_to_the_next_line(
    server: GuideServer,
) -> None:
    with server.user("fred") as home:
        server.default_delivery("|dot-forward .forward\n./Maildir/")
        server.root.write(f"{home}/.forward", f"dave@{HOST}\n")
        send(server, "ann@example.org", f"fred@{HOST}")
        message = wait_for_mail(server)
        assert f"Delivered-To: fred@{HOST}" in message.splitlines()
        assert server.new_messages(f"{home}/Maildir") == []

        server.root.write(f"{home}/.forward", "Fred\n")
        send(server, "ann@example.org", f"fred@{HOST}")
        wait_for_mail(server, f"{home}/Maildir")
        server.until(server.queue_is_empty, "an empty queue")


def test_unreadable_forward_file_keeps_the_message_for_later(
    server: GuideServer,
) -> None:
    with server.user("fred") as home:
        server.default_delivery("|dot-forward .forward\n./Maildir/")
        server.root.write(f"{home}/.forward", "dave (unclosed\n")
        send(server, "ann@example.org", f"fred@{HOST}")
        server.logged("deferral: .*unable_to_parse")
        assert server.new_messages(f"{home}/Maildir") == []
        server.run(f"rm {home}/.forward")
        server.run("qmailctl flush")
        wait_for_mail(server, f"{home}/Maildir")
