"""DNS for warm parents and their children, without dnspython in any of them.

Why          dnspython costs 100 ms and 15 MB; a session has neither to spare. One child
             of the warm parent carries it and answers everybody over a Unix socket.
Without it   (no warm parent, it ended, a foreign program in between) a query is
             answered by dnspython in this process, or in a short-lived child where
             softlimit leaves no room for an import.
Answers      text as bytes. An empty list: the name exists without such data.
             ``DnsPermanent``: no such name. ``DnsTemporary``: try again later.
"""

from __future__ import annotations

import resource
import sys
import time

from pytools.base.ip import parse_ip4
from pytools.process import child
from pytools.process.dnsanswers import (
    DnsPermanent,
    DnsTemporary,
    decode_answers,
    encode_answers,
)
from pytools.process.resolver_client import Asking
from pytools.process.resolver_parent import Resolver, endpoint, lift_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer, Enough, Query

__all__ = [
    "DnsPermanent",
    "DnsTemporary",
    "Resolver",
    "a",
    "aaaa",
    "addresses",
    "ask_many",
    "endpoint",
    "mx",
    "ptr",
    "qualified",
    "qualified6",
    "txt",
]

ANSWER_SECONDS = 45
"""How long a client waits: longer than the resolver tries."""


def ptr(ip: bytes) -> list[bytes]:
    """The names of an address given as text (``192.0.2.1`` or ``2001:db8::1``)."""
    return _ask(b"ptr", ip)


def a(name: bytes) -> list[bytes]:
    """The IPv4 addresses of a name, as text; of an address the address itself."""
    return [name] if parse_ip4(name) else _ask(b"a", name)


def aaaa(name: bytes) -> list[bytes]:
    """The IPv6 addresses of a name, as text."""
    return _ask(b"aaaa", name)


def mx(name: bytes) -> list[tuple[int, bytes]]:
    """(preference, host) of a name's mail exchangers; the root is ``.``."""
    found = []
    for item in _ask(b"mx", name):
        preference, _, host = item.partition(b" ")
        found.append((int(preference), host))
    return found


def txt(name: bytes) -> list[bytes]:
    """The texts of a name, the strings of each joined."""
    return _ask(b"txt", name)


def qualified(name: bytes) -> list[bytes]:
    """The IPv4 addresses of a host name, tried with the search list of resolv.conf."""
    return _ask(b"host", name)


def qualified6(name: bytes) -> list[bytes]:
    """The IPv6 addresses of a host name, tried with the search list of resolv.conf."""
    return _ask(b"host6", name)


def addresses(name: bytes) -> list[bytes]:
    """The IPv4, then the IPv6 addresses of a host name, as ``qualified`` finds them."""
    found = ask_many([(b"host", name), (b"host6", name)])
    lists = [answer for answer in found if isinstance(answer, list)]
    if not any(lists):
        for answer in found:
            if isinstance(answer, DnsTemporary):
                raise answer
        if not lists:
            raise DnsPermanent
    return [ip for answer in lists for ip in answer]


def _ask(kind: bytes, name: bytes) -> list[bytes]:
    """One answer. DnsPermanent, DnsTemporary."""
    (answer,) = ask_many([(kind, name)])
    if isinstance(answer, list):
        return answer
    raise answer or DnsTemporary


def _never(answers: list[Answer | None]) -> bool:
    return False


def ask_many(
    queries: list[Query], seconds: float = ANSWER_SECONDS, enough: Enough = _never
) -> list[Answer | None]:
    """Ask all of them at once; the answers, in the order of the queries.

    Ends when all are there, when ``enough`` says so of those that are, or after so many
    seconds. None: it did not come by then.
    """
    deadline = time.monotonic() + seconds
    where = endpoint()
    answers: list[Answer | None] = [None] * len(queries)
    left = list(range(len(queries)))
    if where is not None:
        left = Asking(where, queries, answers).run(deadline, enough)
    if left and not enough(answers):
        # Whoever asks for the rest alone must see the others, too.
        def enough_of_all(found: list[Answer | None]) -> bool:
            return enough(_merged(answers, left, found))

        rest = [queries[index] for index in left]
        seconds = deadline - time.monotonic()
        answers = _merged(answers, left, _answer_here(rest, seconds, enough_of_all))
    return answers


def _merged(
    answers: list[Answer | None], indices: list[int], found: list[Answer | None]
) -> list[Answer | None]:
    merged = list(answers)
    for index, answer in zip(indices, found, strict=True):
        merged[index] = answer
    return merged


def _answer_here(
    queries: list[Query], seconds: float, enough: Enough
) -> list[Answer | None]:
    """Answer with dnspython, which this process may have to import for it."""

    def work() -> list[Answer | None]:
        import asyncio

        from pytools.process import dnsnames

        names = dnsnames.Names(None)
        return asyncio.run(dnsnames.answer_many(names, queries, seconds, enough))

    def work_unlimited() -> bytes:
        lift_limits()
        return encode_answers(work())

    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if not limited or "pytools.process.dnsnames" in sys.modules:
        return work()
    try:
        return decode_answers(child.in_child(work_unlimited))
    except OSError:
        return [None] * len(queries)
