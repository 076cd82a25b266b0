"""The sink of a trial: what it answers, and what it keeps."""

from __future__ import annotations

import io
from pathlib import Path

from qmail.operator import sink


def talk(directory: Path, lines: bytes) -> list[bytes]:
    """The codes of the answers to a client that says all of this."""
    output = io.BytesIO()
    sink.serve(str(directory), io.BytesIO(lines), output)
    return [line[:3] for line in output.getvalue().splitlines()]


def test_message_is_kept_below_its_envelope(tmp_path: Path) -> None:
    codes = talk(
        tmp_path,
        b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
        b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
    )
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"354", b"250", b"221"]
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == (
        b"X-Envelope-Sender: <a@b>\nX-Envelope-Recipients: <c@d>, <e@f>\n"
        b"Subject: x\n\n.dot\n"
    )


def test_message_cut_off_is_not_kept(tmp_path: Path) -> None:
    talk(tmp_path, b"MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n")
    assert list(tmp_path.iterdir()) == []


def test_data_without_recipient_is_refused(tmp_path: Path) -> None:
    assert talk(tmp_path, b"DATA\r\nWHAT\r\n") == [b"220", b"503", b"502"]
