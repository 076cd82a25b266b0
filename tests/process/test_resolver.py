"""pytools/process/resolver.py: queries of a warm parent's forks, against a real server."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pytools.process.dnsnames import (
    LIMIT_SECONDS,
    TRY_SECONDS,
    from_dot,
    parse_servers,
    to_dot,
)
from pytools.process.resolver import DnsPermanent
from pytools.process.resolver_child import STRANGERS_OF_ONE
from tests.support.dnsserver import DnsServer, Zone, serving
from tests.support.until import until

NO_WAIT = LIMIT_SECONDS - TRY_SECONDS
"""Who waits for a silent server waits LIMIT_SECONDS, in tries of TRY_SECONDS."""
LONG = ["x" * 200 + str(n) for n in range(20)]
ZONE: Zone = {
    ("1.0.0.127.in-addr.arpa.", "PTR"): ["Mail.Example.ORG."],
    ("2.0.0.127.in-addr.arpa.", "CNAME"): ["2.sub.test."],
    ("2.sub.test.", "PTR"): [r"od\.d\032%.test."],
    ("host.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("host.test.", "AAAA"): ["2001:db8::1"],
    ("host.test.", "MX"): ["10 mx.test.", "5 MX2.test."],
    ("null.test.", "MX"): ["0 ."],
    ("alias.test.", "CNAME"): ["host.test."],
    ("far.test.", "CNAME"): ["host.test."],
    ("half.test.", "CNAME"): ["alone.test."],
    ("alone.test.", "ALONE"): [],
    ("alone.test.", "A"): ["192.0.2.3"],
    ("loop.test.", "CNAME"): ["loop.test."],
    ("fail.test.", "RCODE"): ["SERVFAIL"],
    ("silent.test.", "SILENT"): [],
    ("refused.test.", "RCODE"): ["REFUSED"],
    ("many.test.", "TXT"): [f'"{text}"' for text in LONG],
    ("parts.test.", "TXT"): ['"one " "two"'],
}

ANSWERS: dict[str, list[object]] = {
    "ptr 127.0.0.1": [b"mail.example.org"],
    "ptr 127.0.0.2": [rb"od\056d\040\045.test"],
    "a host.test": [b"192.0.2.1", b"192.0.2.2"],
    "a host.test.": [b"192.0.2.1", b"192.0.2.2"],
    "a 192.0.2.9": [b"192.0.2.9"],
    "aaaa host.test": [b"2001:db8::1"],
    "mx host.test": [(5, b"mx2.test"), (10, b"mx.test")],
    "mx null.test": [(0, b".")],
    "mx alias.test": [(5, b"mx2.test"), (10, b"mx.test")],
    "a half.test": [b"192.0.2.3"],
    "txt parts.test": [b"one two"],
    "txt many.test": [text.encode() for text in LONG],
    "mx alone.test": [],
}

FAILURES = {
    "a nosuch.test": "DnsPermanent",
    "ptr 127.0.0.9": "DnsPermanent",
    "ptr nonsense": "DnsPermanent",
    "a two..dots": "DnsPermanent",
    "a " + "x" * 64: "DnsPermanent",
    "a loop.test": "DnsTemporary",
    "a fail.test": "DnsTemporary",
    "a refused.test": "DnsTemporary",
}


class Parent:
    """A warm parent in a process of its own."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-BX", "utf8", "-m", "tests.support.warm_parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DNSCACHEIP": f"127.0.0.1:{port}"},
        )

    def do(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with serving(ZONE) as running:
        yield running


@pytest.fixture
def parent(server: DnsServer) -> Iterator[Parent]:
    running = Parent(server.port)
    yield running
    running.close()


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def items(answer: str) -> list[object]:
    found: list[object] = eval(answer)
    return sorted(found, key=repr)


def test_fork_asks_child_and_gets_every_kind_of_answer(parent: Parent) -> None:
    assert int(parent.do("start")) > 0
    for query, expected in ANSWERS.items():
        answer = items(parent.do(f"ask {query}"))
        assert answer == sorted(expected, key=repr), query
    for query, failure in FAILURES.items():
        assert parent.do(f"ask {query}") == failure, query
    assert parent.do("modules") == "[]"


def test_fork_is_answered_by_the_child_not_by_itself(
    parent: Parent, server: DnsServer
) -> None:
    """No second query for the same name: only the child remembers."""
    parent.do("start")
    server.asked.clear()
    parent.do("ask a alias.test")
    assert "alias.test." in {name for name, _, _ in server.asked}
    # Not counted: to a server that is slow to answer the first is sent again.
    server.asked.clear()
    for _ in range(2):
        parent.do("ask a alias.test")
    assert "alias.test." not in {name for name, _, _ in server.asked}


def test_large_answer_is_fetched_over_tcp(parent: Parent, server: DnsServer) -> None:
    parent.do("start")
    server.asked.clear()
    assert len(items(parent.do("ask txt many.test"))) == len(LONG)
    assert {way for name, _, way in server.asked if name == "many.test."} == {
        "udp",
        "tcp",
    }


def test_no_query_is_of_type_any(parent: Parent, server: DnsServer) -> None:
    parent.do("start")
    parent.do("ask mx host.test")
    assert "ANY" not in {kind for _, kind, _ in server.asked}


def test_without_child_the_process_answers_itself(parent: Parent) -> None:
    assert len(items(parent.do("here a host.test"))) == 2
    assert items(parent.do("ask mx host.test")) == sorted(
        ANSWERS["mx host.test"], key=repr
    )
    assert parent.do("ask a nosuch.test") == "DnsPermanent"
    assert "dns" in parent.do("modules")


def test_without_child_under_a_limit_a_lifted_child_answers(parent: Parent) -> None:
    assert parent.do("limit 5000000") == "limited"
    assert items(parent.do("here a alone.test")) == [b"192.0.2.3"]
    assert parent.do("modules") == "[]"


def test_child_works_when_started_under_a_limit(parent: Parent) -> None:
    parent.do("limit 5000000")
    parent.do("start")
    assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]
    assert parent.do("modules") == "[]"


