"""svc, svok and svstat beside the originals: every option, every record, every error."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

from tests.interop.oracle import Both, Case, lines

LETTERS = "udopchaitkx"
# As root without the right to pass over permissions.
PLAIN = (
    "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all"
    if os.geteuid() == 0
    else ""
)
# Keep s/supervise/control open for reading, and show what was written to it.
LISTEN = "exec 3<>s/supervise/control; "
HEARD = "; echo $?; dd bs=200 count=1 iflag=nonblock <&3 2>/dev/null"


def dead(place: Path) -> None:
    """Directories of services that nobody supervises, and what is no service."""
    (place / "s/supervise").mkdir(parents=True)
    for name in ("ok", "control"):
        os.mkfifo(place / "s/supervise" / name)
    (place / "file").write_text("")
    (place / "new").mkdir()
    (place / "link").symlink_to("s")
    (place / "dangling").symlink_to("nowhere")
    (place / "loop").symlink_to("loop")
    (place / "closed").mkdir(mode=0)
    (place / "shut/supervise").mkdir(parents=True)
    for name in ("ok", "control"):
        (place / "shut/supervise" / name).touch(mode=0)
        (place / "odd/supervise" / name).mkdir(parents=True)
        (place / "plain/supervise").mkdir(parents=True, exist_ok=True)
        (place / "plain/supervise" / name).write_text("0123456789")
    (place / "-u").mkdir()
    (place / "a b\n").mkdir()


def record(
    pid: bytes = bytes(4), paused: int = 0, want: bytes = b"u", since: bytes = b"\x7f"
) -> bytes:
    """A status; its stamp lies in the future, so its age is 0."""
    return since.ljust(12, b"\0") + pid + bytes([paused]) + want


RECORDS = {
    **{
        f"r{pid[0]}{paused}{want[0]:02x}": record(pid, paused, want)
        for pid, paused, want in product(
            (bytes(4), b"\1\2\0\0"), (0, 1), (b"u", b"d", b"\0")
        )
    },
    "pid-high": record(b"\xff\xff\xff\xff"),
    "pid-byte": record(b"\0\0\0\x80"),
    "paused-odd": record(b"\5\0\0\0", 255),
    "want-odd": record(b"\5\0\0\0", 0, b"x"),
    "want-odd-idle": record(want=b"\xff"),
    "past": record(since=b"\x40"),
    "long": record(b"\5\0\0\0") + b"more than a record",
    "zeros": bytes(18),
    "ones": b"\xff" * 18,
    "short": bytes(17),
    "one": b"\x7f",
    "empty": b"",
}


def recorded(place: Path) -> None:
    """A service for each record, with and without a file ``down``."""
    dead(place)
    for name, data in RECORDS.items():
        for suffix in ("", "-down"):
            service = place / "k" / (name + suffix)
            (service / "supervise").mkdir(parents=True)
            # A file takes writers as a FIFO with a supervise behind it does.
            (service / "supervise/ok").touch()
            (service / "supervise/status").write_bytes(data)
            if suffix:
                (service / "down").touch()
    for name in ("none", "dir", "fifo", "shut", "link"):
        (place / f"n/{name}/supervise").mkdir(parents=True)
        (place / f"n/{name}/supervise/ok").touch()
    (place / "n/dir/supervise/status").mkdir()
    os.mkfifo(place / "n/fifo/supervise/status")
    (place / "n/shut/supervise/status").touch(mode=0)
    (place / "n/link/supervise/status").symlink_to("../../../k/past/supervise/status")
    (place / "downdir/down").mkdir(parents=True)
    (place / "downlink").mkdir()
    (place / "downlink/down").symlink_to("nowhere")
    (place / "downloop").mkdir()
    (place / "downloop/down").symlink_to("down")


def sent(options: str) -> Case:
    return Case(f"{LISTEN}svc {options} s{HEARD}", name=f"svc {options}", prepare=dead)


SVC = [
    *(sent(f"-{letter}") for letter in LETTERS),
    *(sent(f"-{a} -{b}") for a, b in zip(LETTERS, LETTERS[1:] + "u", strict=True)),
    *(
        sent(options)
        for options in (
            "",
            "--",
            "-udopchaitkx",
            "-xktiahcpodu",
            "-uuuuu",
            "-ud -du -ud",
            "-dx --",
            "-u --anything",
            "-u - ",
            "-ux ./s link",
            "-u s/../s",
            "-udopchaitkxudopchaitkxudopchaitkx",
        )
    ),
    *lines(
        "svc",
        *("", "-u", "s", "-u s", "-u s -d", "-- -u", "-u -- -u", "-u -", "- s"),
        *("-z", "-z s", "-uz s", "-uZd s", "-1", "-: s", "-? s", "'- '", "-u -z s"),
        *("-u none", "-u file", "-u new", "-u link", "-u dangling", "-u loop"),
        *("-u odd", "-d plain", "-udo plain", "-u ''", "-u 'a b\n'", "-u ."),
        *("-u none s file new odd", "-u s/ s// ./s ../case/s", "-u s/supervise"),
        *("-u $PWD/s $PWD/none", "-u `printf %0300d 1`", "-u s s s"),
        *("-u plain/supervise/..", "-uu plain plain", "-é s", "-\udcff s"),
        prepare=dead,
    ),
    Case("cd new; rmdir ../new; svc -u . ../s", prepare=dead),
    Case("svc -u s 2>&-", prepare=dead),
    Case("exec <&- >&-; svc -uZ s", prepare=dead),
    Case("cd s; svc -u . ./ ../new", prepare=dead),
    Case(f"{PLAIN} svc -u closed shut s", name="svc without rights", prepare=dead),
    Case(
        f"cd s; chmod 0 .; {PLAIN} svc -u .; echo $?; chmod 755 .",
        name="svc current directory closed",
        prepare=dead,
    ),
    # Differences on purpose.
    Case("svc -w u none", prepare=dead),
    Case("svc -wd -T0 s", prepare=dead),
    Case("svc -T 5 s", prepare=dead),
]
SVOK = [
    *lines(
        "svok",
        *("", "s", "none", "file", "new", "link", "dangling", "loop", "odd", "."),
        *("plain", "s none", "none s", "''", "-u", "--", "-- s", "s/supervise"),
        *("`printf %0300d 1`", "$PWD/s", "./s/", "'a b\n'"),
        prepare=dead,
    ),
    Case("exec 3<>s/supervise/ok; svok s", prepare=dead),
    Case("exec 3<>s/supervise/ok; svok link", prepare=dead),
    Case(f"{PLAIN} svok closed", name="svok closed directory", prepare=dead),
    Case(f"{PLAIN} svok shut", name="svok closed file", prepare=dead),
]
# Not normalised: where the age is known, it is compared too.
AGES = " | sed 's/ seconds/ s/'"
SVSTAT = [
    Case("svstat k/*", name="svstat every record", prepare=recorded),
    *(
        Case(f"svstat k/{name} k/{name}-down{AGES}", name=name, prepare=recorded)
        for name in RECORDS
        if name not in ("past", "zeros", "ones")
    ),
    *lines(
        "svstat",
        *("", "s", "none", "file", "new", "link", "dangling", "loop", "odd", "."),
        *("plain", "''", "-u", "--", "-z", "s none s", "'a b\n'", "s/supervise"),
        *("n/none", "n/fifo", "n/link", "downdir", "downlink", "downloop"),
        *("$PWD/s ./s s/", "`printf %0300d 1`", "none k/long file k/past-down"),
        *("s --json", "./--json", "-- --quiet", "--jso"),
        prepare=recorded,
    ),
    Case("svstat s none >/dev/full", prepare=recorded),
    Case("svstat s none >&-", prepare=recorded),
    Case("svstat s none 2>&-", prepare=recorded),
    Case("cd new; rmdir ../new; svstat . ../s", prepare=recorded),
    Case(f"{PLAIN} svstat closed s", name="svstat closed directory", prepare=recorded),
    Case(f"{PLAIN} svstat shut n/shut", name="svstat closed files", prepare=recorded),
    Case("svstat n/dir", prepare=recorded),
    # Differences on purpose.
    Case("svstat --json", prepare=recorded),
    Case("svstat --json s", prepare=recorded),
    Case("svstat --quiet s", prepare=recorded),
]


@pytest.mark.parametrize("case", SVC, ids=str)
def test_svc_does_as_the_original(case: Case, both: Both) -> None:
    both.check("svc", case)


@pytest.mark.parametrize("case", SVOK, ids=str)
def test_svok_does_as_the_original(case: Case, both: Both) -> None:
    both.check("svok", case)


@pytest.mark.parametrize("case", SVSTAT, ids=str)
def test_svstat_does_as_the_original(case: Case, both: Both) -> None:
    both.check("svstat", case)
