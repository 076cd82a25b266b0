"""Deliveries a second into a Maildir, by children of one warm parent as in qmail-lspawn.

python -m tests.bench.maildir_deliveries [DIRECTORY [CONCURRENCY]]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time

from pytools.process import child
from qmail.commands import qmail_local

DELIVERIES = 2000


def main(where: str, concurrency: int) -> None:
    home = tempfile.mkdtemp(dir=where)
    os.chmod(home, 0o700)
    for name in ("tmp", "new", "cur"):
        os.makedirs(f"{home}/Maildir/{name}")
    with open(f"{home}/message", "wb") as message:
        message.write(b"Subject: x\n\n" + b"0123456789abcde\n" * 256)
    words = [b"joe", os.fsencode(home), b"joe", b"", b"", b"h", b"s@t", b"./Maildir/"]

    def deliver() -> int:
        os.dup2(os.open(f"{home}/message", os.O_RDONLY), 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return qmail_local.main([b"qmail-local", b"--", *words])

    child.settle()
    began = time.monotonic()
    running = 0
    for _ in range(DELIVERIES):
        if running == concurrency:
            os.wait()
            running -= 1
        child.fork(deliver)
        running += 1
    for _ in range(running):
        os.wait()
    seconds = time.monotonic() - began
    delivered = len(os.listdir(f"{home}/Maildir/new"))
    shutil.rmtree(home)
    print(f"{delivered} delivered, {delivered / seconds:.0f} a second")


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()
    main(directory, int(sys.argv[2]) if len(sys.argv) > 2 else 10)
