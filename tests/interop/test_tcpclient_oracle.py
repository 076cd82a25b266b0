"""tcpclient and the small clients beside the originals, in a network of their own.

There every port is free: the well-known ones that the small clients use, and 53 for the
name server, which the original asks at no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ORIGINALS
from tests.interop.oracle import Both, Case
from tests.support.dnsserver import DnsServer, Zone
from tests.support.netns import own_network
from tests.support.small_servers import answer, say, serving, silent, talk

SILENT_PORT = 9
ZONE: Zone = {
    ("1.0.0.127.in-addr.arpa.", "PTR"): ["Here.Test."],
    ("2.0.0.127.in-addr.arpa.", "PTR"): ["odd\\032name.test."],
    ("4.0.0.127.in-addr.arpa.", "TXT"): ["no name"],
    ("one.test.", "A"): ["127.0.0.1"],
    ("alias.test.", "CNAME"): ["one.test."],
    ("two.test.", "A"): ["127.0.0.7", "127.0.0.1"],
    ("both.test.", "A"): ["127.0.0.9", "127.0.0.1"],
    ("none.test.", "TXT"): ["no address"],
    ("broken.test.", "RCODE"): ["SERVFAIL"],
    ("several.test.", "A"): ["192.0.2.1", "127.0.0.1"],
    ("127.test.", "A"): ["127.0.0.1"],
    ("one.second.", "A"): ["127.0.0.1"],
    ("second.second.", "A"): ["127.0.0.1"],
}
GREETING = b"hello\r\nthere\n\r\r\nx\ry \x00\x01\x7f\xe9\x8a\t.\r\nlast\r"
PAGE = b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n<p>\r\n\r\nempty lines\n\n"
SHOW = "sh -c 'env | grep -E \"^(PROTO|TCP)\" | sort; cat <&6'"
DNS = {"DNSCACHEIP": "127.0.0.1"}
STALE = dict.fromkeys(["TCPREMOTEINFO", "TCPREMOTEHOST", "TCPLOCALHOST"], "stale")
PORT = [(rb"TCPLOCALPORT=\d+", b"TCPLOCALPORT=N")]


def shown(options: str, env: dict[str, str] | None = None, host: str = "") -> Case:
    """Connect to the greeting server and show the environment."""
    line = f"tcpclient {options} {host or '127.0.0.1'} 17 {SHOW}"
    return Case(line, name=f"{options} {host}", env=DNS | (env or {}), replace=PORT)


def refused(line: str, env: dict[str, str] | None = None) -> Case:
    """What does not work."""
    return Case(f"tcpclient {line}; echo $?", name=line, env=DNS | (env or {}))


CONNECTIONS = [
    shown("-HRl0"),
    shown("-HRl0", STALE),
    shown("-v -HRl0"),
    shown("-HRl0 --", {"TCP6REMOTEIP": "stale", "TCPPROXYIP": "stale"}, "0"),
    shown("-q -HRl0"),
    shown("-qv -HRl0"),
    shown("-vQ -HRl0"),
    shown("-D -HRl0"),
    shown("-Dd -HRl0"),
    shown("-HRl ''"),
    shown("-HRl 'a b'"),
    shown("-HR"),
    shown("-Rl0"),
    shown("-HhRl0"),
    shown("-Hl0"),
    shown("-HRrl0"),
    shown("", STALE),
    shown("-v"),
    shown("-Rl0 -i 127.0.0.2"),
    shown("-HR -i 127.0.0.2", {"TCPLOCALHOST": "stale"}),
    shown("-HR -i 127.0.0.4", {"TCPLOCALHOST": "stale"}),
    shown("-HR -i 127.0.0.5", {"TCPLOCALHOST": "stale"}),
    shown("-Rl0", STALE, "127.0.0.4"),
    shown("-Rl0", STALE, "127.0.0.5"),
    shown("-Rl0", STALE, "127.0.0.2"),
    shown("-Hl0", STALE, "127.0.0.2"),
    shown("-Hl0 -t 1", STALE, "127.0.0.3"),
    shown("-Hl0 -t 1", STALE, "127.0.0.4"),
    shown("-Hl0", STALE, "127.0.0.5"),
    shown("-HRl0 -i 127.0.0.6x"),
    shown("-HRl0 -i 383.0.0.262"),
    shown("-HRl0 -p 2999"),
    shown("-HRl0 -p 68535"),
    shown("-HRl0 -p x"),
    shown("-HRl0 -T 3"),
    shown("-HRl0 -T x"),
    # The kernel may leave a connection for later, even to itself: wait the second time.
    shown("-HRl0 -T 0+9"),
    shown("-HRl0 -T 4294967305+4294967296"),
    shown("-HRl0 --"),
    shown("-HRl0", host="0"),
    shown("-HRl0", host="''"),
    shown("-HRl0", host="[127.0.0.1]"),
    shown("-HRl0", host="383.0.0.257"),
    shown("-HRl0", host="127.0.0.1.9"),
    shown("-HRl0", host="127...1"),
    shown("-HRl0", host="one.test"),
    shown("-HRl0", host="ONE.Test."),
    shown("-HRl0", host="alias.test"),
    shown("-HRl0", {"LOCALDOMAIN": "first second"}, "one"),
    shown("-HRl0", {"LOCALDOMAIN": "first test second"}, "one"),
    shown("-HRl0", {"LOCALDOMAIN": "second"}, "one.test"),
    shown("-HRl0", host="one+.nowhere+.second"),
    shown("-HRl0", {"LOCALDOMAIN": "test"}, "127"),
    Case(
        f"DNSREWRITEFILE=rules tcpclient -HRl0 x.old 17 {SHOW}",
        files={"rules": "# comment\n=x:y\n*.OLD:.test  \n?:.never\n-x:one\n*.t:+.test"},
        env=DNS,
        replace=PORT,
        name="rewritten",
    ),
    Case(
        f"DNSREWRITEFILE=rules tcpclient -HRl0 name.old 17 {SHOW}",
        files={"rules": "*.old:\n=NAME:one\n?:+.nope+.test\n"},
        env=DNS,
        replace=PORT,
        name="rewritten with choices",
    ),
    Case(
        "tcpclient -HRl0 127.0.0.1 qotd sh -c 'cd /proc/self/fd; echo *'",
        name="descriptors",
    ),
    Case(
        "tcpclient -HRl0 0 17 sh -c 'cd /proc/self/fd; echo *' 6<&0 7</dev/null 8<&0",
        name="descriptors that are there",
    ),
    Case("tcpclient -HRl0 0 17 sh -c 'kill -13 $$; echo ignored'; echo $?"),
    Case("tcpclient -HRl0 0 17 sh -c 'exit 7'; echo $?"),
    Case(
        "tcpclient -HRl0 0 17 ./script a 'b c'", files={"script": "#!/bin/sh\necho $*"}
    ),
    Case("tcpclient -HRl0 0 25 sh -c 'echo QUIT >&7; cat <&6'", name="both ways"),
    # Both try the addresses in a random order: what counts is that the one is reached.
    Case(
        "tcpclient -HRl0 two.test 17 cat </dev/null 2>/dev/null; echo $?",
        env=DNS,
        name="several addresses, one refuses",
    ),
    Case(
        "tcpclient -HRl0 -T 0+1 both.test 9 sh -c 'echo $TCPREMOTEIP'; echo $?",
        env=DNS,
        name="several addresses, one is silent at first",
    ),
]
REFUSALS = [
    refused(""),
    refused("-z"),
    refused("-z -q 0"),
    refused("-q -z"),
    refused("-i"),
    refused("-i x 0 17 true"),
    refused("-i 127.0.0 0 17 true"),
    refused("-i ''"),
    refused("-q -i x"),
    refused("-i 0 -x 1 2 3"),
    refused("-i x -i"),
    refused("-q -x -i 0"),
    refused("-i 127.0.0.1 -x 1 2 3"),
    refused("127.0.0.1"),
    refused("127.0.0.1 17"),
    refused("-q 127.0.0.1"),
    refused("127.0.0.1 nosuchport"),
    refused("127.0.0.1 17x true"),
    refused("-q 127.0.0.1 nosuchport true"),
    refused("127.0.0.1 '' true"),
    refused("127.0.0.1 1 true"),
    refused("-q 127.0.0.1 1 true"),
    refused("-v 127.0.0.1 65537 true"),
    refused("192.0.2.1 17 true"),
    refused("-v 127.0.0.1.127.0.0.2 1 true"),
    refused("127.1 17 true"),
    refused("127 17 true"),
    refused("nosuch.test 17 true"),
    refused("-q nosuch.test 17 true"),
    refused("none.test 17 true"),
    refused("broken.test 17 true"),
    refused(f"{'x' * 64}.test 17 true"),
    refused("a..b.test 17 true"),
    refused("one 17 true", {"LOCALDOMAIN": ""}),
    refused("-T 0+1 127.0.0.9 9 true"),
    refused("-T 0+0 127.0.0.9 9 true"),
    refused("-T 0+1 127.0.0.9.127.0.0.9 9 true"),
    refused("-T 0 127.0.0.9.127.0.0.9 9 true"),
    refused("-q -T 0 127.0.0.9 9 true"),
    refused("-i 192.0.2.1 127.0.0.1 17 true"),
    refused("-p 17 -i 127.0.0.1 127.0.0.2 17 true"),
    refused("-q -p 17 127.0.0.2 17 true"),
    refused("-HRl0 127.0.0.1 17 ./nosuch"),
    refused("-HRl0 127.0.0.1 17 nosuch arg"),
    refused("-HRl0 127.0.0.1 17 /etc/passwd"),
    refused("-q -HRl0 127.0.0.1 17 nosuch"),
    refused("-HRl0 127.0.0.1 17 ''"),
    Case("DNSREWRITEFILE=. tcpclient one 17 true; echo $?", name="rules unreadable"),
]
SMALL = [
    Case("who@ 127.0.0.1; echo $?"),
    Case("who@; echo $?"),
    Case("who@ 127.0.0.1 more words; echo $?"),
    Case("who@ 127.0.0.5; echo $?"),
    Case("who@ nosuch.test; echo $?", env=DNS),
    Case("who@ -x; echo $?", env=DNS),
    Case("who@ 127.0.0.1 >/dev/full", only="status"),
    Case("{ who@ 127.0.0.1 >&-; } 2>/dev/null; echo $?"),
    Case("who@ 127.0.0.1 <&-; echo $?"),
    Case("trap '' CHLD; who@ 127.0.0.1; echo $?"),
    Case("date@ one.test; echo $?", env=DNS),
    Case("date@ ''; echo $?"),
    Case("finger@; echo $?"),
    Case("finger@ 127.0.0.1 user; echo $?"),
    Case("finger@ 127.0.0.1 'two words'; echo $?"),
    Case("finger@ 127.0.0.5 user; echo $?"),
    Case(r"finger@ 127.0.0.1 'a\tb'; echo $?"),
    Case("http@; echo $?"),
    Case("http@ 127.0.0.1 page?query; echo $?"),
    Case("http@ 127.0.0.1 '' 80; echo $?"),
    Case("http@ one.test a/b 8080; echo $?", env=DNS),
    Case("http@ 127.0.0.1 x 11; echo $?", name="http@ without a header"),
    Case("http@ 127.0.0.5 x; echo $?"),
    Case("http@ 127.0.0.1 x nosuchport; echo $?"),
    Case("tcpcat; echo $?"),
    Case("tcpcat 127.0.0.1 13; echo $?"),
    Case("tcpcat one.test daytime more; echo $?", env=DNS),
    Case("tcpcat 127.0.0.1 1; echo $?"),
    Case("tcpcat 127.0.0.1 nosuchport; echo $?"),
    Case("echo data | tcpcat 127.0.0.1 17; cat"),
    Case("mconnect; echo $?", b"one\ntwo\r\nQUIT\n"),
    Case("mconnect 127.0.0.1; echo $?", b"QUIT\n", name="mconnect address"),
    Case("mconnect one.test 17; echo $?", b"", env=DNS, name="mconnect end of input"),
    Case("mconnect 127.0.0.1 17 0<&-; echo $?", name="mconnect no input"),
    Case("mconnect 127.0.0.1 1; echo $?", b"QUIT\n"),
    Case("mconnect-io 6</dev/null 7>out; echo $?", b""),
    Case("mconnect-io more words 6<in 7>/dev/null; echo $?", files={"in": "a\r\nb"}),
    Case("mconnect-io 6<&- 7>&-; echo $?", b""),
    Case("mconnect-io </dev/null 6<in >/dev/full; echo $?", files={"in": "a\n"}),
]


LISTENING = [
    # The one that cannot be bound, or the one that is in use.
    Case(
        "tcpserver several.test 17 true; echo $?",
        env=DNS,
        name="name with several addresses",
    ),
    Case("tcpserver one.test 17 true; echo $?", env=DNS, name="name with one address"),
    Case("tcpserver broken.test 17 true; echo $?", env=DNS, name="failed look-up"),
    Case("tcpserver nosuch.test 17 true; echo $?", env=DNS, name="no such name"),
    Case("tcpserver none.test 17 true; echo $?", env=DNS, name="no address"),
    Case(
        "echo '127.:allow,TCPLOCALHOST=\"x\"' | tcprules r.cdb r.tmp;"
        " tcpserver -HRl0 -x r.cdb 127.0.0.1 2999 env & p=$!;"
        " until tcpclient -HRl0 127.0.0.1 2999 sh -c 'grep ^TCPLOCAL <&6' 2>&-;"
        " do kill -0 $p || break; done; kill $p",
        name="order of variables",
    ),
]


@pytest.fixture(scope="module")
def scene() -> Iterator[None]:
    """The network, with its servers."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_network())
        names = DnsServer(ZONE, port=53)
        stack.callback(names.close)
        for port in (11, 13, 17):
            for last in (1, 2, 3, 4, 5):
                if port == 17 or last == 1:
                    here = f"127.0.0.{last}"
                    stack.enter_context(serving(say(GREETING), here, port))
        stack.enter_context(serving(talk, port=25))
        finger = answer(b"\n", GREETING, b"\r\nplan")
        stack.enter_context(serving(finger, port=79))
        for port in (80, 8080):
            web = answer(b"\r\n\r\n", PAGE, b"\r\n end")
            stack.enter_context(serving(web, port=port))
        stack.enter_context(
            serving(say(b"1, 2 : USERID : UNIX : me \r\nmore"), port=113)
        )
        stack.enter_context(serving(say(b"ERROR"), "127.0.0.2", 113))
        stack.enter_context(silent("127.0.0.3", 113))
        stack.enter_context(
            serving(lambda c: c.recv(100) and c.recv(1), "127.0.0.4", 113)
        )
        stack.enter_context(silent("127.0.0.9", SILENT_PORT))
        stack.enter_context(serving(say(b""), "127.0.0.1", SILENT_PORT))
        yield


