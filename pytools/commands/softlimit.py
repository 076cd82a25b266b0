"""softlimit: run a program with lower resource limits.

Contract     softlimit [ options ] child ...; the soft limits alone are changed, never
             beyond the hard ones; the value ``=`` is the hard limit.
Memory       COMPAT: for a program of ours -a, -d and -m count from what the interpreter
             and the modules of the whole chain, which are loaded first, take up; for any
             other program they are the plain numbers. Taken literally, -m 5000000 lets
             no interpreter start; ignored, it protects nothing.
Time         COMPAT: -t is no less than what loading has taken and a moment more: taken
             literally, -t 0 ends this program before it can become the other. One of ours
             gets n seconds beyond what was taken, as with -m.
INVARIANT    after the first limit nothing is imported and no thread is started.
Exit         100 usage, 111 a failure; else the program's own.
"""

from __future__ import annotations

import resource
import time

from pytools.base import limits
from pytools.base.exits import Next, Strerr, complain
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.process import chain, title

STRERR = Strerr(b"softlimit")
OPTIONS = b"a:c:d:f:l:m:o:p:r:s:t:"
USAGE = (
    b"softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] "
    b"[-l lockbytes] [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] "
    b"[-s stackbytes] [-t cpusecs] child"
)

RESOURCES = {
    b"a": (resource.RLIMIT_AS,),
    b"c": (resource.RLIMIT_CORE,),
    b"d": (resource.RLIMIT_DATA,),
    b"f": (resource.RLIMIT_FSIZE,),
    b"l": (resource.RLIMIT_MEMLOCK,),
    b"m": (
        resource.RLIMIT_DATA,
        resource.RLIMIT_STACK,
        resource.RLIMIT_MEMLOCK,
        resource.RLIMIT_AS,
    ),
    b"o": (resource.RLIMIT_NOFILE,),
    b"p": (resource.RLIMIT_NPROC,),
    b"r": (resource.RLIMIT_RSS,),
    b"s": (resource.RLIMIT_STACK,),
    b"t": (resource.RLIMIT_CPU,),
}
HARD = None
"""The value ``=``."""
LARGEST = (1 << 63) - 1
"""The largest number setrlimit takes here; what is beyond it is no limit."""
START_SECONDS = 0.5
"""CPU time in which this program becomes the other, however small -t is."""
STACK_RESERVE = 512 << 10
"""Stack that a program of ours is left with beyond what it uses, however small n is."""


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    try:
        _, rest = getopt(argv[1:], OPTIONS)
    except BadOption:
        return None
    return rest or None


def main(argv: list[bytes]) -> int:
    """Load what the chain needs, set the limits, then become the program."""
    wanted, rest = parse(argv)
    used = None
    if chain.preload(rest):
        # The title's C module too: the next program may load it when it starts.
        title.load()
        used = limits.usage()
    following = Next(rest)
    for kind, value in wanted:
        set_soft(kind, value, used)
    raise following


def parse(argv: list[bytes]) -> tuple[list[tuple[int, int | None]], list[bytes]]:
    """((resource, value) in order, the chain)."""
    try:
        options, rest = getopt(argv[1:], OPTIONS)
    except BadOption as bad:
        # A value that is none ends it before the option that nobody knows is seen.
        for _, argument in bad.before:
            parse_value(argument)
        complain(bad.explain(argv[0], OPTIONS).removesuffix(b"\n"))
        raise STRERR.usage(USAGE) from None
    wanted = []
    for letter, argument in options:
        value = parse_value(argument)
        wanted += [(kind, value) for kind in RESOURCES[letter]]
    if not rest:
        raise STRERR.usage(USAGE)
    return wanted, rest


def parse_value(argument: bytes) -> int | None:
    """A number, or HARD. An empty word is 0, as in the original."""
    if argument == b"=":
        return HARD
    value, digits = scan_ulong(argument)
    if digits != len(argument):
        raise STRERR.usage(USAGE)
    return value


def set_soft(kind: int, value: int | None, used: limits.Usage | None) -> None:
    """Set one soft limit; ``used`` is given when the next program is ours."""
    try:
        hard = resource.getrlimit(kind)[1]
    except OSError as error:
        raise STRERR.fatal(b"getrlimit failed", error=error) from None
    if value is HARD:
        soft = hard
    elif kind == resource.RLIMIT_CPU:
        soft = clamp(seconds(value, time.process_time(), used is not None), hard)
    else:
        soft = clamp(value if used is None else beyond(kind, value, used), hard)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError) as error:
        trouble = error if isinstance(error, OSError) else None
        raise STRERR.fatal(b"setrlimit failed", error=trouble) from None


def seconds(value: int, used: float, is_ours: bool) -> int:
    """The limit of CPU time for a program, when so many seconds have been used."""
    least = int(used + START_SECONDS) + 1
    return value + least if is_ours else max(value, least)


def beyond(kind: int, value: int, used: limits.Usage) -> int:
    """The limit that leaves a program of ours ``value`` bytes to grow by."""
    if kind == resource.RLIMIT_AS:
        return used.size + value
    if kind == resource.RLIMIT_DATA:
        return used.data + value
    if kind == resource.RLIMIT_STACK:
        return max(value, used.stack + STACK_RESERVE)
    return value


def clamp(value: int, hard: int) -> int:
    """``value``, but no more than the hard limit."""
    if hard != resource.RLIM_INFINITY:
        return min(value, hard)
    return value if value <= LARGEST else resource.RLIM_INFINITY
