"""multilog beside the original: words, settings, lines, patterns, states, errors."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.interop.oracle import SECONDS, Both, Case

WIDE = b"".join(b"%04d %s\n" % (n, b"x" * (260 + n * 37 % 240)) for n in range(120))
"""Lines that the original, whose buffers have 512 bytes, writes one at a time."""
SHORT = b"".join(b"%d line\n" % n for n in range(1200))
EDGES = b"".join(
    b"%s%d\n" % (b"y" * (length - len(str(length))), length)
    for length in (
        *(1, 2, 173, 174, 175, 199, 200, 201, 972, 973, 974, 975),
        *(998, 999, 1000, 1001, 1002, 1025, 1500, 2000, 2048, 3001),
    )
)
ODD = b"\n\n \n\0\n\0\0a\n\r\nb\r\n\xff\xfe\n@\n@4000000037c219bf2ef02e94 x\n\ta*b?[c]\\\n"


def log(**files: str) -> dict[str, str | bytes]:
    return {f"log/{name}": content for name, content in files.items()}


SIZES = ["s", "s0", "s1", "sx", "s4095", "s4096", "s4097", "s5000kb", "s-1", "s+9"]
SIZES += [
    "s 8000",
    "s6097",
    "s018000",
    "s99999999999999999999999",
    "s18446744073709559616",
]
NUMBERS = ["n", "n0", "n1", "n2", "n3", "n3x", "nx", "n-1", "n 5", "n99"]
NUMBERS += ["n18446744073709551619", "n00004"]


def each_with_a_log(words: list[str]) -> str:
    return " ".join(f"'{word}' ./{number:02}" for number, word in enumerate(words))


SCRIPTS = [
    Case("multilog"),
    Case("multilog", WIDE, name="no script, with input"),
    Case("multilog ''", SHORT),
    Case("multilog ./log", b"", name="empty input"),
    Case("multilog ./log", b"\n", name="an empty line"),
    Case("multilog ./log", b"no newline", name="no newline"),
    Case("multilog t ./log", b"no newline", name="t, no newline"),
    Case("multilog ./log", SHORT, name="short lines in one file"),
    Case("multilog t ./log", SHORT[:3000], name="short lines with t"),
    Case("multilog tt ./log; multilog total ./log", b"a\n"),
    Case("multilog ./log t", b"a\nb\n"),
    Case("multilog '' t ./log", b"a\nb\n"),
    Case("multilog x Z 1 % ./log", b"a\n"),
    Case("multilog t '-@*' ./log", b"a\nb\n"),
    Case("multilog t '-*' '+@*' ./log", b"a\nb\n"),
    Case("multilog t '-*' '+* a' ./log", b"a\nb\n a\n"),
    Case("multilog t '-*' '+@4* *b*' ./log '-*' +a ./none", b"a\nb\nab\n"),
    Case("multilog t e =st", b"one\ntwo\n"),
    Case(
        r"""x=$(printf '\377'); multilog "-*$x*" ./log""",
        b"a\n1\xff2\nb\n",
        name="a pattern that is no UTF-8",
    ),
    Case("multilog e", EDGES, name="e, lines of many lengths"),
    Case("multilog t e", EDGES, name="t e, lines of many lengths"),
    Case("multilog e e ./log e", b"a\nb\n"),
    Case("multilog e -a e ./log", b"a\nb\n"),
    Case("multilog ex ./log", b"a\n"),
    Case("multilog =a =b -1 =a -2 =c ./log", b"2\n1\n", name="several ="),
    Case("multilog =st", EDGES, name="=, the last line is long"),
    Case("multilog =st", b"y" * 1000, name="=, a line of 1000 bytes"),
    Case("multilog =st", b"y" * 999, name="=, a line of 999 bytes"),
    Case("multilog t =st", b"y" * 2000 + b"\n", name="t =, a long line"),
    Case("multilog =st", b"a\n", name="= over a file", files={"st": "x" * 1500}),
    Case("multilog =", b"a\n"),
    Case("multilog ./log =st", b"", name="=, no input"),
    Case("multilog =st; multilog =st", b"a\n", name="= again"),
    Case("multilog ./log", EDGES, name="lines of many lengths"),
    Case("multilog t ./log", EDGES, name="t, lines of many lengths"),
    Case("multilog s4096 n99 ./log", EDGES * 3, name="lengths and rotation"),
    Case("multilog ./log e", ODD, name="odd characters"),
    Case("multilog ./a ./b '-*' ./c /dev/null/../d", b"a\n"),
    Case("multilog ./a ./b -x ./c", b"x\ny\nx\n"),
    Case("multilog ./log; multilog ./log", b"a", name="continued", umask=0o077),
    Case("multilog ./log/", b"a\n"),
    Case("multilog .log", b"a\n"),
    Case("multilog ..log .", b"a\n"),
    Case('multilog "$PWD/log"', b"a\n", name="an absolute name"),
    Case(f"multilog n99 {each_with_a_log(SIZES)}", WIDE, name="sizes"),
    Case(f"multilog s4096 {each_with_a_log(NUMBERS)}", WIDE, name="numbers"),
    Case("multilog s4096 n99 ./a n3 ./b s9000 ./c n2 ./d", WIDE, name="mixed settings"),
    Case("multilog s4096 ./log", b"z" * 20000, name="one line over several files"),
    Case("multilog s4096 n99 ./log", (b"z" * 2500 + b"\n") * 9, name="lines of 2501"),
    Case("multilog s4096 n99 t ./log", (b"z" * 5000 + b"\n") * 3, name="lines of 5001"),
    *(
        Case(
            "multilog s4096 n99 ./log",
            (b"z" * (n - 1) + b"\n") * 12,
            name=f"lines of {n}",
        )
        for n in (512, 524, 1024, 2095, 2096, 2097, 4095, 4096, 4097)
    ),
    # A file that is full to the byte, then one line more.
    Case("multilog s4096 ./log", b"z" * 4095 + b"\n" + b"a" * 300, name="just full"),
    Case("multilog s4096 n99 ./log", SHORT, name="short lines and rotation"),
    Case("multilog s6000 n2 ./log && multilog s6000 n2 ./log", WIDE, name="pruned"),
    Case(
        "for i in 1 2 3; do echo $i | multilog s4096 ./log; chmod 644 log/current; done",
        name="killed three times",
    ),
    Case("multilog s4096 ./log", b"a\n", files=log(current="#!" + "x" * 5000)),
    Case("multilog s4096 ./log", b"a\n", files=log(current="#!" + "x" * 2500)),
    Case(
        "multilog s4096 n3 ./log",
        b"y" * 2999 + b"\n",
        name="other names with @",
        files=log(
            **{"@" + "4" * 23: "", "@" + "1" * 24: "", "@" + "2" * 30: "", "@x": ""},
            **{"x" * 30: "", "@" + "3" * 24 + ".s": ""},
        ),
    ),
]

SHOW = "for n in 0 1 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$n || echo -; done"
PROCESSORS = [
    Case("multilog s4096 n99 '!tr x y' ./log", WIDE, name="tr"),
    Case("multilog s4096 n99 '!cat' '!sed s/x/z/g' ./a '!' ./b", WIDE, name="several"),
    Case(
        "multilog s4096 n99 '!(cat <&4; wc -l) >&5; cat <&4' ./log", WIDE, name="state"
    ),
    Case("multilog s4096 n99 '!:' ./log", WIDE, name="nothing left"),
    Case(
        "multilog s4096 '!exec >&-; rm -f newstate' ./log", WIDE, name="newstate gone"
    ),
    Case("multilog s4096 '!rm -f processed' ./log", WIDE, name="processed gone"),
    Case("multilog s4096 '!echo out >&2; cat' ./log", WIDE, name="speaks on 2"),
    Case("multilog s4096 '!pwd; echo $0 $FOO; umask' ./log", WIDE, env={"FOO": "bar"}),
    Case(
        f"multilog s4096 '!({SHOW}; stat -c%a p* c* n* s*) 1>&2' ./log",
        WIDE[:9000],
        name="descriptors and modes",
        replace=[(rb"pipe:\[\d+\]", b"pipe")],
    ),
    Case("multilog s4096 '!cat; kill -l >/dev/null; trap' ./log", WIDE, name="traps"),
]

STATES = [None, 0o644, 0o744]
States = list[tuple[str, tuple[int | None, ...]]]
CLEAN: States = []
CRASHED: States = []
for number, modes in enumerate(itertools.product(STATES, repeat=5)):
    if modes[3] == 0o744 or modes[4] == 0o744:
        continue
    salvaged = modes[0] == 0o744 and (modes[1] or modes[2])
    (CLEAN if salvaged else CRASHED).append((f"{number:03}", modes))
NAMES = ("current", "previous", "processed", "state", "newstate")


def laid_out(states: States, name: str) -> Case:
    """One run on directories that an end, of whatever kind, has left so."""

    def prepare(place: Path) -> None:
        for directory, modes in states:
            (place / directory).mkdir()
            for file, mode in zip(NAMES, modes, strict=True):
                if mode is not None:
                    path = place / directory / file
                    path.write_text(f"{file}\n")
                    path.chmod(mode)

    logs = " ".join(f"./{directory}" for directory, _ in states)
    return Case(f"multilog {logs}", b"new\n", name=name, prepare=prepare)


def linked(place: Path) -> None:
    """Killed between the two names of a file."""
    for number, file in enumerate(("previous", "processed", "current")):
        (place / f"{number}").mkdir()
        path = place / f"{number}" / file
        path.write_text(file)
        path.chmod(0o744 if file != "current" else 0o644)
        os.link(path, path.with_name("@" + "4" * 24 + ".s"))


STARTS = [
    laid_out(CRASHED, "after an end of any kind"),
    laid_out(CLEAN, "clean, but a rotation was not"),
    Case("multilog ./0 ./1 ./2", b"new\n", name="two links", prepare=linked),
    Case("multilog ./log", b"a\n", name="an empty clean file", files=log(current="")),
]

HELD = "exec 9>>log/lock; flock -n 9;"
ERRORS = [
    Case("multilog ./no/log", b"a\n"),
    Case("multilog ./good ./no/log", b"a\n"),
    Case("multilog /dev/null", b"a\n"),
    Case("multilog ./file", b"a\n", files={"file": ""}),
    Case("multilog ./log ./log", b"a\n"),
    Case("multilog ./log ././log", b"a\n"),
    Case(f"{HELD} multilog ./log", b"a\n", files={"log/": ""}, name="locked"),
    Case("multilog ./log", files={"log/lock/": ""}, name="lock is a directory"),
    Case("multilog ./log", files={"log/current/": ""}, name="current is a directory"),
    Case("multilog ./log", files={"log/state/": ""}, name="state is a directory"),
    Case("multilog =no/st ./log", b"a\n"),
    Case("multilog =st ./log", b"a\n", files={"st/": ""}, name="= a directory"),
    Case("mkfifo st; multilog =st ./log", b"a\n"),
    Case("multilog =/dev/null ./log", b"a\n"),
    Case("multilog ./log =no/st", b"a\n"),
    Case(f"multilog ./{'n' * 300}", b"a\n"),
    Case("multilog ./log <&-", name="descriptor 0 closed"),
    Case("multilog e ./log 2>&-", b"a\n", name="descriptor 2 closed"),
    Case("multilog e ./log 2>/dev/full", b"a\nb\n"),
    Case("multilog e ./log 1>&-", b"a\nb\n"),
    Case("multilog ./log </", name="descriptor 0 a directory"),
    Case("mkdir gone; cd gone; rmdir ../gone; multilog ./log", b"a\n"),
    Case("ln -s log l; mkdir log; multilog ./l", b"a\n"),
    Case("ulimit -n 8; multilog ./log ./two ./three ./four", b"a\n", only="status"),
]


@pytest.mark.parametrize("case", [*SCRIPTS, *PROCESSORS, *STARTS, *ERRORS], ids=str)
def test_multilog_does_as_the_original(case: Case, both: Both) -> None:
    both.check("multilog", case)


def test_processor_that_removes_its_input_does_not_stop_the_log(
    launchers: Path, originals: str, tmp_path: Path
) -> None:
    """The original stops for good, so that no row of a table could hold it."""
    script = ["s4096", "n99", "!rm previous; cat", "./log"]

    def started(directory: str, name: str) -> subprocess.Popen[bytes]:
        (tmp_path / name).mkdir()
        with open(tmp_path / "in", "rb") as lines:
            return subprocess.Popen(
                [f"{directory}/multilog", *script],
                cwd=tmp_path / name,
                stdin=lines,
                stderr=subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin"},
            )

    (tmp_path / "in").write_bytes(WIDE)
    with started(originals, "theirs") as theirs:
        try:
            assert theirs.stderr is not None
            assert theirs.stderr.readline() == (
                b"multilog: warning: unable to remove ./log/previous, pausing:"
                b" file does not exist\n"
            )
        finally:
            theirs.kill()
    ours = started(str(launchers), "ours")
    assert ours.communicate(timeout=SECONDS)[1] == b""
    assert ours.returncode == 0
    log = tmp_path / "ours/log"
    files = [*sorted(log.glob("@*.s")), log / "current"]
    assert len(files) > 3
    assert b"".join(file.read_bytes() for file in files) == WIDE


PATTERNS = [
    *("", "*", "**", "***", "****", "a", "a*", "*a", "*a*", "ab", "*ab", "*ab*", "a*b"),
    *("a**", "*a**", "**a", "a**b", "*a*b", "*a*b*", "a*b*c", "a*a", "a*a*a", "*aa*"),
    *("*aab*", "a*ab", "?*", "[a]*", "\\*", "\\a", "\\\\*", "* *", "* ", " *", "*.*"),
    *("*\n*", "\n", "a\nb", "*\\*", "-*", "+*", "@*", "* status: *"),
    *("aaaaaaaaaaaaaaaaaaaaaaaa*", "*b*b*b*b*b", "**b**", "*a**b*", "a*\\**b"),
]
TEXTS = [
    *(
        b"",
        b"a",
        b"b",
        b"aa",
        b"ab",
        b"ba",
        b"aab",
        b"aabb",
        b"abab",
        b"a b",
        b" ",
        b"  ",
    ),
    *(
        b"*",
        b"**",
        b"***",
        b"a*",
        b"*a",
        b"a*b",
        b"*a*b*",
        b"a**b",
        b"\\",
        b"\\a",
        b"\\*",
    ),
    *(
        b"?",
        b"[a]",
        b"-",
        b"+a",
        b"@4 x",
        b"\xff",
        b"\xffa",
        b"\xc3\xbf",
        b"\0",
        b"a\0b",
    ),
    *(b"@4000000037c219bf2ef02e94 status: 1", b"end status: 2", b"x. y", b"bbbbb"),
    *(
        b"a" * 24,
        b"a" * 1000,
        b"a" * 1001,
        b"b" * 999 + b"aX",
        b"\r",
        b"a\r",
        b"abcabc",
    ),
]


def words_for(patterns: list[str], quote: str) -> tuple[str, dict[str, str | bytes]]:
    """A command for all patterns, each with a log of its own; quoted by a script."""
    lines = [quote]
    for number, pattern in enumerate(patterns):
        safe = pattern.replace("'", "'\\''")
        lines.append(f"set -- \"$@\" '-*' '+{safe}' ./s{number:03}")
        lines.append(f"set -- \"$@\" '+*' '-{safe}' ./d{number:03}")
    lines.append('exec multilog "$@"')
    return "./run", {"run": ("#!/bin/sh\n" + "\n".join(lines)).encode("latin-1")}


def test_every_pattern_on_every_text_selects_as_the_original(both: Both) -> None:
    text = b"\n".join(TEXTS)
    line, files = words_for(PATTERNS, "set --")
    both.check("multilog", Case(line, text, name="patterns", files=files))


def random_pattern(dice: random.Random) -> str:
    # No digit of a label: what matches must not depend on the time.
    return "".join(dice.choice("xy *") for _ in range(dice.randint(0, 7)))


@pytest.mark.parametrize("first", ["set --", "set -- t"])
def test_random_patterns_select_as_the_original(both: Both, first: str) -> None:
    dice = random.Random(11)
    patterns = [random_pattern(dice) for _ in range(80)]
    lines = [random_pattern(dice) for _ in range(400)]
    line, files = words_for(patterns, first)
    text = "\n".join(lines).encode()
    both.check("multilog", Case(line, text, name=f"random, {first}", files=files))


def random_script(dice: random.Random) -> str:
    words = []
    for number in range(dice.randint(1, 9)):
        kind = dice.choice(["-", "-", "+", "+", "e", "=", "./"])
        pattern = dice.choice(["*", "x*", "*x*", "*y", "x*y", "", "* *", "y*", "xy"])
        argument = {"e": "", "=": f"st{number}", "./": f"{number}"}.get(kind, pattern)
        words.append(f"'{kind}{argument}'")
    return " ".join(words)


def test_random_scripts_do_as_the_original(both: Both) -> None:
    dice = random.Random(12)
    lines = [random_pattern(dice) for _ in range(200)]
    text = "\n".join(lines)
    runs = [
        f"mkdir {n}; (cd {n}; multilog {random_script(dice)} <../in)" for n in range(20)
    ]
    both.check(
        "multilog", Case("; ".join(runs), name="random scripts", files={"in": text})
    )
