"""A program for $QMAILQUEUE that keeps what it is given, and answers as told."""

from __future__ import annotations

from pathlib import Path


class Recorder:
    """``program`` writes message and envelope into files and exits ``code``."""

    def __init__(self, where: Path, code: int = 0) -> None:
        where.mkdir()
        where.chmod(0o777)
        self.where = where
        self.program = where / "queue"
        self.program.write_text(
            "#!/bin/sh\n"
            f"cat > '{where}/message'\ncat <&1 > '{where}/envelope'\nexit {code}\n"
        )
        self.program.chmod(0o755)

    @property
    def message(self) -> bytes:
        return (self.where / "message").read_bytes()

    @property
    def envelope(self) -> list[bytes]:
        """The records: F and the sender, then T and each recipient."""
        records = (self.where / "envelope").read_bytes()
        assert records.endswith(b"\0\0")
        return records[:-2].split(b"\0")

    @property
    def was_run(self) -> bool:
        return (self.where / "message").exists()
