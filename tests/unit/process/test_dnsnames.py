"""How long a look-up takes when the DNS servers are in trouble."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from pytools.process import dnsnames
from pytools.process.dnsnames import Names, answer, answer_soon
from pytools.process.dnsserver import Server
from tests.support.dnsserver import DnsServer, serving

TEMPORARY = b"1:Z,"
FOUND = b"1:K,9:192.0.2.1,"
Ask = Callable[[Names, bytes, bytes], bytes]


def ask_soon(names: Names, kind: bytes, name: bytes) -> bytes:
    return asyncio.run(answer_soon(names, kind, name))


both_ways = pytest.mark.parametrize("ask", [answer, ask_soon], ids=["wait", "soon"])


@pytest.fixture
def server() -> Iterator[DnsServer]:
    zone = {("host.test.", "A"): ["192.0.2.1"], ("silent.test.", "SILENT"): []}
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


def timed(ask: Ask, names: Names, name: bytes) -> tuple[bytes, float]:
    began = time.monotonic()
    given = ask(names, b"a", name)
    return given, time.monotonic() - began


@both_ways
def test_look_up_where_all_refuse_is_temporary_after_the_rounds(
    ask: Ask, refusing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnsnames, "ROUND_PAUSES", (0.0, 0.1, 0.2))
    given, seconds = timed(ask, Names([refusing, refusing]), b"host.test")
    assert given == TEMPORARY
    assert 0.3 <= seconds < 3


def test_rounds_take_a_few_seconds_and_fit_into_the_limit() -> None:
    assert sum(dnsnames.ROUND_PAUSES) <= 3 < dnsnames.LIMIT_SECONDS <= 25


@both_ways
def test_look_up_goes_on_to_the_server_that_is_there(
    ask: Ask, refusing: tuple[str, int], server: DnsServer
) -> None:
    names = Names([refusing, ("127.0.0.1", server.port)])
    given, seconds = timed(ask, names, b"host.test")
    assert given == FOUND
    assert seconds < dnsnames.TRY_SECONDS


@both_ways
def test_look_up_finds_the_server_that_came_back(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, server: DnsServer
) -> None:
    names = Names([("127.0.0.1", server.port)])
    failures = [ConnectionRefusedError(111, "refused")]
    ask_once = Server.query

    def query(self: Server, *words: object, **more: object) -> object:
        if failures:
            raise failures.pop()
        return ask_once(self, *words, **more)  # type: ignore[arg-type]  # passed on

    async def query_soon(self: Server, *words: object, **more: object) -> object:
        del more["backend"]
        return query(self, *words, **more)

    monkeypatch.setattr(Server, "query", query)
    monkeypatch.setattr(Server, "async_query", query_soon)
    assert ask(names, b"a", b"host.test") == FOUND
    assert failures == []


@both_ways
def test_look_up_at_a_silent_server_ends_at_the_limit(
    ask: Ask, server: DnsServer
) -> None:
    names = Names([("127.0.0.1", server.port)], limit=0.5)
    given, seconds = timed(ask, names, b"silent.test")
    assert given == TEMPORARY
    assert 0.5 <= seconds < 3
