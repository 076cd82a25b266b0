"""Lists of addresses in the DNS: what to ask about a client, what it comes to (pure).

RFC 5782 2.1 an IPv4 address is asked for with its bytes reversed, below the name of the
             list. Every entry has an A record, which is no address of anything, and may
             have a TXT record that says why.
RFC 5782 2.4 an IPv6 address is asked for as its 32 hexadecimal digits, reversed.
Order        everything is asked at once, and judged as if it had been asked one list
             after the other: the first list or anti-list that knows the client counts.
"""

from __future__ import annotations

from pytools.base.ip import parse_ip6, unmapped
from pytools.process.dnsanswers import DnsPermanent, DnsTemporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer, Query

    Answers = list[Answer | None]

ACCEPT, TEMPORARY, PERMANENT = b"250", b"451", b"553"
"""What becomes of a client: mail is accepted, or refused for now, or for good."""
FAILED_TEXT = b"temporary RBL lookup error"
LISTED = b"127."
REFUSED = b"127.255.255."
"""Below this a list says that it does not answer this asker, or not this question."""

NOT_ANSWERED = b"none"
"""A kind of question that has no answer: the look-up fails for now."""
LABEL_BYTES = 63
NAME_BYTES = 255


class List:
    """One -r or -a, with the options before it that concern it."""

    __slots__ = ("base", "fails_closed", "is_anti", "is_permanent", "text")

    def __init__(
        self, option: bytes, value: bytes, is_permanent: bool, fails_closed: bool
    ) -> None:
        self.is_anti = option == b"a"
        self.is_permanent = is_permanent
        self.fails_closed = fails_closed
        self.base = value
        self.text: bytes | None = None
        """What to say instead of the TXT record; then only an A record is asked for."""
        if not self.is_anti and b":" in value:
            # COMPAT: a name cannot have a colon; much used patches have it mean this.
            self.base, _, self.text = value.partition(b":")

    @property
    def kinds(self) -> tuple[bytes, ...]:
        """The types of the records to ask for."""
        return (b"a",) if self.is_anti or self.text is not None else (b"txt", b"a")


class Verdict:
    """What becomes of the client, and what to tell it."""

    __slots__ = ("code", "text")

    def __init__(self, code: bytes, text: bytes = b"") -> None:
        self.code = code
        self.text = text


def reversed_ip(ip: bytes) -> bytes:
    """The labels that stand for a client, with a dot at the end.

    An IPv4 address in IPv6 form (``::ffff:192.0.2.1``) is an IPv4 address. COMPAT: what
    is no address at all is reversed at its dots, as in the original.
    """
    packed = parse_ip6(ip)
    if packed is not None:
        packed = unmapped(packed)
    if packed is None:
        labels = ip.split(b".") if ip else []
    elif len(packed) == 4:
        labels = [b"%d" % byte for byte in packed]
    else:
        labels = [b"%c" % digit for digit in packed.hex().encode()]
    return b"".join(label + b"." for label in reversed(labels))


def that_matter(lists: list[List]) -> list[List]:
    """The lists without the anti-lists at the end: they have nothing to prevent."""
    kept = list(lists)
    while kept and kept[-1].is_anti:
        kept.pop()
    return kept


def queries(lists: list[List], reverse: bytes) -> list[Query]:
    """All questions, in the order in which ``verdict`` wants the answers."""
    return [_query(kind, reverse + each.base) for each in lists for kind in each.kinds]


def _query(kind: bytes, name: bytes) -> Query:
    """COMPAT: two dots count as one; a name that is too long is trouble, not a "no"."""
    labels = [label for label in name.split(b".") if label]
    size = sum(len(label) + 1 for label in labels) + 1
    is_possible = size <= NAME_BYTES and all(len(x) <= LABEL_BYTES for x in labels)
    return kind if is_possible else NOT_ANSWERED, b".".join(labels)


def verdict(lists: list[List], answers: Answers, ip: bytes) -> Verdict | None:
    """What the answers come to; None if that depends on one that is not there yet."""
    has_failed = False
    at = 0
    for each in lists:
        found = answers[at : at + len(each.kinds)]
        at += len(each.kinds)
        finding = _finding(each, found, ip)
        if finding is None:
            return None
        # Trouble with one list: what another says must not be for good.
        has_failed = has_failed or finding.has_failed
        if each.is_anti:
            if finding.text or (finding.has_failed and not each.fails_closed):
                return Verdict(ACCEPT)
        elif finding.text:
            for_good = each.is_permanent and not has_failed
            return Verdict(PERMANENT if for_good else TEMPORARY, finding.text)
        elif finding.has_failed and each.fails_closed:
            return Verdict(TEMPORARY, FAILED_TEXT)
    return Verdict(ACCEPT)


class Finding:
    """What a list says of the client: a text if it knows it; whether it failed."""

    __slots__ = ("has_failed", "text")

    def __init__(self, text: bytes, has_failed: bool = False) -> None:
        self.text = text
        self.has_failed = has_failed


def _finding(each: List, found: Answers, ip: bytes) -> Finding | None:
    if each.is_anti:
        # Whatever the address is: to accept what need not be is no loss of mail.
        (address,) = found
        if address is None:
            return None
        return Finding(each.base if _items(address) else b"", _failed(address))
    if each.text is not None:
        (address,) = found
        if address is None:
            return None
        text = each.text.replace(b"%IP%", ip) or _default_text(each, ip)
        return Finding(text if _is_listed(address) else b"", _failed(address))
    return _of_both(each, found[0], found[1], ip)


def _of_both(
    each: List, texts: Answer | None, address: Answer | None, ip: bytes
) -> Finding | None:
    """From the TXT and the A record of a list.

    COMPAT: the original asks for TXT alone, and takes any for an entry. Here an address
    that no list gives (a dead list's domain that somebody bought, a list that refuses
    to answer) means that there is none; and an entry needs no TXT.
    """
    if isinstance(texts, DnsPermanent):
        return Finding(b"")
    if address is None:
        return None
    if _items(address) and not _is_listed(address):
        return Finding(b"")
    if texts is None:
        return None
    text = b"".join(_items(texts))
    if not text and _is_listed(address):
        text = _default_text(each, ip)
    if not text and isinstance(address, DnsPermanent):
        return Finding(b"")
    has_failed = _failed(texts) or (not text and _failed(address))
    return Finding(text, has_failed)


def _default_text(each: List, ip: bytes) -> bytes:
    return ip + b" is listed in " + each.base


def _is_listed(address: Answer) -> bool:
    """RFC 5782 2.1: 127.0.0.2 by convention; other values lie below 127 as well."""
    return any(
        ip.startswith(LISTED) and not ip.startswith(REFUSED) for ip in _items(address)
    )


def _items(answer: Answer) -> list[bytes]:
    return answer if isinstance(answer, list) else []


def _failed(answer: Answer) -> bool:
    return isinstance(answer, DnsTemporary)
