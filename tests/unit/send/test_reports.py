"""Commands to the spawners, and their reports."""

from __future__ import annotations

from qmail.send.reports import MAX_REPORT, ReportReader, encode_command


def test_encode_command_is_number_and_three_strings() -> None:
    command = encode_command(0, b"3/26", b"s@x", b"r@y")
    assert command == b"\x003/26\0s@x\0r@y\0"
    assert encode_command(255, b"3/26", b"", b"r")[0] == 255


def test_reports_with_number_nul_and_without_text_are_told_apart() -> None:
    stream = b"\0Kok\0" + b"\x05Zwait\n\0" + b"\0\0" + b"\x07D\0"
    assert ReportReader().feed(stream) == [
        (0, b"K", b"ok"),
        (5, b"Z", b"wait\n"),
        (0, b"", b""),
        (7, b"D", b""),
    ]


def test_report_too_long_is_cut_and_the_next_one_is_whole() -> None:
    reader = ReportReader()
    found = []
    stream = b"\x01K" + b"x" * 30000 + b"\0\x02Dno\0"
    for at in range(0, len(stream), 2048):
        found += reader.feed(stream[at : at + 2048])
    assert found == [(1, b"K", b"x" * (MAX_REPORT - 2)), (2, b"D", b"no")]
