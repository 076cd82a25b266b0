"""Properties of what qmail-send decides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qmail.control.maps import ConstMap
from qmail.send.bounces import note
from qmail.send.log import safe
from qmail.send.rewriting import LOCAL, REMOTE, Rewriter
from qmail.send.schedule import next_retry

# Few letters, so that keys and addresses meet.
ADDRESS = st.text("ab.@%", max_size=12).map(str.encode)
KEYS = st.lists(st.text("ab.@%", max_size=6).map(str.encode), max_size=6)
VALUES = st.sampled_from([b"", b"p", b"a"])


def route_as_written(
    locals_: list[bytes],
    virtual: dict[bytes, bytes],
    hack: list[bytes],
    envnoathost: bytes,
    recipient: bytes,
) -> tuple[int, bytes]:
    """The rules of qmail-send(8), position by position."""
    address = recipient if b"@" in recipient else recipient + b"@" + envnoathost
    at = len(recipient) if b"@" not in recipient else address.rindex(b"@")
    while address[at + 1 :] in hack:
        percent = address.rfind(b"%", 0, at)
        if percent < 0:
            break
        address = address[:percent] + b"@" + address[percent + 1 : at]
        at = percent
    at = address.rindex(b"@")
    if address[at + 1 :] in locals_:
        return LOCAL, address
    for i in range(len(address) + 1):
        is_dot = i > at and address[i : i + 1] == b"."
        if i in (0, at + 1, len(address)) or is_dot:
            value = virtual.get(address[i:])
            if value is not None:
                if value:
                    return LOCAL, value + b"-" + address
                break
    return REMOTE, address


@given(KEYS, st.dictionaries(ADDRESS, VALUES, max_size=8), KEYS, ADDRESS)
def test_route_is_what_the_rules_say(
    locals_: list[bytes], virtual: dict[bytes, bytes], hack: list[bytes], who: bytes
) -> None:
    lines = [key + b":" + value for key, value in virtual.items()]
    rewriter = Rewriter(
        ConstMap(locals_), ConstMap(lines, colon=True), ConstMap(hack), b"b.a"
    )
    expected = route_as_written(locals_, virtual, hack, b"b.a", who)
    assert rewriter.route(who) == expected


@given(st.dictionaries(ADDRESS, VALUES, max_size=8), ADDRESS)
def test_strip_prepend_gives_the_address_or_its_tail(
    virtual: dict[bytes, bytes], who: bytes
) -> None:
    lines = [key + b":" + value for key, value in virtual.items()]
    none = ConstMap([])
    rewriter = Rewriter(none, ConstMap(lines, colon=True), none, b"b")
    assert who.endswith(rewriter.strip_prepend(who))


REPORT = st.tuples(
    st.integers(0, 255),
    st.sampled_from([b"K", b"Z", b"D", b"?"]),
    st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"")),
)


def slashed(text: bytes) -> bytes:
    """From the end to the start, as the format was first written."""
    data = bytearray(text)
    for position in range(len(data) - 2, 0, -1):
        if data[position] == 10 and data[position - 1] == 10:
            data[position] = ord("/")
    return bytes(data)


@given(st.text("ab\n", max_size=6), st.text("x\n ", max_size=12))
def test_note_is_one_paragraph(address: str, report: str) -> None:
    paragraph = note(address.encode(), report.encode())
    whole = report if report.endswith("\n") or not report else report + "\n"
    head = "<" + address.replace("\n", "_") + ">:\n"
    assert paragraph == slashed((head + whole).encode()) + b"\n"
    # Nothing before its end looks like the end of a paragraph, save at the very end.
    assert b"\n\n" not in paragraph.rstrip(b"\n")


@given(st.binary())
def test_safe_text_is_printable_and_as_long(text: bytes) -> None:
    made = safe(text)
    assert len(made) == len(text)
    assert all(32 < byte < 127 and byte != ord("%") for byte in made)


@given(st.integers(0, 2**31), st.integers(-(2**20), 2**31), st.sampled_from([10, 20]))
def test_next_retry_is_in_the_future_and_not_too_far(
    birth: int, age: int, skip: int
) -> None:
    now = birth + age
    when = next_retry(birth, now, skip)
    assert when > now
    counted = max(now, birth) - birth
    assert when - max(now, birth) <= skip * skip + 2 * skip * counted**0.5 + 1
