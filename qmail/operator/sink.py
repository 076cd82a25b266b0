"""The other end of a trial instance's remote mail: an SMTP server that keeps it all.

Contract     the connection on descriptors 0 and 1, as tcpserver gives it. Every message
             becomes a file of its own in a directory, below two lines with its envelope.
"""

from __future__ import annotations

import os
import sys
import time
from typing import BinaryIO


def serve(directory: str, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer one client until QUIT or the end of the connection."""
    sender, recipients = b"", list[bytes]()

    def answer(text: bytes) -> None:
        sink.write(text + b"\r\n")
        sink.flush()

    answer(b"220 sink.example ESMTP")
    while line := source.readline():
        verb, _, rest = line.strip().partition(b" ")
        match verb.upper():
            case b"MAIL":
                sender, recipients = rest.partition(b":")[2].strip(), []
                answer(b"250 ok")
            case b"RCPT":
                recipients.append(rest.partition(b":")[2].strip())
                answer(b"250 ok")
            case b"DATA" if recipients:
                answer(b"354 go ahead")
                message = read_message(source)
                if message is None:
                    return
                name = save(directory, sender, recipients, message)
                answer(b"250 kept as " + name.encode())
            case b"DATA":
                answer(b"503 RCPT first (#5.5.1)")
            case b"QUIT":
                answer(b"221 sink.example")
                return
            case b"HELO" | b"EHLO" | b"RSET" | b"NOOP":
                answer(b"250 sink.example")
            case _:
                answer(b"502 unimplemented (#5.5.1)")


def read_message(source: BinaryIO) -> bytes | None:
    """The message up to the line with a dot; None if the connection ends before it."""
    lines = []
    while (line := source.readline()) != b".\r\n":
        if not line:
            return None
        lines.append(line.removeprefix(b".").replace(b"\r\n", b"\n"))
    return b"".join(lines)


def save(directory: str, sender: bytes, recipients: list[bytes], message: bytes) -> str:
    """Write the file, whole or not at all; its name."""
    name = f"{time.time_ns()}.{os.getpid()}"
    tmp = os.path.join(directory, f".{name}")
    with open(tmp, "wb") as file:
        file.write(b"X-Envelope-Sender: " + sender + b"\n")
        file.write(b"X-Envelope-Recipients: " + b", ".join(recipients) + b"\n")
        file.write(message)
    os.rename(tmp, os.path.join(directory, name))
    return name


def main(argv: list[str]) -> int:
    """``trial-sink DIRECTORY``."""
    try:
        serve(argv[1], sys.stdin.buffer, sys.stdout.buffer)
    except OSError as error:
        print(f"trial-sink: fatal: {error}", file=sys.stderr)
        return 111
    return 0
