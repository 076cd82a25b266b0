"""addcr, delcr, argv0, recordio and fixcrio beside the originals.

A program that copies is compared over many random streams; one shell line runs a batch
of them, so that starting the interpreter does not cost most of the test.
"""

from __future__ import annotations

import random

import pytest

from tests.interop.oracle import Both, Case

BLOCKS = (255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 8191, 8192, 8193, 65536)
"""Where one side or the other ends a block."""
PIECES = (b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\r", b"a", b"\0", b"\xff", b"word ")


def stream(seed: int, size: int) -> bytes:
    """Some bytes with many line ends, always the same for a seed."""
    chance = random.Random(seed)
    text = b"".join(chance.choice(PIECES) for _ in range(size))
    return text[:size]


def around(size: int) -> dict[str, str | bytes]:
    """Streams whose CR and LF lie before, on and behind a block's end."""
    ends = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\n", b"a\n")
    return {
        f"{n}.{k}": b"x" * (size - k) + end + b"after\r\n" + b"\n"
        for n, end in enumerate(ends)
        for k in range(4)
    }


EACH = "for f in [0-9]*; do {} <$f >out.$f 2>err.$f; echo $?; done"
RANDOM: dict[str, str | bytes] = {
    f"{seed}": stream(seed, size)
    for seed, size in enumerate((0, 1, 2, 3, 5, 8, 30, 100, 300, 1000, 5000, 20000))
}
EACH_TO_ITS_END = (
    "exec 3>&1; for f in [0-9]*; do { {} <$f 3>&-; echo $? >&3; } | cat >out.$f; done"
)
"""The copier may still write when the program has ended: wait for its end of file."""
SLOWLY = '(for x in {}; do printf "$x"; sleep 0.02; done) | {}'
SPLITS = "'a\\r' '\\nb' '\\r' '\\r' '\\n' '\\n' '\\r' 'c\\r\\n\\r'"


def filters(program: str) -> list[Case]:
    """The table of a program that copies 0 to 1."""
    return [
        Case(f"{program} words -x", b"a\nb\r\n\r\r\nc\r", name=f"{program} with words"),
        Case(f"{program} </dev/null"),
        Case(f"{program} <&-"),
        Case(f"{program} <&- >&- 2>&-"),
        Case(f"{program} >&-", b"x\n"),
        Case(f"{program} >&- </dev/null"),
        Case(f"{program} >/dev/full", b"x\n"),
        Case(f"{program} </"),
        Case(f"{program} 0>/dev/null"),
        Case(f"{program} 1</dev/null", b"x\n"),
        Case(f"yes | {program} | head -1", only="status out"),
        Case(f"(trap '' PIPE; yes | ({program}; echo $? >&2) | true)", only="out"),
        Case(f"sh -c 'kill -13 $$; exec {program}'"),
        Case(SLOWLY.format(SPLITS, program), name=f"{program} slowly"),
        Case(EACH.format(program), name=f"{program} random", files=RANDOM),
        *[
            Case(EACH.format(program), name=f"{program} at {size}", files=around(size))
            for size in (8192, 65536)
        ],
    ]


ADDCR = filters("addcr")
DELCR = [*filters("delcr"), Case("(printf 'a\\r'; sleep 0.1; printf b) | delcr")]
ARGV0 = [
    *map(Case, ("argv0", "argv0 sh", "argv0 -x true", "argv0 nosuch name")),
    *map(Case, ("argv0 /nosuch/x name", "argv0 '' name", "argv0 / name")),
    *map(Case, ("argv0 true name", "argv0 false name a b", "argv0 -- true")),
    Case("argv0 sh name -c 'echo $0 $1 $#' b c d"),
    Case("argv0 /bin/sh -sh -c 'echo $0 $-'"),
    Case("argv0 sh sh -c 'exit 7'"),
    Case("argv0 sh x -c 'kill -9 $$'"),
    Case("argv0 ./run other a", files={"run": '#!/bin/sh\necho "$0" "$@"\n'}),
    Case("argv0 ./run other", files={"run": "not executable"}),
    Case("argv0 ./run other", files={"run": "#!/nosuch/interpreter\n"}, name="argv0 #"),
    Case("PATH=.:$PATH argv0 run other", files={"run": "plain"}),
    Case(
        "PATH=a:b:$PATH; argv0 run other", files={"a/run": "", "b/run": "#!/bin/echo\n"}
    ),
    Case("PATH=f/x:$PATH; argv0 nosuch other", files={"f": "a file in $PATH"}),
    Case("PATH=d:$PATH; argv0 run other", files={"d/run/": ""}),
    Case(
        "T=$PATH; PATH= ; $(PATH=$T command -v argv0) run x",
        files={"run": "#!/bin/echo\n"},
    ),
    Case("P=$(command -v argv0); unset PATH; $P sh x -c 'echo $0 $PATH'"),
    Case("argv0 argv0 a sh b -c 'echo $0'"),
    Case("argv0 envdir some d sh -c 'echo $A'", files={"d/A": "x\n"}),
    Case("argv0 cat ''"),
    Case("argv0 fixcrio name cat", b"a\n"),
]
PIDS = [(rb"(?m)^\d+ ([<>]) ", rb"PID \1 ")]


def recorded(line: str, stdin: bytes = b"", name: str = "", **files: bytes) -> Case:
    """A run of recordio, with its log in an order that is not chance.

    Which direction is logged first is; so the inward lines are shown first, and the
    recorder, which may outlive the program, has time for its last line.
    """
    wait = "until tail -n 1 log | grep -q ' > .EOF.'; do :; done"
    whole = f"({line}) 2>log; s=$?; {wait}; sort -s -k2,2 log >&2; rm log; exit $s"
    known: dict[str, str | bytes] = dict(files)
    return Case(whole, stdin, name=name or line, replace=PIDS, files=known)


RECORDIO = [
    Case("recordio"),
    Case("recordio nosuchprogram </dev/null", only="status out"),
    recorded("recordio true </dev/null"),
    recorded("recordio cat", b""),
    recorded("recordio cat", b"one\ntwo\n", name="lines"),
    recorded("recordio cat", b"no newline", name="no newline"),
    recorded("recordio cat", b"\n\n \n\t\n", name="empty lines"),
    recorded("recordio cat", bytes(range(256)), name="all bytes"),
    recorded("recordio cat", bytes(range(256)) * 9, name="all bytes again and again"),
    *[recorded("recordio cat", b"y" * n, name=f"{n} bytes") for n in BLOCKS[:9]],
    *[
        recorded("recordio cat >/dev/null", b"y" * (n - 1) + b"\nz", name=f"line of {n}")
        for n in BLOCKS[:6]
    ],
    recorded("recordio sh -c 'cat >/dev/null; echo out; exit 3'", b"in\n"),
    recorded("recordio sh -c 'cat >/dev/null; printf out; kill -9 $$'", b"in\n"),
    recorded("recordio sh -c 'exec <&-; echo out' </dev/null", name="input closed unread"),
    recorded("recordio sh -c 'cat; exec >&-; sleep 0.1'", b"x\n", name="output closed"),
    Case("recordio recordio cat 2>log; until test $(grep -c '> .EOF' log) = 2; do :; "
         "done; sort -k2 log; rm log", b"x\n", name="recordio twice", replace=PIDS),
    recorded("recordio sh -c 'ls /proc/$$/fd' </dev/null"),
    recorded("recordio setlock f cat", b"x\n"),
    recorded("recordio fixcrio cat", b"x\ny"),
    recorded("fixcrio recordio cat", b"x\ny"),
    recorded("recordio argv0 sh name -c 'cat; echo $0'", b"x\n"),
    recorded("recordio cat <&-"),
    Case("recordio cat 2>&-", b"a\nb\n"),
    Case("recordio cat 2>/dev/full", b"a\nb\n"),
    Case("recordio sh -c 'cat; echo $$ >pid' 2>log; until grep -q '> .EOF' log; do :; "
         "done; grep -vc \"^$(cat pid) \" log; rm log pid", b"a\n", name="its own pid"),
    Case("recordio cat 2>/dev/null", b"z" * 300_000, name="recordio a lot"),
    # More than a pipe holds: the original is always in the middle of the input.
    Case("recordio sh -c 'exec 0<&-; sleep 0.2; echo late' 2>/dev/null", b"a\n" * 99999,
         name="recordio input broken, output later"),
]  # fmt: skip
FIXCRIO = [
    Case("fixcrio"),
    Case("fixcrio nosuchprogram </dev/null"),
    Case("fixcrio cat", b"a\nb\r\n\r\r\n\n\r"),
    Case("fixcrio od -c", b"a\nb\r\nc\r\r\n\nd"),
    Case("fixcrio sh -c 'printf \"a\\nb\\r\\nc\"; exit 3' </dev/null"),
    Case("fixcrio sh -c 'cat >/dev/null; kill -9 $$'", b"x"),
    Case("fixcrio cat <&-"),
    Case("fixcrio tr -d '\\r'", b"a\r\nb\n"),
    Case("fixcrio fixcrio cat", b"a\n\r\n"),
    Case(
        EACH_TO_ITS_END.replace("{}", "fixcrio od -c"),
        name="fixcrio random in",
        files=RANDOM,
    ),
    Case(
        EACH_TO_ITS_END.replace("{}", "fixcrio cat"),
        name="fixcrio random both ways",
        files=RANDOM,
    ),
    *[
        Case(
            EACH_TO_ITS_END.replace("{}", "fixcrio cat"),
            name=f"fixcrio at {size}",
            files=around(size),
        )
        for size in (256, 512, 4096)
    ],
    Case("fixcrio cat | cksum", b"\n" * 300_000, name="fixcrio a lot"),
]
TABLES = {
    "addcr": ADDCR,
    "delcr": DELCR,
    "argv0": ARGV0,
    "recordio": RECORDIO,
    "fixcrio": FIXCRIO,
}
ROWS = [(program, case) for program, table in TABLES.items() for case in table]


@pytest.mark.parametrize(("program", "case"), ROWS, ids=str)
def test_filter_does_as_the_original(program: str, case: Case, both: Both) -> None:
    both.check(program, case)
