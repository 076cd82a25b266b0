"""What a spawner tells qmail-send of a child that ended: status and output, judged.

Contract     a report begins with K (done), Z (try again) or D (give up); qmail-send
             bounces on D, so whatever is not known for certain is Z.
COMPAT: the sentences are our own; letters and exit codes are the originals'.
"""

from __future__ import annotations

from qmail.spawn import exitcodes

LOCAL_OUTPUT_MAX = 3000
"""The most bytes of a local delivery's output that are reported."""
LOCAL_NOTE = b"\nThe rest of this report was too long.\n"
REMOTE_OUTPUT_MAX = 1 << 20
"""Over this, qmail-remote's output is no report but a runaway."""
REMOTE_NOTE = b"Zqmail-remote wrote far more than a report. (#4.3.0)\n\0"

NO_FORK = b"ZThe spawner cannot start a process now. (#4.3.0)\n"
NO_PIPE = b"ZThe spawner cannot make a pipe now. (#4.3.0)\n"
NO_OPEN = b"ZThe spawner cannot open the message. (#4.3.0)\n"
NO_FSTAT = b"ZThe spawner cannot examine the message. (#4.3.0)\n"
WRONG_TYPE = b"ZSorry, the message is not a plain file. (#4.3.5)\n"
WRONG_OWNER = b"ZSorry, the message does not belong to the queue. (#4.3.5)\n"

_LOCAL_TEXTS = {
    exitcodes.USAGE: b"ZInternal error in qmail-lspawn.\n",
    exitcodes.ROOT: b"ZRoot takes no mail: no delivery runs as uid 0.\n",
    exitcodes.NFS: b"ZA home directory did not answer (NFS?).\n",
    exitcodes.NO_ALIAS: b"ZThere is no alias user on this system!\n",
    exitcodes.CDB: b"Zqmail-lspawn cannot read users/cdb.\n",
    exitcodes.SYSTEM: b"ZA system call failed in qmail-lspawn.\n",
    exitcodes.MEMORY: b"Zqmail-lspawn is out of memory.\n",
    exitcodes.EXEC_SOFT: b"Zqmail-local could not be run this time.\n",
    exitcodes.EXEC_GETPW: b"Zqmail-getpw could not be run.\n",
    exitcodes.EXEC_HARD: b"Dqmail-local cannot be run.\n",
}

_LOCAL_LETTERS = {0: b"K", 71: b"Z", 74: b"Z", 75: b"Z", 111: b"Z"}


class Output:
    """A child's output as it comes, cut where it becomes too long to be a report."""

    __slots__ = ("_full", "_keep", "_limit", "_note", "data")

    def __init__(self, limit: int, keep: int, note: bytes) -> None:
        self.data = bytearray()
        self._limit = limit
        self._keep = keep
        self._note = note
        self._full = False

    def add(self, chunk: bytes) -> None:
        """Take what the child wrote; over the limit, keep the beginning and a note."""
        if self._full:
            return
        self.data += chunk
        if len(self.data) > self._limit:
            self._full = True
            self.data[self._keep :] = self._note


def local_output() -> Output:
    """For a child of qmail-lspawn."""
    return Output(LOCAL_OUTPUT_MAX, LOCAL_OUTPUT_MAX - len(LOCAL_NOTE) - 3, LOCAL_NOTE)


def remote_output() -> Output:
    """For a child of qmail-rspawn."""
    # The verdict comes last in qmail-remote's output, so a part of it proves nothing.
    return Output(REMOTE_OUTPUT_MAX, 0, REMOTE_NOTE)


def _crashed(status: int) -> bool:
    return status & 127 != 0


def local_report(status: int, output: bytes) -> bytes:
    """The report on a child of qmail-lspawn, from its wait status."""
    if _crashed(status):
        return b"Zqmail-local crashed.\n"
    code = status >> 8
    if code in _LOCAL_TEXTS:
        return _LOCAL_TEXTS[code]
    return _LOCAL_LETTERS.get(code, b"D") + output.partition(b"\0")[0]


_LETTERS = {b"K": 1, b"Z": 0, b"D": -1}
_RECIPIENT_LETTERS = {b"s": 0, b"h": -1}
_VERDICTS = {verdict: letter for letter, verdict in _LETTERS.items()}


def remote_report(status: int, output: bytes) -> bytes:
    """The report on a child of qmail-rspawn: the recipient's report and the message's.

    ``output`` is a report a recipient (r, s or h and text), then one on the message (K,
    Z or D and text), each ended by NUL; qmail-rspawn asks for one recipient a process.
    """
    if _crashed(status):
        return b"Zqmail-remote crashed.\n"
    if status >> 8:
        return (b"Z" if status >> 8 == 111 else b"D") + b"qmail-remote cannot be run.\n"
    if not output:
        return b"Zqmail-remote had nothing to say.\n"
    parts = output.split(b"\0")
    message = -1
    for part in parts[:-1]:
        if part[:1] in _LETTERS:
            message = _LETTERS[part[:1]]
            break
    verdict = _RECIPIENT_LETTERS.get(output[:1], message)
    # The recipient's text is what stands after the first byte, whatever that byte is.
    text, end, rest = output[1:].partition(b"\0")
    if not end:
        return _VERDICTS[verdict]
    # A message that fared worse than this recipient explains nothing about it.
    if message <= verdict and rest[:1] in _LETTERS:
        text += rest[1:].partition(b"\0")[0]
    return _VERDICTS[verdict] + text
