"""tcpserver's command line, of a process or in a run script; tcpserver(8)."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass

from pytools.base.options import BadOption, getopt
from qmail.operator.doctor.machine import Machine, read, text

SPEC = b"dDvqQhHrR1UXx:t:u:g:l:b:B:c:pPoO46w:y:"
"""The options of ours; the original's are some of them."""
ANY = ("", "0", "0.0.0.0", "::")


@dataclass(frozen=True)
class Server:
    """What it was told: its options in their order, where it listens, what it starts."""

    options: tuple[tuple[str, str], ...]
    host: str
    program: tuple[str, ...]

    def last(self, letters: str) -> tuple[str, str]:
        """The last of some options, and its value; ("", "") if there is none."""
        found = [option for option in self.options if option[0] in letters]
        return found[-1] if found else ("", "")

    @property
    def may_be_slow(self) -> bool:
        """True if it may ask more of others than one name before it starts a program.

        Ident takes 26 seconds, a name in DNS that nobody answers for about 20.
        """
        asks_ident = self.last("rR")[0] != "R"
        asks_own_name = not self.last("l")[0]
        return asks_ident or asks_own_name or self.last("pP")[0] == "p"

    @property
    def is_public(self) -> bool:
        """True if it certainly listens for all the world."""
        if self.host in ANY:
            return True
        try:
            return ipaddress.ip_address(self.host).is_global
        except ValueError:
            return False


def parse(words: Sequence[str]) -> Server | None:
    """The tcpserver that a command starts; None if it starts none, or a broken one."""
    names = [os.path.basename(word) for word in words]
    if "tcpserver" not in names:
        return None
    own = [os.fsencode(word) for word in words[names.index("tcpserver") + 1 :]]
    try:
        options, rest = getopt(own, SPEC)
    except BadOption:
        return None
    if len(rest) < 3:
        return None
    return Server(
        tuple((text(letter), text(value)) for letter, value in options),
        text(rest[0]),
        tuple(map(text, rest[2:])),
    )


def of_process(machine: Machine, pid: int) -> Server | None:
    """The tcpserver that a process is; None if it is something else, or not to be seen.

    Ours shows its words in one string, as ps(1) has them.
    """
    try:
        line = read(f"{machine.proc}/{pid}/cmdline")
    except OSError:
        return None
    return parse(text(line.replace(b"\0", b" ")).split())
