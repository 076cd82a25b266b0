"""pytools/ucspi/dnslists.py: what is asked, and what the answers come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.process.dnsanswers import DnsPermanent, DnsTemporary
from pytools.ucspi.dnslists import (
    List,
    queries,
    reversed_ip,
    that_matter,
    verdict,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer

IP = b"192.0.2.1"
NO, FAILED, NOTHING = DnsPermanent(), DnsTemporary(), list[bytes]()
WHY = [b"why"]
TWO = [b"127.0.0.2"]
DEAD = [b"203.0.113.80"]
BUSY = [b"127.255.255.254"]


def lists(*words: str) -> list[List]:
    """``r:base`` or ``a:base``; ``b`` and ``c`` before it as the options."""
    made = []
    for word in words:
        letters, _, base = word.partition(":")
        option = letters[-1].encode()
        made.append(List(option, base.encode(), "b" in letters, "c" in letters))
    return made


@pytest.mark.parametrize(
    ("ip", "labels"),
    [
        (b"192.0.2.1", b"1.2.0.192."),
        (b"::ffff:192.0.2.1", b"1.2.0.192."),
        (b"2001:db8::1", b"1." + b"0." * 23 + b"8.b.d.0.1.0.0.2."),
        (
            # RFC 5782 2.4 has this one.
            b"2001:db8:1:2:3:4:567:89ab",
            b"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.",
        ),
        (b"", b""),
        (b"host.name", b"name.host."),
    ],
)
def test_address_is_asked_for_in_reverse(ip: bytes, labels: bytes) -> None:
    assert reversed_ip(ip) == labels


def test_all_lists_are_asked_for_what_they_need() -> None:
    made = lists("r:one.test", "r:two.test:text", "a:white.test", "r:.three..test.")
    assert queries(made, b"1.2.0.192.") == [
        (b"txt", b"1.2.0.192.one.test"),
        (b"a", b"1.2.0.192.one.test"),
        (b"a", b"1.2.0.192.two.test"),
        (b"a", b"1.2.0.192.white.test"),
        (b"txt", b"1.2.0.192.three.test"),
        (b"a", b"1.2.0.192.three.test"),
    ]


@pytest.mark.parametrize("base", ["x" * 64, "x." * 130])
def test_name_that_cannot_be_asked_for_is_trouble(base: str) -> None:
    assert {kind for kind, _ in queries(lists(f"r:{base}"), b"1.")} == {b"none"}


def test_anti_lists_without_a_list_after_them_are_not_asked() -> None:
    made = lists("a:one", "r:two", "a:three", "a:four")
    assert [each.base for each in that_matter(made)] == [b"one", b"two"]
    assert that_matter(lists("a:one")) == []


LISTED = b"192.0.2.1 is listed in x"
ONE_LIST: list[tuple[Answer | None, Answer | None, bytes | None]] = [
    # TXT and A of one list, and the text of the refusal (b"" none, None not known yet).
    (WHY, TWO, b"why"),
    ([b"w", b"hy"], TWO, b"why"),
    (WHY, NOTHING, b"why"),
    (WHY, NO, b"why"),
    (WHY, FAILED, b"why"),
    (WHY, [*DEAD, *TWO], b"why"),
    (WHY, DEAD, b""),
    (WHY, BUSY, b""),
    (NOTHING, TWO, LISTED),
    ([b""], TWO, LISTED),
    (FAILED, TWO, LISTED),
    (NOTHING, NOTHING, b""),
    (NOTHING, DEAD, b""),
    (FAILED, DEAD, b""),
    (FAILED, NO, b""),
    (NO, TWO, b""),
    (NO, None, b""),
    (None, DEAD, b""),
    (None, TWO, None),
    (None, NO, None),
    (WHY, None, None),
    (NOTHING, None, None),
    (FAILED, None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("txt", "a", "text"), ONE_LIST)
def test_list_knows_the_client_or_not(
    txt: Answer | None, a: Answer | None, text: bytes | None
) -> None:
    found = verdict(lists("r:x"), [txt, a], IP)
    if text is None:
        assert found is None
    else:
        assert found is not None
        assert (found.code, found.text) == (b"451" if text else b"250", text)


CASES: list[tuple[str, list[Answer | None], bytes | None, bytes]] = [
    ("r:x", [WHY, TWO], b"451", b"why"),
    ("br:x", [WHY, TWO], b"553", b"why"),
    # Trouble anywhere before: nothing is for good.
    ("br:x", [FAILED, TWO], b"451", LISTED),
    ("br:x br:y", [FAILED, FAILED, WHY, TWO], b"451", b"why"),
    ("br:x br:y", [NO, NO, WHY, TWO], b"553", b"why"),
    ("br:x r:y", [WHY, TWO, FAILED, FAILED], b"553", b"why"),
    # The first that knows the client counts, and is waited for.
    ("r:x br:y", [[b"first"], TWO, WHY, TWO], b"451", b"first"),
    ("r:x br:y", [None, None, WHY, TWO], None, b""),
    ("r:x br:y", [WHY, TWO, None, None], b"451", b"why"),
    # Failing open and closed.
    ("r:x", [FAILED, FAILED], b"250", b""),
    ("r:x", [FAILED, NOTHING], b"250", b""),
    ("cr:x", [FAILED, FAILED], b"451", b"temporary RBL lookup error"),
    ("bcr:x", [FAILED, NOTHING], b"451", b"temporary RBL lookup error"),
    ("cr:x", [NOTHING, FAILED], b"451", b"temporary RBL lookup error"),
    ("cr:x", [NO, FAILED], b"250", b""),
    # Anti-lists: any address counts; one that fails lets in, unless -c.
    ("a:w r:x", [TWO, WHY, TWO], b"250", b""),
    ("a:w r:x", [DEAD, WHY, TWO], b"250", b""),
    ("a:w r:x", [TWO, None, None], b"250", b""),
    ("a:w r:x", [NO, WHY, TWO], b"451", b"why"),
    ("a:w r:x", [NOTHING, WHY, TWO], b"451", b"why"),
    ("a:w r:x", [None, WHY, TWO], None, b""),
    ("a:w br:x", [FAILED, WHY, TWO], b"250", b""),
    ("ca:w br:x", [FAILED, WHY, TWO], b"451", b"why"),
    ("br:x a:w", [WHY, TWO, TWO], b"553", b"why"),
    # A text of the operator's.
    ("br:x:you,%IP%,%IP%%", [TWO], b"553", b"you,192.0.2.1,192.0.2.1%"),
    ("r:x:", [TWO], b"451", LISTED),
    ("r:x:text", [DEAD], b"250", b""),
    ("r:x:text", [BUSY], b"250", b""),
    ("r:x:text", [NO], b"250", b""),
    ("r:x:text", [None], None, b""),
    ("cr:x:text", [FAILED], b"451", b"temporary RBL lookup error"),
]


@pytest.mark.parametrize(("words", "answers", "code", "text"), CASES)
def test_verdict_is_that_of_asking_one_after_the_other(
    words: str, answers: list[Answer | None], code: bytes | None, text: bytes
) -> None:
    found = verdict(lists(*words.split()), answers, IP)
    assert (found and found.code) == code
    if found is not None:
        assert found.text == text


ANSWERS: list[Answer] = [WHY, TWO, DEAD, BUSY, NOTHING, NO, FAILED]
an_answer = st.sampled_from(ANSWERS)
some_lists = st.lists(
    st.sampled_from(["r:x", "br:x", "cr:y", "a:w", "ca:w", "br:x:t"]), max_size=4
)


@given(some_lists, st.data())
def test_verdict_of_a_part_of_the_answers_is_the_one_of_all(
    words: list[str], data: st.DataObject
) -> None:
    """So it is right to stop waiting as soon as there is one."""
    made = lists(*words)
    count = len(queries(made, b"1."))
    all_of_them: list[Answer | None] = [data.draw(an_answer) for _ in range(count)]
    missing = data.draw(st.sets(st.integers(0, max(count - 1, 0))))
    part = list(all_of_them)
    for n in missing & set(range(count)):
        part[n] = None
    early, late = verdict(made, part, IP), verdict(made, all_of_them, IP)
    assert late is not None
    if early is not None:
        assert (early.code, early.text) == (late.code, late.text)
