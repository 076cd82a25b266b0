"""Command-line options in the manner of getopt(3), and djb's number scanning."""

from __future__ import annotations


class BadOption(Exception):
    """An option letter that the program does not have, or that lacks its argument."""

    def __init__(
        self, letter: bytes, before: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        super().__init__(letter)
        self.letter = letter
        self.before = before or []
        """The options that were read before it: one of them may be wrong, too."""

    def explain(self, program: bytes, spec: bytes) -> bytes:
        """The line that getopt(3) prints."""
        # A letter that we have was refused because nothing followed it.
        known = self.letter != b":" and self.letter in spec
        trouble = b"option requires an argument" if known else b"illegal option"
        return b"%b: %b -- %b\n" % (program.rpartition(b"/")[2], trouble, self.letter)


def getopt(
    args: list[bytes], spec: bytes
) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Split ``args`` (without argv[0]) into options and the rest.

    POSIX order: options end at the first word that is none, or after one that begins
    with ``--`` (whatever follows there, as in the originals). Letters may be grouped; a
    letter followed by ``:`` in ``spec`` takes the rest of its word, or the next word.
    Raises BadOption.
    """
    options: list[tuple[bytes, bytes]] = []
    index = 0
    while index < len(args):
        word = args[index]
        if len(word) < 2 or not word.startswith(b"-"):
            break
        index += 1
        if word.startswith(b"--"):
            break
        at = 1
        while at < len(word):
            letter = word[at : at + 1]
            at += 1
            found = spec.find(letter)
            if found < 0 or letter == b":":
                raise BadOption(letter, options)
            if spec[found + 1 : found + 2] != b":":
                options.append((letter, b""))
                continue
            if at < len(word):
                options.append((letter, word[at:]))
            elif index < len(args):
                options.append((letter, args[index]))
                index += 1
            else:
                raise BadOption(letter, options)
            break
    return options, args[index:]


def scan_ulong(text: bytes) -> tuple[int, int]:
    """The value of the leading decimal digits, and how many there are.

    No sign, no blanks; no digits is (0, 0): control files keep their default then,
    options take the 0. Like the C original's, the number is one of 64 bits.
    """
    count = 0
    while count < len(text) and 48 <= text[count] <= 57:
        count += 1
    # int() refuses thousands of digits; nobody's honest number has them.
    value = 0
    for start in range(0, count, 1000):
        part = text[start : min(start + 1000, count)]
        value = (value * 10 ** len(part) + int(part)) & 0xFFFFFFFFFFFFFFFF
    return value, count