def test_child_that_died_early_is_not_waited_for(parent: Parent) -> None:
    first = parent.do("start")
    assert parent.do("kill") == "True"
    assert parent.do("wanted") == "False"
    assert parent.do("restart") == "0"
    assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]
    parent.do("old")
    assert parent.do("restart") not in ("0", first)
    assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]


def test_child_that_died_late_is_wanted_again(parent: Parent) -> None:
    first = parent.do("start")
    parent.do("ask a alone.test")
    parent.do("old")
    parent.do("kill")
    assert parent.do("wanted") == "True"
    assert parent.do("restart") not in ("0", first)
    assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]


def test_child_ends_with_its_parent(server: DnsServer) -> None:
    parent = Parent(server.port)
    pid = int(parent.do("start"))
    assert is_alive(pid)
    parent.process.kill()
    parent.close()
    until(lambda: not is_alive(pid), 20)


def test_stranger_without_token_is_hung_up_on(parent: Parent) -> None:
    pid = int(parent.do("start"))
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(20)
        stranger.connect(socket_of(parent))
        stranger.sendall(b"3:xxx,1:a,9:host.test,")
        assert stranger.recv(100) == b""
    assert is_alive(pid)


def test_strangers_beyond_the_limit_of_their_uid_are_hung_up_on(
    parent: Parent, as_root: None
) -> None:
    parent.do("start")
    name = socket_of(parent)

    def hung_up_on() -> int:
        """How many of a crowd are; after REQUEST_SECONDS it is all who say nothing."""
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(STRANGERS_OF_ONE + 20)]
        with ExitStack() as stack:
            for stranger in crowd:
                connect_as_nobody(stack.enter_context(stranger), name)

            def gone() -> int:
                return len(select.select(crowd, [], [], 0)[0])

            until(lambda: gone() >= 20)
            # Others are served as ever, by the child.
            assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]
            return gone()

    # More when this process was held up, or those of the last crowd were still there.
    until(lambda: hung_up_on() == 20, 60)

    def is_let_in() -> bool:
        with socket.socket(socket.AF_UNIX) as late:
            connect_as_nobody(late, name)
            # It has been looked at before this is answered.
            parent.do("ask a alone.test")
            return not select.select([late], [], [], 0)[0]

    until(is_let_in, 20)


def connect_as_nobody(stranger: socket.socket, name: str) -> None:
    own_uid = os.geteuid()
    os.seteuid(65534)
    try:
        stranger.connect(name)
    finally:
        os.seteuid(own_uid)


def socket_of(parent: Parent) -> str:
    """The name of the parent's socket, among those of all parents of this machine."""
    for name in resolver_names():
        with socket.socket(socket.AF_UNIX) as stranger:
            try:
                stranger.connect(name)
            except OSError:
                continue
            who = stranger.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if int.from_bytes(who[:4], sys.byteorder) == parent.process.pid:
                return name
    raise AssertionError("no socket of the parent")


def resolver_names() -> set[str]:
    with open("/proc/net/unix") as file:
        names = [line.split()[-1] for line in file if "pyqmail-resolver-" in line]
    return {"\0" + name[1:] for name in names}


def test_silent_server_delays_nobody_else(parent: Parent, server: DnsServer) -> None:
    parent.do("start")
    parent.do("ask a alone.test")
    slow = [parent.do("leave a silent.test") for _ in range(3)]
    until(lambda: ("silent.test.", "A", "udp") in server.asked, 20)
    began = time.monotonic()
    assert parent.do("ask a nosuch.test") == "DnsPermanent"
    assert time.monotonic() - began < NO_WAIT
    # Killed: they were still waiting.
    for pid in slow:
        assert parent.do(f"stop {pid}") == "9"


def test_child_carries_nothing_for_tls(parent: Parent) -> None:
    pid = parent.do("start")
    assert items(parent.do("ask a alone.test")) == [b"192.0.2.3"]
    with open(f"/proc/{pid}/maps") as maps:
        text = maps.read()
    assert "/_ssl." not in text
    assert "python" in text


