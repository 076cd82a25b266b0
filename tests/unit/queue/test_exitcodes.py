"""What a caller makes of an exit code."""

from __future__ import annotations

import pytest

from qmail.queue.exitcodes import CRASHED_CODE, custom_text, verdict

STATUS = {
    11: (b"D", b"(#5.1.3)"),
    115: (b"D", b"(#5.1.3)"),
    31: (b"D", b"(#5.3.0)"),
    12: (b"D", b"(#5.3.0)"),
    40: (b"D", b"(#5.3.0)"),
    10: (b"Z", b"(#4.3.0)"),
    41: (b"Z", b"(#4.3.0)"),
    **dict.fromkeys((51, 52, 53, 54, 55, 56), (b"Z", b"(#4.3.0)")),
    **dict.fromkeys((61, 62, 63, 64, 65, 66, 71), (b"Z", b"(#4.3.0)")),
    72: (b"Z", b"(#4.4.1)"),
    73: (b"Z", b"(#4.4.1)"),
    74: (b"Z", b"(#4.4.2)"),
    **dict.fromkeys((1, 81, 91, 120, 111, 255, CRASHED_CODE), (b"Z", b"(#4.3.0)")),
}


@pytest.mark.parametrize("code", STATUS)
def test_verdict_has_letter_and_status(code: int) -> None:
    letter, status = STATUS[code]
    text = verdict(code)
    assert text.startswith(letter)
    assert text.endswith(status)


def test_verdict_of_queued_is_empty() -> None:
    assert verdict(0) == b""


def test_verdict_82_is_the_custom_text() -> None:
    assert verdict(82, b"Dspam (#5.7.1)\n") == b"Dspam (#5.7.1)"


@pytest.mark.parametrize("text", [b"", b"D", b"DX", b"Kfine (#2.0.0)", b"\0Dnothing"])
def test_verdict_82_without_usable_text_is_temporary(text: bytes) -> None:
    assert verdict(82, text) == verdict(1)


def test_custom_text_cannot_end_a_line() -> None:
    assert custom_text(b"Zone\r\n250 ok\x7f\x00rest") == b"Zone??250 ok?"


def test_custom_text_is_cut_at_255() -> None:
    assert len(custom_text(b"D" + b"x" * 999)) == 255


def test_verdict_text_of_other_codes_is_not_used() -> None:
    assert verdict(31, b"Zcustom (#4.0.0)").endswith(b"(#5.3.0)")
