"""TAI64N labels to local time."""

from __future__ import annotations

import time

import pytest

from pytools.multilog.localtime import Translator
from tests.support.trickle import pieces

pytestmark = pytest.mark.usefixtures("utc")

LABEL = b"@4000000037c219bf2ef02e94"
CASES = [
    (LABEL + b" hi\n", b"1999-08-24 04:04:05.787492500 hi\n"),
    (LABEL + b"\n", b"1999-08-24 04:04:05.787492500\n"),
    (b" " + LABEL + b"\n", b" " + LABEL + b"\n"),
    (LABEL + LABEL + b"\n", b"1999-08-24 04:04:05.787492500" + LABEL + b"\n"),
    (b"@4000000037c219bfffffffff x\n", b"1999-08-24 04:04:05.4294967295 x\n"),
    (b"@004000000037c219bf00000001z\n", b"1999-08-24 04:04:05.000000001z\n"),
    (b"@14000000037c219bf00000001z\n", b"1999-08-24 04:04:05.000000001z\n"),
    (b"@40000000000000000000000a z\n", b"1969-12-31 23:59:50.000000010 z\n"),
    (b"@3fffffff0000000000000001 q\n", b"1833-11-24 17:31:34.000000001 q\n"),
    (b"@4000001037c219bf00000001 b\n", b"4177-04-11 11:36:21.000000001 b\n"),
    (b"@\n@beef\n@4000000037C2\n", b"@\n@beef\n@4000000037C2\n"),
    (b"a\n\n" + LABEL + b" b", b"a\n\n1999-08-24 04:04:05.787492500 b"),
    (b"x\n" + LABEL, b"x\n"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_translation_is_the_same_in_any_pieces(text: bytes, expected: bytes) -> None:
    for cuts in pieces(text):
        translator = Translator()
        assert b"".join(map(translator.feed, cuts)) == expected


def test_line_without_label_is_not_held_back() -> None:
    assert Translator().feed(b"prompt> ") == b"prompt> "


def test_local_zone_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    assert Translator().feed(LABEL + b" x\n").startswith(b"1999-08-24 06:04:05")