@pytest.fixture(scope="module")
def movable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The originals, where the scripts find the programs on $PATH."""
    directory = tmp_path_factory.mktemp("movable")
    for file in Path(ORIGINALS, "usr/bin").iterdir():
        copy = directory / file.name
        if file.name.endswith("@") or file.name in ("tcpcat", "mconnect"):
            copy.write_text(file.read_text().replace("/usr/bin/", ""))
            copy.chmod(0o755)
        else:
            copy.symlink_to(file)
    return directory


@pytest.fixture
def here(
    launchers: Path, originals: str, movable: Path, tmp_path: Path, scene: None
) -> Both:
    """Both sides, in the network."""
    return Both(launchers, str(movable), tmp_path)


@pytest.mark.parametrize("case", CONNECTIONS, ids=str)
def test_tcpclient_connects_as_the_original(case: Case, here: Both) -> None:
    here.check("tcpclient", case)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_tcpclient_gives_up_as_the_original(case: Case, here: Both) -> None:
    here.check("tcpclient", case)


@pytest.mark.parametrize("case", LISTENING, ids=str)
def test_tcpserver_finds_its_address_as_the_original(case: Case, here: Both) -> None:
    here.check("tcpserver", case)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_small_client_does_as_the_original(case: Case, here: Both) -> None:
    here.check(case.line.split()[0], case)
