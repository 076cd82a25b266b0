"""tai64n and tai64nlocal beside the originals."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.interop.oracle import LABEL, Both, Case

ZONES = ["", "UTC", "XYZ-3", "XYZ3:30ABC,M3.2.0,M11.1.0", "right/UTC", "Europe/Berlin"]
ZONES += ["America/New_York", ":Asia/Kathmandu", "nonsense", "<+1345>-13:45"]


def labels(seconds: list[int]) -> bytes:
    """A line for each of these Unix seconds."""
    return b"".join(
        b"@%016x%08x x\n" % ((s + 2**62 + 10) % 2**64, s % 10**9) for s in seconds
    )


NEAR = [0, 1, -1, 59, 86399, -86400, 10**9, 1234567890, 2**31 - 1, 2**31, 2**32, 2**40]
NEAR += [951782399, 951782400, 1330473600, 1711846800, 1729990800, 4107542400]
FAR = [
    253402300799,
    253402300800,
    -62135596800,
    -62135596801,
]
FAR += [-62167219200, -62167219201, 10**13, -(10**13), 67767976233532799]
ODD = (
    b"@4000000037c219bf2ef02e94 hi\n@4000000037c219bfffffffff x\nplain @4000\n"
    b"@004000000037c219bf00000001z\n@40000000000000000000000a z\n\n"
    b" @4000000037c219bf2ef02e94 later\n@4000000037c219bf2ef02e94\n"
    b"@4000000037c219bf2ef02e94@4000000037c219bf2ef02e94\n"
    b"@4000000037c219bf2ef02e94:x\n@4000000037c219bf2ef02e94g\n"
    b"@14000000037c219bf00000001Z\n@4000000037c219bf2ef02e94\0\n"
    b"@4000000037c219bf2ef02e94\r\n\xff@4000000037c219bf2ef02e94\n"
)
WHOLE = b"@400000006553f1002ef02e94"
PIECES = "printf @4000000037; printf c219bf2ef02e94; printf ' a\\nb'; printf '\\n@40'"

LOCAL = [
    *(
        Case("tai64nlocal", labels(NEAR) + ODD, name=f"zone {zone}", env={"TZ": zone})
        for zone in ZONES
    ),
    Case("tai64nlocal", labels(NEAR), name="no zone"),
    Case("tai64nlocal", labels(FAR), name="far away", env={"TZ": "UTC"}),
    Case("tai64nlocal", labels(FAR[:-1]), name="far away, zone", env={"TZ": "XYZ-3"}),
    Case("tai64nlocal", b"", name="nothing"),
    Case("tai64nlocal", b"\n", name="an empty line"),
    Case("tai64nlocal", b"no newline", name="no newline"),
    *(
        Case("tai64nlocal", b"a\n" + WHOLE[:length], name=f"cut after {length}")
        for length in (2, 17, 24, 25)
    ),
    Case("tai64nlocal", WHOLE + b" ", name="a label and a space"),
    Case("tai64nlocal", WHOLE + b" " + b"x" * 100_000, name="a long line"),
    Case("tai64nlocal", (WHOLE + b" abc\n") * 9000, name="many lines"),
    Case("tai64nlocal", b"@" + b"0" * 5000 + WHOLE[1:] + b" x\n", name="many digits"),
    Case(f"({PIECES}) | tai64nlocal", name="in pieces"),
    Case("tai64nlocal x -y", ODD, name="arguments"),
    Case("tai64nlocal >/dev/full", ODD, name="output full"),
    Case("tai64nlocal >&-", ODD, name="output closed"),
    Case("tai64nlocal <&-", name="input closed"),
    Case("tai64nlocal </", name="input a directory"),
    # No year, not even for C.
    Case("tai64nlocal", b"@ x\n", name="no digits"),
    Case("tai64nlocal", b"@beef x\n", name="few digits"),
    Case("tai64nlocal", labels([2**62 - 11]), name="beyond all years"),
]
STAMP = [
    Case("tai64n", b"", name="nothing"),
    Case("tai64n", b"\n\n", name="empty lines"),
    Case("tai64n", b"a\nb\nno newline", name="no newline"),
    Case("tai64n", ODD, name="odd lines"),
    Case("tai64n", b"x" * 100_000 + b"\n" + b"y" * 65536, name="long lines"),
    Case("tai64n", b"abc\n" * 9000, name="many lines"),
    Case("(printf a; printf 'b\\nc'; printf '\\n') | tai64n", name="in pieces"),
    Case("tai64n x -y", b"a\n", name="arguments"),
    Case("tai64n >/dev/full", b"a\n", name="output full"),
    Case("tai64n >&-", b"a\n", name="output closed"),
    Case("tai64n <&-", name="input closed"),
    Case("tai64n </", name="input a directory"),
    Case("printf 'a\\nb\\n' | tai64n | tai64n", name="twice"),
]


@pytest.mark.parametrize("case", LOCAL, ids=str)
def test_tai64nlocal_does_as_the_original(case: Case, both: Both) -> None:
    both.check("tai64nlocal", case)


@pytest.mark.parametrize("case", STAMP, ids=str)
def test_tai64n_does_as_the_original(case: Case, both: Both) -> None:
    both.check("tai64n", case)


def test_random_labels_read_as_in_the_original(both: Both) -> None:
    dice = random.Random(13)
    lines = [
        # Below 2^55 seconds every number is a year.
        b"@40%014x%08x%b\n"
        % (dice.getrandbits(dice.randint(1, 55)), dice.getrandbits(32), extra)
        for extra in (b"", b" x", b"\t@", b"q") * 500
    ]
    both.check("tai64nlocal", Case("tai64nlocal", b"".join(lines), name="random"))


def test_stamps_ascend_and_name_this_very_time(launchers: Path, originals: str) -> None:
    stamps = []
    for directory in (originals, str(launchers), originals):
        done = subprocess.run(
            [f"{directory}/tai64n"],
            input=b"\n" * 3000,
            capture_output=True,
            timeout=30,
            check=True,
        )
        stamps += LABEL.findall(done.stdout)
    assert len(stamps) == 9000
    assert stamps == sorted(stamps)
    assert len(set(stamps[3000:6000])) == 3000
