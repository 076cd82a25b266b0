"""The wire between qmail-send and the spawners."""

from __future__ import annotations

import pytest

from qmail.spawn import records
from qmail.spawn.records import (
    FIELD_MAX,
    REPORT_MAX,
    Command,
    CommandDecoder,
    ReportDecoder,
    encode_command,
    encode_report,
    refusal,
)

WIRE = b"\x07" + b"3/26\0me@here\0joe@you@host\0"


def decoded(*chunks: bytes) -> list[tuple[int, bytes, bytes, bytes, bool]]:
    decoder = CommandDecoder()
    found = []
    for chunk in chunks:
        decoder.receive(chunk)
        while (c := decoder.next_command()) is not None:
            found.append((c.number, c.messid, c.sender, c.recipient, c.overlong))
    return found


def test_command_any_split_is_the_same_command() -> None:
    whole = [(7, b"3/26", b"me@here", b"joe@you@host", False)]
    for cut in range(len(WIRE) + 1):
        assert decoded(WIRE[:cut], WIRE[cut:]) == whole
    assert decoded(*(WIRE[i : i + 1] for i in range(len(WIRE)))) == whole


def test_command_number_may_be_nul() -> None:
    assert decoded(b"\0" + WIRE[1:] + b"\0")[0][0] == 0


def test_command_fields_may_be_empty() -> None:
    assert decoded(b"\x01\0\0\0") == [(1, b"", b"", b"", False)]


def test_commands_in_one_read_are_all_found() -> None:
    assert [found[0] for found in decoded(WIRE + b"\x08" + WIRE[1:])] == [7, 8]


def test_command_encoded_is_the_wire() -> None:
    assert encode_command(Command(7, b"3/26", b"me@here", b"joe@you@host")) == WIRE


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("field", [0, 1, 2])
def test_command_overlong_field_spoils_only_its_command(
    pieces: int, field: int
) -> None:
    fields = [b"3/26", b"s", b"r@h"]
    fields[field] = b"1" * (FIELD_MAX + 1)
    wire = b"\x05" + b"\0".join(fields) + b"\0" + WIRE
    size = -(-len(wire) // pieces)
    chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
    found = decoded(*chunks)
    assert found[0] == (5, b"", b"", b"", True)
    assert found[1][:2] == (7, b"3/26")
    assert len(found) == 2


def test_command_longest_field_is_taken() -> None:
    sender = b"s" * FIELD_MAX
    assert decoded(b"\x05" + b"3/26\0" + sender + b"\0r@h\0")[0][2] == sender


def test_recipient_is_cut_at_its_last_at() -> None:
    command = Command(0, b"1", b"", b"a@b@c")
    assert (command.local, command.domain) == (b"a@b", b"c")


@pytest.mark.parametrize(
    ("command", "in_use", "report"),
    [
        (Command(0, b"", b"", b"", overlong=True), False, records.OVERLONG),
        (Command(120, b"1/1", b"", b"a@b"), False, records.NUMBER_TOO_BIG),
        (Command(255, b"x", b"", b"a"), True, records.NUMBER_TOO_BIG),
        (Command(119, b"x", b"", b"a"), True, records.NUMBER_IN_USE),
        (Command(1, b"1/x", b"", b"a@b"), False, records.MESSID_NOT_NUMERIC),
        (Command(1, b"/1", b"", b"a@b"), False, records.MESSID_NOT_NUMERIC),
        (Command(1, b"1/../2", b"", b"a@b"), False, records.MESSID_NOT_NUMERIC),
        (Command(1, b"1\n", b"", b"a@b"), False, records.MESSID_NOT_NUMERIC),
        (Command(1, b"1" * 100, b"", b"a@b"), False, records.MESSID_TOO_LONG),
        (Command(1, b"", b"", b"a@b"), False, records.MESSID_EMPTY),
        (Command(1, b"1/1", b"", b"a"), False, records.NO_DOMAIN),
        (Command(1, b"1/1", b"", b""), False, records.NO_DOMAIN),
    ],
)
def test_command_that_cannot_be_tried_is_refused(
    command: Command, in_use: bool, report: bytes
) -> None:
    assert refusal(command, in_use) == report


@pytest.mark.parametrize("messid", [b"1", b"0/23", b"22/" + b"9" * 96])
def test_command_that_can_be_tried_is_not_refused(messid: bytes) -> None:
    assert refusal(Command(119, messid, b"", b"@"), in_use=False) is None


def reports(*chunks: bytes) -> list[tuple[int, bytes]]:
    decoder = ReportDecoder()
    found = []
    for chunk in chunks:
        decoder.receive(chunk)
        while (report := decoder.next_report()) is not None:
            found.append(report)
    return found


def test_report_any_split_is_the_same_report() -> None:
    wire = encode_report(0, b"Kfine\n") + encode_report(119, b"") + b"\x03Zno\0"
    whole = [(0, b"Kfine\n"), (119, b""), (3, b"Zno")]
    for cut in range(len(wire) + 1):
        assert reports(wire[:cut], wire[cut:]) == whole
    assert reports(*(wire[i : i + 1] for i in range(len(wire)))) == whole


def test_report_text_ends_at_its_first_nul() -> None:
    assert encode_report(5, b"Kone\0two") == b"\x05Kone\0"


@pytest.mark.parametrize("extra", [-1, 0, 1, REPORT_MAX])
def test_report_too_long_is_cut_whatever_the_split(extra: int) -> None:
    text = b"Z" + b"x" * (REPORT_MAX - 2 + extra)
    wire = encode_report(4, text) + b"\x06Kok\0"
    expected = [(4, text[: REPORT_MAX - 1]), (6, b"Kok")]
    assert reports(wire) == expected
    for cut in (1, REPORT_MAX - 1, REPORT_MAX, REPORT_MAX + 1, REPORT_MAX + 2):
        assert reports(wire[:cut], wire[cut:]) == expected


def test_report_too_long_is_cut_and_the_next_one_is_whole() -> None:
    stream = b"\x01K" + b"x" * 30000 + b"\0\x02Dno\0"
    found = reports(*(stream[at : at + 2048] for at in range(0, len(stream), 2048)))
    assert found == [(1, b"K" + b"x" * (records.REPORT_MAX - 2)), (2, b"Dno")]
