"""What qmail-testing(7) tells an operator to try, typed as it is printed there.

Each subsection of the page with commands is a test. A user's command is run by dave in
his home, root's by root, ``far$`` by a client and a mailbox at another address. Commands
that only look are repeated until they show what the page shows.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import CHECKOUT
from tests.guide.server import HOST, GuideServer
from tests.support.manual_examples import plain, settled

PAGE = CHECKOUT / "man/man7/qmail-testing.7"
LOOKS = {"cat", "grep", "tail", "ps", "id"}
PROMPT = re.compile(r"(far\$|\$|#) ")
FAR = "192.0.2.1"
SHORT_LOG = 50_000
"""Bytes; what these tests log is less than what is left to 99,999."""
VOLATILE = [
    (re.compile(r"\d+ [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d -0000"), "DATE"),
    (re.compile(r"(?<=Message-ID: <)[\d.]+"), "N"),
    (re.compile(r"(?<=\(qmail )\d+"), "N"),
    (re.compile(r"(?<=\b250 ok )\d+"), "N"),
    (re.compile(r"\b(msg|bytes|qp|uid|delivery) \d+"), r"\1 N"),
    (re.compile(r"^\d+$"), "N"),
]

FAR_SENDMAIL = f"""#!/usr/bin/python3
import smtplib, sys
with smtplib.SMTP("127.0.0.1", 25, "far.example", source_address=("{FAR}", 0)) as smtp:
    try:
        smtp.sendmail("ann@far.example", sys.argv[1:], sys.stdin.read())
    except smtplib.SMTPRecipientsRefused as refused:
        for code, text in refused.recipients.values():
            print(code, text.decode())
"""
FAR_SERVER = f"""
import socket
listener = socket.create_server(("{FAR}", 2603))
open("/tmp/far/listens", "w")
while True:
    peer, _ = listener.accept()
    with peer, peer.makefile("rwb", buffering=0) as stream:
        stream.write(b"220 far.example\\r\\n")
        while line := stream.readline():
            verb = line[:4].upper()
            stream.write({{b"DATA": b"354 go\\r\\n", b"QUIT": b"221 bye\\r\\n"}}.get(
                verb, b"250 taken\\r\\n"))
            if verb == b"QUIT":
                break
            if verb == b"DATA":
                text = b""
                while (line := stream.readline()) != b".\\r\\n":
                    text += line.replace(b"\\r\\n", b"\\n")
                with open("/tmp/far/mailbox", "ab") as mailbox:
                    mailbox.write(text)
                stream.write(b"250 taken\\r\\n")