MANY = "a:alone.test txt:nosuch.test aaaa:host.test a:fail.test mx:alone.test"
MANY_ANSWERS = [[b"192.0.2.3"], "DnsPermanent", [b"2001:db8::1"], "DnsTemporary", []]


@pytest.mark.parametrize("how", ["child", "itself", "limited"])
def test_many_are_asked_at_once_and_answered_in_their_order(
    parent: Parent, how: str
) -> None:
    if how == "child":
        parent.do("start")
    if how == "limited":
        parent.do("limit 5000000")
    assert eval(parent.do(f"many 20 5 {MANY}")) == MANY_ANSWERS
    began = time.monotonic()
    # One more, that is never answered: not waited for where the others are enough.
    found = eval(parent.do(f"many 20 5 a:silent.test {MANY}"))
    assert found == [None, *MANY_ANSWERS]
    assert time.monotonic() - began < NO_WAIT
    # And else no longer than the time that there is for all.
    began = time.monotonic()
    found = eval(parent.do("many 6 9 a:alone.test a:silent.test"))
    assert found == [[b"192.0.2.3"], None]
    assert 6 <= time.monotonic() - began < NO_WAIT
    assert parent.do("modules") == "[]"


def test_many_find_the_child_that_died_early_gone(parent: Parent) -> None:
    parent.do("start")
    parent.do("kill")
    assert eval(parent.do(f"many 20 5 {MANY}")) == MANY_ANSWERS


def test_more_queries_than_strangers_are_let_in_are_all_answered(
    parent: Parent,
) -> None:
    parent.do("start")
    count = 3 * STRANGERS_OF_ONE
    found = eval(parent.do(f"many 20 {count}" + " a:alone.test" * count))
    assert found == [[b"192.0.2.3"]] * count
    assert parent.do("modules") == "[]"


def test_queries_that_were_given_up_leave_room_for_others(parent: Parent) -> None:
    parent.do("start")
    parent.do("ask a alone.test")
    queries = " a:silent.test" * 150
    for _ in range(4):
        assert eval(parent.do(f"many 0.2 150{queries}")) == [None] * 150
    began = time.monotonic()
    assert eval(parent.do("many 20 1 a:nosuch.test")) == ["DnsPermanent"]
    assert time.monotonic() - began < NO_WAIT


def test_few_descriptors_are_enough_for_many_queries(
    parent: Parent, server: DnsServer
) -> None:
    parent.do("start")
    parent.do("ask a alone.test")
    server.asked.clear()
    parent.do("files 12")
    found = eval(parent.do("many 20 30" + " a:alone.test" * 30))
    assert found == [[b"192.0.2.3"]] * 30
    # The child remembers the answer; who looked it up alone would have asked.
    assert "alone.test." not in {name for name, _, _ in server.asked}


def test_addresses_of_both_families_are_found(parent: Parent) -> None:
    parent.do("start")
    both = [b"192.0.2.1", b"192.0.2.2", b"2001:db8::1"]
    assert sorted(eval(parent.do("ask addresses host.test."))) == both
    assert eval(parent.do("ask qualified6 host.test.")) == both[2:]
    assert eval(parent.do("ask addresses alone.test.")) == [b"192.0.2.3"]
    assert parent.do("ask addresses nosuch.test.") == "DnsPermanent"
    assert parent.do("ask addresses fail.test.") == "DnsTemporary"
    assert eval(parent.do("ask addresses parts.test.")) == []


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        (b"", []),
        (b"127.0.0.1", [("127.0.0.1", 53)]),
        (b"10.0.0.1.10.0.0.2", [("10.0.0.1", 53), ("10.0.0.2", 53)]),
        (b".10.0.0.1 10.0.0.2 ", [("10.0.0.1", 53), ("10.0.0.2", 53)]),
        (b"127.0.0.1:5353", [("127.0.0.1", 5353)]),
        (b"10.0.0.1 nonsense 10.0.0.300", [("10.0.0.1", 53)]),
    ],
)
def test_dnscacheip_is_read_as_djb_does(
    text: bytes, servers: list[tuple[str, int]]
) -> None:
    assert parse_servers(text) == servers


@pytest.mark.parametrize(
    ("text", "back"),
    [
        (b"Mail.Example.org", b"mail.example.org"),
        (b"example.org.", b"example.org"),
        (rb"we\056i\040r.d", rb"we\056i\040r.d"),
        (b".", b"."),
        (b"a_b-c", b"a_b-c"),
    ],
)
def test_name_in_dot_form_goes_there_and_back(text: bytes, back: bytes) -> None:
    assert to_dot(from_dot(text)) == back


@pytest.mark.parametrize("text", [b"a..b", b"x" * 64, b"a." * 128, b".a"])
def test_name_that_cannot_exist_is_permanent(text: bytes) -> None:
    with pytest.raises(DnsPermanent):
        from_dot(text)
