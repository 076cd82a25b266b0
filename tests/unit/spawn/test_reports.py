"""From a child's status and output to its report."""

from __future__ import annotations

import pytest

from qmail.spawn import exitcodes, reports
from qmail.spawn.reports import local_report, remote_report


def exited(code: int) -> int:
    return code << 8


@pytest.mark.parametrize(
    ("code", "letter"),
    [
        (exitcodes.USAGE, b"Z"),
        (exitcodes.ROOT, b"Z"),
        (exitcodes.NFS, b"Z"),
        (exitcodes.NO_ALIAS, b"Z"),
        (exitcodes.CDB, b"Z"),
        (exitcodes.SYSTEM, b"Z"),
        (exitcodes.MEMORY, b"Z"),
        (exitcodes.EXEC_SOFT, b"Z"),
        (exitcodes.EXEC_GETPW, b"Z"),
        (exitcodes.EXEC_HARD, b"D"),
    ],
)
def test_local_internal_code_has_a_text_of_its_own(code: int, letter: bytes) -> None:
    report = local_report(exited(code), b"whatever")
    assert report[:1] == letter
    assert b"whatever" not in report
    assert report.endswith(b"\n")


def test_local_letters_are_the_originals_for_every_code() -> None:
    soft = {71, 74, 75, 111, 112, 113, 115, 116, 117, 118, 119, 120, 121}
    for code in range(256):
        expected = b"K" if code == 0 else b"Z" if code in soft else b"D"
        assert local_report(exited(code), b"x")[:1] == expected, code


@pytest.mark.parametrize("status", [9, 11, 139, 15])
def test_crash_is_a_deferral(status: int) -> None:
    assert local_report(status, b"text").startswith(b"Z")
    assert remote_report(status, b"r\0K\0").startswith(b"Z")


def test_local_text_ends_at_its_first_nul() -> None:
    assert local_report(0, b"did 1+0+0\n\0more") == b"Kdid 1+0+0\n"


@pytest.mark.parametrize("size", [1, 128, 3001, 5000])
def test_local_output_over_the_limit_is_cut_once(size: int) -> None:
    output = reports.local_output()
    for at in range(0, 5000, size):
        output.add(b"x" * min(size, 5000 - at))
    assert (
        bytes(output.data)
        == b"x" * (2997 - len(reports.LOCAL_NOTE)) + reports.LOCAL_NOTE
    )


def test_local_output_at_the_limit_is_whole() -> None:
    output = reports.local_output()
    output.add(b"x" * 3000)
    assert bytes(output.data) == b"x" * 3000


def test_remote_runaway_is_a_deferral() -> None:
    output = reports.remote_output()
    for _ in range(20):
        output.add(b"h" * 65536)
    output.add(b"\0Dgone\n\0")
    assert len(output.data) < 100
    assert remote_report(0, bytes(output.data)).startswith(b"Zqmail-remote wrote")


@pytest.mark.parametrize(
    ("output", "report"),
    [
        (b"rok\n\0Kdone\n\0", b"Kok\ndone\n"),
        (b"r\0Kdone\n\0", b"Kdone\n"),
        (b"sbusy\n\0Kdone\n\0", b"Zbusy\n"),
        (b"hno\n\0Kdone\n\0", b"Dno\n"),
        (b"sbusy\n\0Zlater\n\0", b"Zbusy\nlater\n"),
        (b"sbusy\n\0Dgone\n\0", b"Zbusy\ngone\n"),
        (b"hno\n\0Dgone\n\0", b"Dno\ngone\n"),
        (b"hno\n\0Zlater\n\0", b"Dno\n"),
        (b"rok\n\0Zlater\n\0", b"Zok\nlater\n"),
        (b"rok\n\0Dgone\n\0", b"Dok\ngone\n"),
        (b"rok\n\0", b"Dok\n"),
        (b"rok\n", b"D"),
        (b"Zno such thing\n\0", b"Zno such thing\n"),
        (b"Dusage\n\0", b"Dusage\n"),
        (b"Zcut short", b"D"),
        (b"ra\0rb\0Kdone\n\0", b"Ka"),
        (b"rok\n\0Kdone\n", b"Dok\ndone\n"),
        (b"\0", b"D"),
        (b"\0\0", b"D"),
        (b"\0K\0", b"KK"),
    ],
)
def test_remote_reports_are_merged(output: bytes, report: bytes) -> None:
    assert remote_report(0, output) == report


def test_remote_letters_are_the_originals_for_every_code() -> None:
    for code in range(1, 256):
        expected = b"Z" if code == 111 else b"D"
        assert remote_report(exited(code), b"r\0K\0")[:1] == expected, code


def test_remote_silence_is_a_deferral() -> None:
    assert remote_report(0, b"").startswith(b"Z")
