"""How long a look-up takes when the DNS servers are in trouble, and what comes of it."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import dns.exception
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.process import dnsnames
from pytools.process.dnsanswers import ITEMS, DnsPermanent, DnsTemporary
from pytools.process.dnsnames import Names, answer, answer_many, from_dot, to_dot
from pytools.process.dnsserver import Server
from tests.support.dnsserver import DnsServer, serving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer


@pytest.fixture
def server() -> Iterator[DnsServer]:
    zone = {
        ("host.test.", "A"): ["192.0.2.1"],
        ("host.test.", "AAAA"): ["2001:db8::1"],
        ("silent.test.", "SILENT"): [],
        ("broken.test.", "RCODE"): ["SERVFAIL"],
    }
    with serving(zone) as running:
        yield running


@pytest.fixture
def refusing() -> Iterator[tuple[str, int]]:
    """An address that nobody else gets, and where nobody answers either."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        # Connected to another: what comes from elsewhere is refused.
        taken.connect(("127.0.0.1", 9))
        yield taken.getsockname()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server has so long that no machine is too slow to answer in less."""
    monkeypatch.setattr(dnsnames, "TRY_SECONDS", 18.0)


def ask(names: Names, name: bytes, kind: bytes = b"a") -> object:
    """The answer, or the class of the failure."""
    found = asyncio.run(answer(names, kind, name))
    return found if isinstance(found, list) else type(found)


def timed(names: Names, name: bytes) -> tuple[object, float]:
    began = time.monotonic()
    given = ask(names, name)
    return given, time.monotonic() - began


def test_look_up_where_all_refuse_is_temporary_after_the_rounds(
    refusing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnsnames, "ROUND_PAUSES", (0.0, 0.1, 0.2))
    given, seconds = timed(Names([refusing, refusing]), b"host.test")
    assert given is DnsTemporary
    assert 0.3 <= seconds < dnsnames.LIMIT_SECONDS


def test_rounds_take_a_few_seconds_and_fit_into_the_limit() -> None:
    assert sum(dnsnames.ROUND_PAUSES) <= 3 < dnsnames.LIMIT_SECONDS <= 25


def test_look_up_goes_on_to_the_server_that_is_there(
    refusing: tuple[str, int], server: DnsServer, patient: None
) -> None:
    names = Names([refusing, ("127.0.0.1", server.port)])
    given, seconds = timed(names, b"host.test")
    assert given == [b"192.0.2.1"]
    assert seconds < dnsnames.TRY_SECONDS


def test_look_up_finds_the_server_that_came_back(
    monkeypatch: pytest.MonkeyPatch, server: DnsServer
) -> None:
    names = Names([("127.0.0.1", server.port)])
    failures = [ConnectionRefusedError(111, "refused")]
    ask_once = Server.async_query

    async def query(self: Server, *words: object, **more: object) -> object:
        if failures:
            raise failures.pop()
        return await ask_once(self, *words, **more)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(Server, "async_query", query)
    assert ask(names, b"host.test") == [b"192.0.2.1"]
    assert failures == []


def test_look_up_at_a_silent_server_ends_at_the_limit(server: DnsServer) -> None:
    names = Names([("127.0.0.1", server.port)], limit=0.5)
    given, seconds = timed(names, b"silent.test")
    assert given is DnsTemporary
    assert 0.5 <= seconds < dnsnames.LIMIT_SECONDS


def test_failure_says_whether_a_server_has_answered(
    server: DnsServer, refusing: tuple[str, int]
) -> None:
    here = ("127.0.0.1", server.port)
    for servers, name, number in (
        ([here], b"broken.test", errno.EAGAIN),
        ([here, refusing], b"broken.test", errno.EAGAIN),
        ([refusing, here], b"broken.test", errno.EAGAIN),
        ([here], b"silent.test", errno.ETIMEDOUT),
        ([refusing, here], b"silent.test", errno.ETIMEDOUT),
        ([refusing], b"host.test", errno.ECONNREFUSED),
    ):
        limit = 0.5 if name == b"silent.test" else dnsnames.LIMIT_SECONDS
        failure = asyncio.run(answer(Names(servers, limit), b"a", name))
        assert isinstance(failure, DnsTemporary)
        assert failure.number == number, (servers, name)


def test_host_is_looked_for_where_the_search_list_says(server: DnsServer) -> None:
    names = Names([("127.0.0.1", server.port)])
    names.refresh()
    names.resolver.search = [dns.name.from_text("test.")]
    assert ask(names, b"host", b"host") == [b"192.0.2.1"]
    assert ask(names, b"host", b"host6") == [b"2001:db8::1"]
    # No other kind of question is.
    assert ask(names, b"host", b"aaaa") is DnsPermanent


QUERIES = [(b"a", b"silent.test"), (b"a", b"host.test"), (b"txt", b"nosuch.test")]


def ask_many(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch, seconds: float, enough: int
) -> tuple[list[object], float]:
    """What is there when so many answers are enough, and how long after the others.

    The clock stands still until those are there, however long they take.
    """
    names = Names([("127.0.0.1", server.port)])
    began = time.monotonic()
    others: list[float] = []

    def is_enough(answers: list[Answer | None]) -> bool:
        count = len(answers) - answers.count(None)
        if count == 2 and not others:
            others.append(time.monotonic())
        return count >= enough

    def now() -> float:
        return began + (time.monotonic() - others[0] if others else 0.0)

    monkeypatch.setattr(dnsnames, "time", SimpleNamespace(monotonic=now))
    answers = asyncio.run(answer_many(names, QUERIES, seconds, is_enough))
    found: list[object] = [x if isinstance(x, list) else type(x) for x in answers]
    return found, now() - began


def test_silent_name_takes_the_time_of_all_and_no_more(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, seconds = ask_many(server, monkeypatch, 0.5, enough=3)
    assert found == [type(None), [b"192.0.2.1"], DnsPermanent]
    assert 0.5 <= seconds < dnsnames.LIMIT_SECONDS


def test_who_has_enough_waits_for_no_other_name(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    found, seconds = ask_many(server, monkeypatch, 20, enough=2)
    assert found == [type(None), [b"192.0.2.1"], DnsPermanent]
    assert seconds < dnsnames.TRY_SECONDS


@pytest.mark.parametrize(
    ("ip", "asked"),
    [
        (b"192.0.2.1", "1.2.0.192.in-addr.arpa."),
        (b"2001:db8::1", f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa."),
        (b"::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa."),
    ],
)
def test_name_of_an_address_is_asked_for_in_its_tree(
    server: DnsServer, ip: bytes, asked: str
) -> None:
    ask(Names([("127.0.0.1", server.port)]), ip, b"ptr")
    assert (asked, "PTR", "udp") in server.asked


def test_answer_of_a_stranger_s_making_is_cut(server: DnsServer) -> None:
    server.zone["large.test.", "TXT"] = [f'"{n:0200}"' for n in range(300)]
    found = ask(Names([("127.0.0.1", server.port)]), b"large.test", b"txt")
    assert isinstance(found, list)
    assert len(found) == ITEMS


@given(st.binary(max_size=300))
def test_any_label_makes_a_printable_name(label: bytes) -> None:
    try:
        name = dns.name.Name([label, b""])
    except dns.exception.DNSException:
        return
    text = to_dot(name)
    assert not text.translate(None, b"abcdefghijklmnopqrstuvwxyz0123456789-_\\.")
    assert len(text) <= 4 * 255
    if label:
        assert to_dot(from_dot(text)) == text
