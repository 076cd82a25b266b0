"""qmail/remote/report.py."""

from __future__ import annotations

import pytest

from qmail.remote import report
from qmail.smtp.client import Outcome


def test_report_has_letter_words_and_one_nul() -> None:
    outcome = Outcome(b"D", b"Connected to ", b" but no.\n", b"550 a\0b\n")
    assert report.of(outcome, b"192.0.2.1") == (
        b"DConnected to 192.0.2.1 but no.\nRemote host said: 550 a?b\n\0"
    )


def test_report_acceptance_is_a_letter() -> None:
    assert report.of(Outcome(b"r"), b"192.0.2.1") == b"r\0"


def test_report_host_name_is_made_printable() -> None:
    text = report.no_host(b"a b\xff\n")
    assert text == b"DSorry, I couldn't find any host a?b??. (#5.1.2)\n"


@pytest.mark.parametrize(
    ("text", "letter", "status"),
    [
        (report.USAGE, b"D", b"(#5.3.5)"),
        (report.NO_HOME, b"Z", b"(#4.3.0)"),
        (report.NO_CONTROLS, b"Z", b"(#4.3.0)"),
        (report.NO_RESOURCES, b"Z", b"(#4.3.0)"),
        (report.NO_MESSAGE, b"Z", b"(#4.3.0)"),
        (report.NO_ANSWER, b"Z", b"(#4.1.2)"),
        (report.NO_EXCHANGER, b"D", b"(#5.4.4)"),
        (report.NULL_EXCHANGER, b"D", b"(#5.1.10)"),
        (report.NO_CONNECTION, b"Z", b"(#4.4.1)"),
        (report.OWN_EXCHANGER, b"D", b"(#5.4.6)"),
        (report.PARTIAL_LINE, b"D", b"(#5.6.2)"),
        (report.BAD_SENDER, b"D", b"(#5.1.7)"),
    ],
)
def test_report_letter_agrees_with_status(
    text: bytes, letter: bytes, status: bytes
) -> None:
    assert text.startswith(letter)
    assert text.endswith(status + b"\n")
