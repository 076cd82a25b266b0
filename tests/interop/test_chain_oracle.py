"""The programs that start another one, beside the originals: case by case the same."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.conftest import tool
from tests.interop.oracle import Both, Case

SEEN = "env - PATH=$PATH A=1 B=2 C= envdir d env -0 | sort -z | tr '\\0' '\\n'"
"""The environment that envdir gives, sorted."""
NO_OVERRIDE = "setpriv --bounding-set=-dac_override,-dac_read_search "
"""Even root cannot open what its mode forbids."""


def chmod(name: str, mode: int) -> Case:
    """``SEEN`` with a file of that mode in the directory."""

    def prepare(place: Path) -> None:
        (place / "d").mkdir(exist_ok=True)
        (place / "d/A").write_text("new\n")
        (place / name).chmod(mode)

    line = f"{NO_OVERRIDE}envdir d sh -c 'echo $A'; echo $?; chmod 700 d d/A"
    return Case(line, name=f"envdir {name} {mode:o}", prepare=prepare)


def special(kind: str) -> Case:
    """``SEEN`` with something that is no regular file in the directory."""

    def prepare(place: Path) -> None:
        (place / "d").mkdir()
        match kind:
            case "fifo":
                os.mkfifo(place / "d/A")
            case "directory":
                (place / "d/A").mkdir()
            case "dangling link":
                (place / "d/A").symlink_to("nowhere")
            case "dangling links among files":
                for n in range(30):
                    (place / f"d/F{n}").write_text("x\n")
                    (place / f"d/L{n}").symlink_to("nowhere")
            case "link":
                (place / "target").write_text("far\n")
                (place / "d/A").symlink_to("../target")
            case "loop":
                (place / "d/A").symlink_to("A")
            case "null device":
                os.mknod(place / "d/A", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            case "socket":
                os.mknod(place / "d/A", stat.S_IFSOCK | 0o666)

    return Case(f"{SEEN}", name=f"envdir {kind}", prepare=prepare)


def value(name: str, content: bytes | str, variable: str = "A") -> Case:
    """``SEEN`` with one file in the directory."""
    return Case(SEEN, name=f"envdir file {name}", files={f"d/{variable}": content})


ENVDIR = [
    Case("envdir"),
    Case("envdir d"),
    Case("envdir nosuch true"),
    Case("envdir d true", name="envdir d is a file", files={"d": "x"}),
    Case("envdir '' true"),
    Case("envdir d nosuchprogram", files={"d/A": "x"}),
    Case("envdir d d", name="envdir child is a directory", files={"d/A": "x"}),
    Case("envdir d ./d/A", name="envdir child not executable", files={"d/A": "x"}),
    Case("envdir d ''", files={"d/A": "x"}),
    Case("envdir d sh -c 'exit 7'", files={"d/A": "x"}),
    Case("envdir d sh -c 'kill -9 $$'", files={"d/A": "x"}),
    Case("envdir d pwd", files={"d/A": "x"}),
    Case("envdir -- d true", files={"d/A": "x"}),
    Case("envdir / true", name="envdir of a directory with directories"),
    Case(SEEN, name="envdir empty directory", files={"d/": ""}),
    value("plain", "new\n"),
    value("empty", ""),
    value("empty and unset before", "", "NEW"),
    value("new variable", "new\n", "NEW"),
    value("no newline", "new"),
    value("only newline", "\n"),
    value("two newlines", "\n\n"),
    value("two lines", "first\nsecond\n"),
    value("trailing blanks", "new  \t \n"),
    value("leading blanks", " \t new\n"),
    value("only blanks", " \t \t\n"),
    value("blanks without newline", "new \t"),
    value("NUL inside", b"a\0b\0\0c\n"),
    value("NUL at the end", b"a\0\n"),
    value("NUL alone", b"\0"),
    value("NUL then blank", b"\0 \n"),
    value("CR LF", b"new\r\n"),
    value("bytes", bytes(range(1, 10)) + bytes(range(11, 256)) + b"\n"),
    value("equals in value", "x=y=z\n"),
    value("equals first in value", "=x\n"),
    value("255 bytes", b"x" * 255 + b"\n"),
    value("256 bytes", b"x" * 256 + b"\n"),
    value("4096 bytes", b"x" * 4096),
    value("100000 bytes", b"x" * 100_000 + b"\nmore"),
    value("more than exec takes", b"x" * 200_000),
    value("name with equals", "v\n", "A=x"),
    value("name with equals, empty", "", "A=x"),
    value("name with equals at its end", "v\n", "A="),
    value("name that begins with equals", "v\n", "=A"),
    value("name that begins with equals, empty", "", "=A"),
    value("name that is equals", "v\n", "="),
    value("name with equals on both sides", "v\n", "=A="),
    Case(
        "env - PATH=$PATH envdir d envdir e envdir e env",
        name="envdir hands on a name that begins with equals",
        files={"d/=A": "1\n", "e/=B": "2\n"},
    ),
    Case(
        "env - PATH=$PATH A=1 B=2 C=3 D=4 envdir d env",
        name="envdir order of variables",
        files={"d/B": "new\n"},
    ),
    value("name with blank", "v\n", "A B"),
    value("name of bytes", "v\n", "\udce9t\udce9"),
    value("hidden", "v\n", ".A"),
    value("hidden, two dots", "v\n", "..A"),
    value("name begins with minus", "v\n", "-A"),
    value("PATH changed", "/nosuch\n", "PATH"),
    value("PATH unset", "", "PATH"),
    Case(
        "env - PATH=$PATH A=1 envdir d envdir e env -0 | sort -z | tr '\\0' '\\n'",
        name="envdir twice",
        files={"d/B": "b\n", "d/A": "", "e/A": "again\n", "e/B": ""},
    ),
    Case(
        "cd sub; envdir ../d sh -c 'pwd | sed s,.*/,,; echo $A'",
        files={"d/A": "x\n", "sub/": ""},
    ),
    Case(
        f"chmod 300 sub; cd sub; {NO_OVERRIDE}envdir ../d true; echo $?; chmod 755 .",
        name="envdir where the current directory cannot be opened",
        files={"d/A": "x\n", "sub/": ""},
    ),
    Case(
        "mkdir gone; cd gone; rmdir ../gone; envdir $OLDPWD/d sh -c 'echo $A'",
        name="envdir where the current directory is gone",
        files={"d/A": "x\n"},
    ),
    chmod("d/A", 0o000),
    chmod("d/A", 0o200),
    chmod("d", 0o000),
    chmod("d", 0o300),
    chmod("d", 0o600),
    *map(special, ("directory", "fifo", "dangling link", "link", "loop")),
    *map(special, ("null device", "socket", "dangling links among files")),
]
NUMBERS = "sh -c 'echo $UID $GID; id -u; id -g; id -G'"
ENVUIDGID = [
    Case("envuidgid"),
    Case("envuidgid nobody"),
    Case("envuidgid nosuchaccount true"),
    Case("envuidgid '' true"),
    Case("envuidgid 0 true"),
    Case("envuidgid nobody nosuchprogram"),
    Case("envuidgid -x true"),
    Case("envuidgid nobody sh -c 'exit 7'"),
    *[Case(f"envuidgid {name} {NUMBERS}") for name in ("root", "daemon", "nobody")],
    Case("env - PATH=$PATH UID=a A=1 GID=b B=2 envuidgid daemon env"),
    Case("env - PATH=$PATH envuidgid daemon envuidgid nobody env"),
    Case("envuidgid nobody setuidgid daemon " + NUMBERS),
]
SETUIDGID = [
    Case("setuidgid"),
    Case("setuidgid nobody"),
    Case("setuidgid nosuchaccount true"),
    Case("setuidgid '' true"),
    Case("setuidgid 65534 true"),
    Case("setuidgid nobody nosuchprogram"),
    Case("setuidgid nobody /nosuch/program"),
    Case("setuidgid nobody sh -c 'exit 7'"),
    *[Case(f"setuidgid {name} {NUMBERS}") for name in ("root", "daemon", "nobody")],
    Case(f"setpriv --groups 1,2,3 setuidgid man {NUMBERS}"),
    Case("setpriv --bounding-set=-setuid setuidgid daemon id"),
    Case("setpriv --bounding-set=-setgid setuidgid daemon id"),
    Case(
        "setuidgid daemon sh -c 'grep -E \"^(Uid|Gid|Groups|Cap)\" /proc/self/status'"
    ),
    Case("setuidgid daemon sh -c 'setuidgid nobody true'", name="setuidgid not root"),
    Case("env - PATH=$PATH A=1 setuidgid nobody env"),
]
HELD = "setlock f sh -c '{}'"
SETLOCK = [
    *map(Case, ("setlock", "setlock f", "setlock -n", "setlock -n f", "setlock --")),
    *map(Case, ("setlock -q f true", "setlock -nq f true", "setlock -n -x -? f true")),
    Case("setlock f true"),
    Case("setlock -nX f sh -c 'exit 7'"),
    Case("setlock -- f echo x"),
    Case("setlock -nNxX -- f echo x"),
    Case("setlock - f echo x"),
    Case("setlock f nosuchprogram"),
    Case("setlock -x f nosuchprogram"),
    Case("setlock none/f true"),
    Case("setlock -x none/f true"),
    Case("setlock -X none/f true"),
    Case("setlock -xX none/f true"),
    Case("setlock -Xx none/f true"),
    Case("setlock d true", files={"d/": ""}),
    Case("setlock -x d true", files={"d/": ""}),
    Case("setlock '' true"),
    Case("setlock f cat f", name="setlock keeps the content", files={"f": "kept\n"}),
    Case("umask 0; setlock f true", name="setlock umask 0"),
    Case("umask 777; setlock f true; chmod 600 f", name="setlock umask 777"),
    Case("ln -s g f; setlock f true", name="setlock through a link"),
    Case("ln -s f f; setlock f true", name="setlock of a loop"),
    Case("mkfifo f; setlock f true", name="setlock of a FIFO nobody reads"),
    Case("mkfifo f; setlock f true 3<>f", name="setlock of a FIFO"),
    Case("setlock /dev/null true"),
    *[
        Case(HELD.format(f"setlock {options} f echo got; echo $?"))
        for options in ("-n", "-nx", "-nX", "-Nn", "-nxX")
    ],
    Case(HELD.format("setlock -n g setlock -n f echo got")),
    Case(HELD.format("exec 3>&-; exec setlock -n f echo got")),
    Case(
        "setlock f sh -c 'echo one; mv f g; setlock -n f echo two'",
        name="setlock of another file of that name",
    ),
    Case(
        "setlock f sh -c 'until test -e go; do sleep 0.01; done; echo first' & "
        "while setlock -n f true 2>&-; do :; done; "
        "(sleep 0.05; : >go) & setlock f echo second; wait",
        name="setlock waits",
    ),
    Case(
        "setlock f setlock g sh -c 'setlock -n f true; setlock -n g true'; "
        "setlock -n f setlock -n g echo free",
        name="setlock twice in a chain",
    ),
    Case(
        "setlock f sh -c 'sleep 29 & echo $! >pid'; setlock -n f true; echo $?; "
        "kill $(cat pid); rm pid; setlock f echo free",
        name="setlock outlives the program in its child",
    ),
    Case("setlock f ls -l /proc/self/fd/3 | sed 's/.* //;s,.*/,,'"),
    Case("setlock f true 3</dev/null; setlock f sh -c 'echo x >&3'; cat f"),
    Case("setlock f sh -c 'cat /proc/self/fdinfo/3 | grep flags'"),
]
ALL = "sh -c 'ulimit -a'"
LETTERS = "acdflmoprst"
LOW = {"a": 300_000_000, "m": 400_000_000, "o": 60, "t": 50}
"""Numbers that a shell can live with; 100 million for the other letters."""
SOFTLIMIT = [
    *map(Case, ("softlimit", "softlimit -m", "softlimit -m 1000000", "softlimit -z 1")),
    *map(Case, ("softlimit -az true", "softlimit -a 1x true", "softlimit -a -1 true")),
    *map(Case, ("softlimit -o =x true", "softlimit -o== true", "softlimit --")),
    *map(
        Case, ("softlimit -p x -z true", "softlimit -p 1 -z true", "softlimit -px -p")
    ),
    *map(Case, ("softlimit -p= -p x -q", "softlimit -p x")),
    *map(Case, ("softlimit true", "softlimit -- echo x", "softlimit nosuchprogram")),
    Case("softlimit sh -c 'exit 7'"),
    *[Case(f"softlimit -{x} {LOW.get(x, 100_000_000)} {ALL}") for x in LETTERS],
    *[Case(f"softlimit -{x}= {ALL}") for x in LETTERS],
    *[
        Case(f"(ulimit -H -{s} {n}; softlimit -{x} 99999999 {ALL})")
        for x, s, n in (("o", "n", 50), ("t", "t", 70), ("c", "c", 8), ("f", "f", 9))
    ],
    *[
        Case(f"(ulimit -H -{s} {n}; softlimit -{x} = {ALL})")
        for x, s, n in (("o", "n", 50), ("t", "t", 70), ("c", "c", 8), ("f", "f", 9))
    ],
    Case(f"(ulimit -S -n 40; softlimit -o 45 {ALL}; softlimit -o= {ALL})"),
    Case(f"softlimit -o 60 -o 50 {ALL}"),
    Case(f"softlimit -o 50 softlimit -o 60 {ALL}"),
    Case(f"softlimit -c0 -f1000 -o50 {ALL}"),
    Case(f"softlimit -c 18446744073709551615 {ALL}"),
    Case(f"softlimit -c 18446744073709551616 {ALL}"),
    Case(f"softlimit -c 9223372036854775808 {ALL}"),
    Case(f"softlimit -c '' {ALL}"),
    Case(f"softlimit -c 007 {ALL}"),
    Case(f"softlimit -m 200000000 -d 100000000 -s= {ALL}"),
    Case("softlimit -f 1000 dd if=/dev/zero of=f bs=999 count=2"),
    Case("softlimit -o 3 cat /dev/null"),
    Case("softlimit -a 1000 true", name="softlimit too small to exec"),
    Case("softlimit -t1 sh -c 'ulimit -c 0; while :; do :; done'"),
    Case("softlimit -t1 sh -c 'ulimit -t'"),
    Case("softlimit -t0 sh -c 'ulimit -t'"),
    Case("softlimit -t5 envdir d sh -c 'ulimit -t'", files={"d/": ""}),
    Case("softlimit -s 1000000000000 sh -c 'ulimit -s'"),
    Case("softlimit -m 200000000 envdir d sh -c 'ulimit -v'", files={"d/": ""}),
]
BEGUN = "until tr '\\0' ' ' </proc/$!/cmdline | grep -q '\\.\\.\\.'; do :; done"
"""Before it has its ring, ps shows the shell, or our interpreter, not its line."""
SHOWN = (
    f"mkfifo in; {{}} <in & exec 9>in; {BEGUN}; printf '{{}}' >&9; "
    "until tr '\\0' ' ' </proc/$!/cmdline | grep -q '{}'; do :; done; "
    "tr '\\0' ' ' </proc/$!/cmdline | grep -ao 'errors:.*' | sed 's/ *$//'; "
    "exec 9>&-; wait $!"
)


def ring(name: str, size: int, text: str, end: str) -> Case:
    """What readproctitle shows in ``ps`` when ``end`` has come, the last of the text."""
    start = f"readproctitle errors: {'x' * size}"
    return Case(SHOWN.format(start, text, end), name=f"readproctitle {name}")


READPROCTITLE = [
    *map(Case, ("readproctitle", "readproctitle a", "readproctitle a b 1234")),
    *map(Case, ("readproctitle a ''", "readproctitle 1234", "readproctitle 12345")),
    Case("readproctitle a 12345", b"text that goes nowhere\n"),
    Case("readproctitle a 12345 <&-"),
    Case("readproctitle a 12345 <."),
    Case("readproctitle a 12345 >&- 2>&-", b"x"),
    ring("a few bytes", 20, "abc", "abc"),
    ring("the ring full", 9, "abcdef", "abcdef"),
    ring("the ring over", 9, "abcdefghij", "efghij"),
    ring("five", 5, "abc", "bc"),
    ring("NULs", 20, "a\\000b\\000\\000c", "abc"),
    ring("newlines", 20, "a b\\nc\\td", "c.d"),
    ring("much", 400, "y" * 1000 + "END", "END"),
    ring("bytes", 20, "a\\377\\200b", "a..b"),
    Case(
        f"mkfifo in; readproctitle errors: 12345 <in & exec 9>in; {BEGUN}; "
        "printf abc >&9; until grep -aq bc /proc/$!/cmdline; do :; done; "
        "tr '\\0' / </proc/$!/cmdline | sed 's,/*$,,'; exec 9>&-; wait $!",
        name="readproctitle as the kernel has it",
    ),
]
FGHACK = [
    *map(Case, ("fghack", "fghack true", "fghack nosuchprogram", "fghack ''")),
    *map(Case, ("fghack -x", "fghack -- true", "fghack /", "fghack sh -c 'exit 7'")),
    *[Case(f"fghack sh -c 'kill -{n} $$'") for n in (1, 9, 15)],
    Case("fghack sh -c 'ulimit -c 0; kill -6 $$'"),
    Case("fghack sh -c '(sleep 0.2; echo late) & exit 3'; echo $?"),
    Case("fghack sh -c '(sleep 0.2; echo late >&2; exit 4) & exit 0'; echo $?"),
    Case("fghack sh -c 'echo in the pipe >&4; exit 3'"),
    Case("fghack sh -c 'ls /proc/self/fd | wc -l'"),
    Case("fghack sh -c 'ls /proc/self/fd | wc -l' 3</dev/null 5</dev/null"),
    Case("fghack sh -c 'ls -l /proc/self/fd' | grep -c pipe:"),
    Case("(ulimit -n 20; fghack ls /proc/self/fd | wc -l)"),
    Case("(ulimit -n 4; fghack true)", name="fghack without descriptors"),
    Case("fghack cat", b"through\n"),
    Case("fghack sh -c 'cat <&0' <&-"),
    Case("fghack sh -c 'exec 3>&- 4>&- 5>&-; sleep 0.1 & exit 2'; echo $?"),
    Case("fghack fghack sh -c 'sleep 0.1 & exit 5'; echo $?"),
    Case("fghack envdir d sh -c 'echo $A; exit 6'", files={"d/A": "x\n"}),
]
LEADS = "sh -c 'set -- $(ps -o pid=,pgid=,sid= -p $$); test $1 = $2 && echo G; "
LEADS += "test $1 = $3 && echo S; exit 0'"
PGRPHACK = [
    *map(Case, ("pgrphack", "pgrphack true", "pgrphack nosuchprogram", "pgrphack ''")),
    *map(Case, ("pgrphack -x", "pgrphack /", "pgrphack sh -c 'exit 7'")),
    Case(f"{LEADS}; pgrphack {LEADS}"),
    Case(f"exec pgrphack {LEADS}", name="pgrphack leads already"),
    Case(f"pgrphack pgrphack {LEADS}"),
    Case(f"pgrphack setlock f {LEADS}"),
    Case("pgrphack sh -c 'kill -9 $$'"),
]
TABLES = {
    "envdir": ENVDIR,
    "envuidgid": ENVUIDGID,
    "setuidgid": SETUIDGID,
    "setlock": SETLOCK,
    "softlimit": SOFTLIMIT,
    "readproctitle": READPROCTITLE,
    "fghack": FGHACK,
    "pgrphack": PGRPHACK,
}
ROWS = [(program, case) for program, table in TABLES.items() for case in table]


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("program", "case"), ROWS, ids=str)
def test_program_of_a_chain_does_as_the_original(
    program: str, case: Case, both: Both
) -> None:
    tool("setpriv", "util-linux")
    both.check(program, case)


@pytest.mark.parametrize("holder", ["originals", "ours"])
def test_lock_of_one_side_excludes_the_other(both: Both, holder: str) -> None:
    other = {"originals": "ours", "ours": "originals"}[holder]
    inner = f"{both.directory[other]}/setlock -n f echo got; echo $?"
    outcome = both.run(holder, Case(f"setlock f sh -c '{inner}'"))
    assert outcome.out == b"111\n"
    assert outcome.err == b"setlock: fatal: unable to lock f: temporary failure\n"
    free = both.run(holder, Case(f"setlock f true; sh -c '{inner}'"))
    assert (free.out, free.err) == (b"got\n0\n", b"")
