"""rblsmtpd beside the original: options, verdicts of lists, the session of a refusal.

The original asks port 53 of $DNSCACHEIP and no other. So the DNS server of the lists and
the programs of both sides are in a network of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.interop.oracle import Both, Case
from tests.support.dnsserver import DnsServer, Zone
from tests.support.netns import own_network

LONG = "x" * 150
ZONE: Zone = {
    ("4.3.2.1.txt.test.", "TXT"): ['"see http://txt.test/1.2.3.4"'],
    ("5.3.2.1.txt.test.", "TXT"): ['""'],
    ("6.3.2.1.txt.test.", "TXT"): [r'"a\\b" "\"q\" \007\200 %IP%"'],
    ("7.3.2.1.txt.test.", "TXT"): [f'"{LONG}" "{LONG}"'],
    ("8.3.2.1.txt.test.", "TXT"): ['"first"', '" and second"'],
    ("9.3.2.1.txt.test.", "A"): ["127.0.0.2"],
    ("4.3.2.1.both.test.", "A"): ["127.0.0.2", "127.0.0.9"],
    ("4.3.2.1.both.test.", "TXT"): ['"both say so"'],
    ("4.3.2.1.alias.test.", "CNAME"): ["4.3.2.1.both.test."],
    ("4.3.2.1.dead.test.", "A"): ["192.0.2.80"],
    ("4.3.2.1.dead.test.", "TXT"): ['"this domain is for sale"'],
    ("4.3.2.1.busy.test.", "A"): ["127.255.255.254"],
    ("4.3.2.1.busy.test.", "TXT"): ['"you ask too often"'],
    ("4.3.2.1.white.test.", "A"): ["127.0.0.2"],
    ("4.3.2.1.wild.test.", "A"): ["192.0.2.80"],
    ("4.3.2.1.fail.test.", "RCODE"): ["SERVFAIL"],
    ("4.3.2.1.deny.test.", "RCODE"): ["REFUSED"],
    ("txt.test.", "TXT"): ['"no address"'],
    ("b.a.txt.test.", "TXT"): ['"no digits"'],
    ("4.3.2.1.rbl.maps.vix.com.", "TXT"): ['"the dead list"'],
    (f"1.{'0.' * 23}8.b.d.0.1.0.0.2.txt.test.", "TXT"): ['"of six"'],
}


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """A network with the DNS server of the lists, for what the tests start."""
    with own_network(), closing(DnsServer(ZONE, port=53)):
        yield


def asking(options: str, **env: str) -> Case:
    """One run that may refuse at once or run a program."""
    settings = "".join(f"{name}={value} " for name, value in env.items())
    return Case(
        f"rblsmtpd {options} echo program",
        name=f"{settings}{options}",
        env={"DNSCACHEIP": "127.0.0.1", "TCPREMOTEIP": "1.2.3.4", **env},
    )


IMPOSSIBLE = "x" * 64 + ".test"
"""No such name can be asked for: trouble at once."""
LISTS = [
    asking("-t0 -r txt.test"),
    asking("-t0 -b -r txt.test"),
    asking("-t0 -r txt.test -b"),
    asking("-t0 -bB -r txt.test"),
    asking("-t0 -r txt.test. -r both.test"),
    asking("-t0 -r .txt..test"),
    asking("-t0 -b -r nosuch.test -B -r both.test"),
    asking("-t0 -b -r both.test -B -r txt.test"),
    asking("-r nosuch.test -r other.test"),
    asking("-t0 -r alias.test"),
    asking("-t0 -r txt.test", TCPREMOTEIP="1.2.3.5"),
    asking("-t0 -r txt.test", TCPREMOTEIP="1.2.3.6"),
    asking("-t0 -r txt.test", TCPREMOTEIP="1.2.3.7"),
    asking("-t0 -r txt.test", TCPREMOTEIP=""),
    asking("-t0 -r txt.test", TCPREMOTEIP="a.b"),
    asking("-a white.test -r both.test"),
    asking("-a wild.test -r both.test"),
    asking("-t0 -a nosuch.test -r both.test"),
    asking("-t0 -r both.test -a white.test"),
    asking("-a white.test"),
    asking(f"-r {IMPOSSIBLE}"),
    asking(f"-t0 -c -r {IMPOSSIBLE}"),
    asking(f"-t0 -r {IMPOSSIBLE} -c"),
    asking(f"-cC -r {IMPOSSIBLE}"),
    asking(f"-t0 -b -r {IMPOSSIBLE} -r both.test"),
    asking(f"-t0 -b -c -r {IMPOSSIBLE} -r both.test"),
    asking(f"-a {IMPOSSIBLE} -r both.test"),
    asking(f"-t0 -b -c -a {IMPOSSIBLE} -r both.test"),
    asking("-t0 -r txt.test", RBLSMTPD="told so"),
    asking("-t0 -r txt.test", RBLSMTPD=""),
    asking("-t0 -r dead.test"),
    asking("-t0 -r busy.test"),
    asking("-t0 -r txt.test", TCPREMOTEIP="1.2.3.9"),
    asking("-t0 -r txt.test", TCPREMOTEIP="2001:db8::1"),
    asking("-t0 -r txt.test", TCPREMOTEIP="::ffff:1.2.3.4"),
    asking("-t0 -r both.test:go,%IP%"),
    asking("-t0"),
]


@pytest.mark.parametrize("case", LISTS, ids=str)
def test_lists_come_to_what_they_do_for_the_original(
    case: Case, both: Both, network: None
) -> None:
    both.check("rblsmtpd", case)


FAILING = [
    "-b -r fail.test -r both.test",
    "-c -b -r fail.test",
    "-r deny.test",
    "-a fail.test -r both.test",
    "-c -b -a fail.test -r both.test",
]


def test_failing_server_is_trouble_as_for_the_original(
    both: Both, network: None
) -> None:
    """All at once: the original takes 11 seconds to find out."""
    lines = [
        f"rblsmtpd -t0 {options} echo program >{n} 2>&1 &"
        for n, options in enumerate(FAILING)
    ]
    case = Case(
        f"{' '.join(lines)} wait",
        env={"DNSCACHEIP": "127.0.0.1", "TCPREMOTEIP": "1.2.3.4"},
    )
    both.check("rblsmtpd", case)


def told(
    options: str,
    text: str = "no",
    talk: bytes = b"",
    files: dict[str, str | bytes] | None = None,
    **env: str,
) -> Case:
    """One run that $RBLSMTPD decides."""
    line = f"rblsmtpd {options}"
    shown = talk.decode("latin-1").encode("unicode_escape").decode()
    all_env = {"TCPREMOTEIP": "192.0.2.7", "RBLSMTPD": text, **env}
    words = "".join(f"{name}={value} " for name, value in env.items())
    return Case(
        line,
        talk,
        name=f"{words}[{text[:20]}] {line} {shown}",
        files=files,
        env=all_env,
    )


WHOLE = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nRSET\r\nQUIT\r\n"
TOLD = [
    told("echo program"),
    told("echo program", talk=WHOLE),
    told("echo program", "-for good", talk=WHOLE),
    told("-bc echo program", "for now", talk=WHOLE),
    told("-B -C echo program", "-for good", talk=WHOLE),
    told("echo program", "-", talk=WHOLE),
    told("echo program", "", talk=WHOLE),
    told("-t0 echo program", talk=WHOLE),
    told("-t 0 echo program", "-for good"),
    told("-tx echo program", talk=WHOLE),
    told("-t1000000 echo program", talk=WHOLE),
    told("-t50x echo program", talk=WHOLE),
    told("-t0 echo program", "x" * 199),
    told("-t0 echo program", "x" * 200),
    told("-t0 echo program", "x" * 201),
    told("-t0 echo program", "-" + "x" * 201),
    told("-t0 echo program", "\x01 \t~\x7f\n\xe9 \u20ac"),
    told("-t0 echo program", "%IP% is bad"),
    told(
        "echo program",
        talk=b"helo\r\nHeLo x\r\nmail\r\nnoop\n rset\r\nquit \r\nhelo\r\n",
    ),
    told(
        "echo program",
        talk=b"vrfy x\r\nhelp\r\n\r\n\nstarttls\r\nauth plain\r\nhelox\r\n",
    ),
    told(
        "echo program",
        talk=b"quit\r\r\nquit\tx\r\nqui\r\nquitx\r\nquit\0\r\nquit\0x\r\n",
    ),
    told("echo program", talk=b"QUIT now please\r\nnoop\r\n"),
    told(
        "echo program",
        talk=b"noop" + b" " * 9000 + b"\r\n" + b"q" * 9000 + b"\r\nquit\r\n",
    ),
    told("echo program", talk=b"noop\r\nquit"),
    told("echo program", talk=b"\xff\xfe\r\n\0\r\n\r"),
    told("echo program", talk=b"rset\n" * 500),
    told("-t30 echo program </dev/null"),
    told("-t30 echo program <&-"),
    told("-t30 sh -c 'sleep 3'", talk=b""),
    told("echo program >&-", talk=b"helo\r\nquit\r\n"),
    told("echo program 2>&-", talk=b"helo\r\nquit\r\n"),
    told("-t0 echo program", TCPREMOTEIP=""),
    told("-t0 echo program", TCPREMOTEIP="odd \x01 \xe9"),
    told("nosuchprogram", ""),
    told("./file", "", files={"file": "x"}),
    told("./directory", "", files={"directory/": ""}),
    told("sh -c 'echo $RBLSMTPD $TCPREMOTEIP; exit 7'", ""),
    *(
        told(options, text)
        for options in ("", "-t5", "-t", "-r", "-a")
        for text in ("", "no")
    ),
    *(
        told(f"{options} echo program", "")
        for options in ("-z", "-R", "-bz", "-:", "--", "-b -- -c", "-")
    ),
]


@pytest.mark.parametrize("case", TOLD, ids=str)
def test_refusal_is_spoken_as_by_the_original(case: Case, both: Both) -> None:
    both.check("rblsmtpd", case)


SILENT = r"""
import os, subprocess, sys, time
began = time.monotonic()
ours, theirs = os.pipe(), os.pipe()
talk = subprocess.Popen(["rblsmtpd", "-t4", "true"], stdin=ours[0], stdout=theirs[1])
os.close(theirs[1])
os.write(ours[1], b"noop\r\nquit")
said = b""
while chunk := os.read(theirs[0], 100):
    said += chunk
print(said, talk.wait(), 3.9 < time.monotonic() - began < 40)
"""


def test_silent_client_is_left_after_the_time_as_by_the_original(both: Both) -> None:
    env = {"RBLSMTPD": "no", "TCPREMOTEIP": "192.0.2.7"}
    case = Case("python3 silent.py", files={"silent.py": SILENT}, env=env)
    both.check("rblsmtpd", case)