"""


def checks() -> dict[str, list[str]]:
    """The transcript of each subsection, by its title."""
    found = {}
    for part in PAGE.read_text().split("\n.Ss ")[1:]:
        title, _, text = part.partition("\n")
        text = text.partition("\n.Sh ")[0]
        _, _, literal = text.partition(".Bd -literal -offset indent\n")
        lines = literal.partition("\n.Ed")[0].split("\n")
        found[title] = [plain(line) for line in lines]
    return found


def steps(lines: list[str]) -> list[tuple[str, str, list[str]]]:
    """(who, command, what it prints) of a transcript."""
    found: list[tuple[str, str, list[str]]] = []
    for line in lines:
        prompt = PROMPT.match(line)
        if prompt:
            found.append((prompt[1], line[prompt.end() :], []))
        elif line.startswith(">") and not found[-1][2]:
            who, command, _ = found[-1]
            found[-1] = (who, f"{command}\n{line[2:]}", [])
        else:
            found[-1][2].append(line)
    return found


def agrees(printed: str, shown: list[str]) -> bool:
    """Whether a command printed what the page shows; ``...`` in a line is any text."""
    pattern = ""
    for line in shown:
        if line == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += re.escape(stable(line)).replace(r"\.\.\.", ".*") + "\n"
    lines = printed.removesuffix("\n").split("\n") if printed else []
    return re.fullmatch(pattern, "".join(stable(s) + "\n" for s in lines)) is not None


def stable(line: str) -> str:
    """A line without what is another each time."""
    line = settled(line)
    for pattern, name in VOLATILE:
        line = pattern.sub(name, line)
    return line


@pytest.fixture(scope="module")
def neighbour(installed_server: GuideServer) -> Iterator[None]:
    """Another machine, with a client and a mailbox; its mail gets there."""
    server = installed_server
    # The page looks at the last lines of the log, which would be in two files when it
    # is rotated between them.
    log = "qmail-send/log"
    server.until(lambda: server.hears(log, signal.SIGALRM), "a multilog that rotates")
    server.run(f"svc -a /service/{log}")
    current = server.path("/var/log/qmail/current")
    server.until(lambda: current.stat().st_size < SHORT_LOG, "a new log")
    server.run(f"mkdir /tmp/far; ip addr add {FAR}/32 dev lo")
    server.root.write("/tmp/far/sendmail", FAR_SENDMAIL)
    server.root.write("/tmp/far/server", FAR_SERVER)
    server.run("chmod 755 /tmp/far/sendmail")
    server.run("ln -sf /var/qmail/bin/sendmail /usr/sbin/sendmail")
    process = server.root.start("exec python3 /tmp/far/server")
    route = f"far.example:{FAR}:2603\n"
    try:
        server.until(lambda: server.path("/tmp/far/listens").exists(), "far.example")
        with server.changed("/var/qmail/control/smtproutes", route):
            yield
    finally:
        process.terminate()
        process.wait()
        server.run(f"rm -r /tmp/far; ip addr del {FAR}/32 dev lo")


def run(server: GuideServer, who: str, command: str) -> str:
    """What a command of the page prints, standard error included."""
    line = {
        "#": command,
        "$": f"cd; exec su dave -c {shlex.quote(f'cd; {command}')}",
        "far$": f"cd /tmp/far; PATH=/tmp/far:$PATH; {command}",
    }[who]
    done = server.run(f"{{ {line}\n}} 2>&1", check=False)
    assert who == "far$" or done.returncode == 0 or is_look(command), done
    return done.stdout


def is_look(command: str) -> bool:
    return command.split()[0] in LOOKS


@pytest.mark.parametrize("title", checks())
def test_check_of_the_page_comes_out_as_printed(
    server: GuideServer, neighbour: None, title: str
) -> None:
    server.run("rm -f /tmp/far/mailbox /home/dave/groups /home/dave/.qmail-groups")
    if title == "Status line":
        server.restart("qmail-send")
    uid = server.run("id -u dave").stdout.strip()
    for who, command, shown in steps(checks()[title]):
        if not is_look(command):
            printed = run(server, who, command)
            assert agrees(printed, shown), (command, printed)
            continue
        seen = ""

        def comes_out(who: str = who, c: str = command, s: list[str] = shown) -> bool:
            nonlocal seen
            seen = run(server, who, c)
            return agrees(seen, s)

        try:
            server.until(comes_out, command)
        except AssertionError:
            raise AssertionError(f"{command!r} shows:\n{seen}") from None
        # Numbers that may be any on the page must be the right ones here.
        for number in re.findall(r"^(\d+)$|invoked by uid (\d+)", seen, re.MULTILINE):
            assert uid in number
    server.until(server.queue_is_empty, "an empty queue")


def test_page_has_the_checks_of_the_originals_documents_in_their_order() -> None:
    titles = [*checks()]
    assert titles == [
        "Status line",
        "Daemons",
        "Local to local",
        "Local error",
        "Local to remote",
        "Local to postmaster",
        "Double bounce",
        "Groups",
        "SMTP by hand",
        "Remote to local",
        "Remote error",
        "Remote to elsewhere",
        "Remote to postmaster",
        "Remote to the administrator",
        "User agents",
    ]
    assert all(steps(lines) for lines in checks().values())
    assert HOST in PAGE.read_text()


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a\nb\n", ["a", "b"], True),
        ("a\nb\n", ["a"], False),
        ("", [], True),
        ("", ["a"], False),
        ("x qp 5 y\n", ["x qp 77 y"], True),
        ("x qp y\n", ["x qp 77 y"], False),
        ("553 no\n", ["553 ..."], True),
        ("553 no\nmore\n", ["553 ..."], False),
        ("a\nb\nc\n", ["a", "...", "c"], True),
    ],
)
def test_output_agrees_with_the_page(
    printed: str, shown: list[str], same: bool
) -> None:
    assert agrees(printed, shown) is same
