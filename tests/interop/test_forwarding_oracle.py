"""fastforward's and dot-forward's programs beside Debian's, in a private root.

Both sides have the same home, /var/lib/qmail, with a bin/qmail-queue that shows what it
gets on standard error. Every case runs in a directory of its own with the same files;
compared are status, standard output and error, and what is left in the directory. The
temporary files of refused runs are not: the originals leave them half written.
"""

from __future__ import annotations

import base64
import io
import re
import tarfile
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.conftest import ORIGINALS, tool
from tests.guide.private_root import PrivateRoot
from tests.interop.differences import DIFFERENCES
from tests.interop.oracle import Case

HOME = "/var/lib/qmail"
PROGRAMS = [
    *("dot-forward", "fastforward", "newaliases", "newinclude", "preline"),
    *("printforward", "printmaillist", "setforward", "setmaillist"),
]
VOLATILE = [
    (re.compile(rb"\bqp \d+"), b"qp N"),
    # How the original's getopt begins its complaint; ours is the usage alone.
    (re.compile(rb"^.*: illegal option -- .\n", re.MULTILINE), b""),
    # What went wrong before has no part in a crash.
    (re.compile(rb"(child crashed in .*): .*"), rb"\1"),
]
QUEUE = r"""#!/bin/sh
exec 3<&1
{ cat; echo --; tr '\0' '\n' <&3; } >&2
"""
TABLE = r"""
c@d: &e@f, |cat, |echo\ two; e@f: g@h, &E@f, b@; b@: ?own, zz@z;
@w: ww@; w@: www@; ww@: ./l.bin; loop@: loop@h; loop@h: &loop@h, x@y;
owned@: ?Own@er; owned@: m@n; list@: ./l.bin, /nosuch.bin; bad@: ./private.bin;
ok@: ./l.bin, ./l2.bin; only@: |true; pre@: !cat; here@: n@m.example;
s64@: |exit\ 64; s77@: |exit\ 77; s99@: |exit\ 99; s100@: |exit\ 100;
s111@: |exit\ 111; s1@: |exit\ 1; killed@: |kill\ -9\ $$; none@: |nosuchprogram;
odd@: "a\ b"@c.d; high@: HIGH; dir@: ./d; eats@: |head\ -1, ok@x;
ring@x: ring2@x; ring2@x: ring@x; empty@: ./empty.bin, ./empty.bin;
ringed@: ring@x, |true; ringed2@: ring@x, n@m.example;
"""
PREPARE = rf"""
set -e
mkdir -p {HOME}/control {HOME}/bin /base/d
echo me.example >{HOME}/control/me
echo def.example >{HOME}/control/defaultdomain
echo plus.example >{HOME}/control/plusdomain
cat >{HOME}/bin/qmail-queue <<'@@'
{QUEUE.strip()}
@@
chmod +x {HOME}/bin/qmail-queue
cd /base
printf 'Subject: x\n\nhi\n.\n' >m
printf '&a@b.example\0./l2.bin\0' >l.bin
printf '&c@d.example\0&A@b.example\0' >l2.bin
: >empty.bin
cp l.bin private.bin; chmod 640 private.bin
cat >t <<'@@'
{TABLE.replace("HIGH", chr(0xE9)).strip()}
@@
setforward t.cdb t.tmp <t
printf 'bob, "|cat; echo done", <a@b.c>\n# x\nJoe Shmoe <fred+>\n' >.forward
: >e
set +e
export SENDER=s@x.example NEWSENDER=ns@x.example USER=joe HOST=h.example
export UFLINE='From u
' RPLINE='Return-Path: <r>
' DTLINE='Delivered-To: d
'
fw() {{ printf '%s\n' "$1" >f; dot-forward -n f; echo $?; dot-forward f <m; }}
al() {{ printf "$1" >/etc/aliases; newaliases; s=$?
       test $s -ne 0 || {{ printforward </etc/aliases.cdb; od -c /etc/aliases.cdb; }}
       return $s; }}
ni() {{ printf "$1" >l; newinclude l; s=$?; test ! -e l.bin || printmaillist <l.bin
       return $s; }}
sf() {{ printf "$1" | setforward y.cdb y.tmp; }}
sm() {{ printf "$1" | setmaillist y.bin y.tmp; }}
ff() {{ RECIPIENT=$1; export RECIPIENT; shift; fastforward "$@" t.cdb <m; }}
with() {{ cp {HOME}/bin/qmail-queue /tmp/q; cp $1 {HOME}/bin/qmail-queue
         shift; "$@"; s=$?; cp /tmp/q {HOME}/bin/qmail-queue; return $s; }}
"""


def calls(function: str, *words: str) -> list[Case]:
    """The function with each of the words."""
    return [Case(f"{function} '{word}'") for word in words]


DOT_FORWARD = [
    Case("dot-forward -n .forward"),
    Case("dot-forward .forward <m"),
    Case("dot-forward -nN .forward <m"),
    Case("dot-forward -n e none e .forward"),
    Case("dot-forward -n; dot-forward none; dot-forward -n none; dot-forward"),
    Case("dot-forward -x"),
    Case("dot-forward d"),
    Case("ln -s loop loop; dot-forward loop"),
    Case("echo x | dot-forward .forward"),
    Case("echo '\"|true\"' >f; echo x | dot-forward f"),
    Case("unset UFLINE RPLINE DTLINE NEWSENDER USER HOST; dot-forward .forward <m"),
    Case("export QMAILDEFAULTHOST=other; dot-forward -n .forward"),
    *calls("fw", "joe", "JOE", "joe@H.example", "joe@h", "a, joe", "\\joe", '"joe"'),
    *calls("fw", "joe@h.example, a@b.c", "a b c", "a@b c@d", "a(x)b", "(x)", "a;b"),
    *calls("fw", "<>", '""', "a@[1.2.3.4]", "a+", "a@b+", "a@b.", '"a@b"', "a:b,c;"),
    *calls("fw", "/file", "|x", "/f@host", '"|x"@host', "a (", 'a "', "a>", "<a", ","),
    *calls("fw", '"|exit 99"', '"|exit 100"', '"|exit 64"', '"|exit 1"', "@a.b:c@d.e"),
    *calls("fw", '"|kill -9 $$"', '"|exit 0"', '"|true", a', '"|nosuchprogram"'),
    *calls("fw", ":include:/x", "#a", " a", "a@", '"joe@h.example"', "a@b@c"),
    Case("printf 'a\\r\\nb' >f; dot-forward -n f"),
    Case("echo '\"|cat\"' >f; echo 'a (' >>f; dot-forward f <m", name="late error"),
]
NEWALIASES = [
    *calls(
        "al", "a: b\\n", "", "\\n\\n", "# x\\n y\\na: b\\n", "a:\\n\\n b,\\n\\tc\\n"
    ),
    *calls("al", "A@B.c: d@e\\n@v.dom: all\\n", "a b c\\n", "a: b (c), Joe <d@e.f>\\n"),
    *calls("al", "a: x@y+, x+\\n", "a: b\\na: c\\n", 'a: "b c"@d.e\\n', "a: c, c\\n"),
    *calls("al", "owner-l: o@wn\\nl: a\\n", "OWNER-l: o\\nl: a\\n", "owner-: x\\n"),
    *calls("al", "owner-l@v.dom: o\\nl@v.dom: a\\n", "a: owner-l\\n", ": a\\n", "a\\n"),
    *calls("al", 'l: "|p a", b, "|q"\\n', "l: |p\\n", '"|p": b\\n', "l: |p@b\\n"),
    *calls("al", "l: :include:x\\n", "l: :include:/x.y, :include:./z\\n", "l: x:y\\n"),
    *calls("al", "l: :Include:x\\n", "l: :include:\\n", ":include:x: y\\n", ":x\\n"),
    *calls("al", "a:\\n", "a: /file\\n", "a: <>\\n", "a: b>\\n", "a: (\\n", '"": a\\n'),
    *calls("al", "a: b\\nc: (\\n", " a: b\\n", "a: \\000\\n", 'a: "|\\000"\\n', ":\\n"),
    *calls(
        "al",
        "a: b\\r\\nc: d\\r\\n",
        "a: b@[1.2.3.4]\\n",
        "a: \\351@b.c\\n",
        "b, : c\\n",
    ),
    *calls("al", "a: b\\nlast: c", "a: b,\\n c", "a: b@\\n", "b@: c\\n"),
    Case("rm /etc/aliases; newaliases"),
    Case('al "a: $(printf %0788d 1)\\n" >/dev/null'),
    Case('al "a: $(printf %0790d 1)\\n" >/dev/null', name="long alias"),
    Case("newaliases word", name="newaliases with a word"),
]
NEWINCLUDE = [
    Case("newinclude"),
    Case("newinclude nosuch"),
    Case("newinclude d"),
    Case("echo a >d/l; newinclude d/l; cat d/l.bin; umask 077; newinclude d/l"),
    Case("export QMAILDEFAULTHOST=o QMAILDEFAULTDOMAIN=p; ni 'a, b@c, d+\\n'"),
    Case("mkdir l.tmp; echo a >l; newinclude l", name="newinclude cannot create"),
    *calls(
        "ni", "a\\n", "a", "", "a, b\\nc d\\n", "# a\\nb\\n", "Joe <a@b>, (x) c+\\n"
    ),
    *calls("ni", ":include:x, :include:/y, :include:./z\\n", ":include:\\n", "<>\\n"),
    *calls(
        "ni", "/f\\n", "|p\\n", "a (\\n", "a>\\n", '"a "\\n', '"x@y.z "\\n', "a\\\\\\n"
    ),
    *calls(
        "ni", "a@b\\\\ \\n", "\\000\\n", "a@b.c\\\\\\n", ":include:a\\\\\\n", "a: b\\n"
    ),
    Case('ni "$(printf %0789d 1)"'),
    Case('ni "$(printf %0791d 1)"'),
]
SETFORWARD = [
    Case("setforward; setforward x"),
    Case("setforward x.cdb x.tmp <t; printforward <x.cdb; od -c x.cdb"),
    Case("umask 077; setforward x.cdb x.tmp <t"),
    Case("setforward nodir/x nodir/y </dev/null"),
    Case("setforward nodir/x y </dev/null"),
    Case("setforward x /dev/full <t", name="setforward to a full device"),
    Case("setforward x y.tmp <&-"),
    Case("cp t.cdb y.cdb; sf 'a:b'; cmp t.cdb y.cdb && false"),
    Case("printf '\\000a:b;' | setforward y.cdb y.tmp"),
    Case('sf "a:$(printf %0800d 1);"'),
    Case('sf "a:$(printf %0801d 1);"'),
    Case('sf "a:&$(printf %0800d 1);"'),
    Case('sf "a:|$(printf %0900d 1);"'),
    *calls("sf", "a:b", "a", "a:b:c;", ",", ";", "a,b:c;", "a:b;c", "a:b;#x", "a\\\\"),
    *calls(
        "sf", "a:b\\\\", "a:;", ":e;", "a:?o,b,?p;", "a b:c\\nd\\te;", "A:B;", "a:,;"
    ),
    *calls("sf", "a:\\\\:\\\\;\\\\,\\\\\\\\;", "#\\n", "a#b\\n:c;", "a:b\\000;"),
    *calls("sf", "a:\\\\\\000;"),
]
PRINTFORWARD = [
    Case("printforward <t.cdb"),
    Case("printforward <&-"),
    Case("printforward </dev/null"),
    Case("head -c 2060 t.cdb | printforward"),
    Case("printforward <t"),
    Case("sf 'a\\177\\377\\001: b\\377, |\\001\\\\#;'; printforward <y.cdb"),
]
MAILLISTS = [
    Case("setmaillist; setmaillist x"),
    Case("setmaillist nodir/x nodir/y"),
    Case("setmaillist x y.tmp <&-"),
    Case("umask 0; sm 'a\\n'; umask 077; sm 'b\\n'"),
    Case('sm "$(printf %0800d 1)"'),
    Case('sm "$(printf %0801d 1)"'),
    Case('sm "/$(printf %0801d 1)"'),
    *calls("sm", "a@b\\n# x\\n  \\n/l \\n./m\\t \\n&x y  \\n lead\\nlast", "", "\\n"),
    *calls("sm", "a\\000", "a \\t\\r\\n", "#", " # a", "&", "?x", "|x"),
    Case("printmaillist <l.bin; printmaillist </dev/null; printmaillist <&-"),
    *(
        Case(f"printf '{data}' | printmaillist")
        for data in ("a", "a\\0", "&a\\nb\\0", "&a \\0/x\\0.\\0", "\\0", "&a\\0&b")
    ),
    Case("printf '&%0898d\\0' 1 | printmaillist"),
    Case("printf '&%0899d\\0' 1 | printmaillist"),
]
RECIPIENTS = [
    *("C", "loop", "owned", "bad", "ok", "only", "pre", "here", "s64", "s77", "s99"),
    *("s100", "s111", "s1", "killed", "none", "odd", "high", "dir", "eats", "nobody"),
    "b",
]
FASTFORWARD = [
    Case("fastforward; fastforward -z t.cdb", name="fastforward misused"),
    Case("export RECIPIENT=a; fastforward nosuch; fastforward d"),
    Case("fastforward t.cdb; fastforward -d t.cdb; DEFAULT=c fastforward -d t.cdb"),
    Case("export DEFAULT=c EXT=b HOST=d; fastforward -dn t.cdb"),
    Case("export EXT=b HOST=d RECIPIENT=c@d; fastforward -dn t.cdb"),
    Case("export EXT=b HOST=d RECIPIENT=c@d; fastforward -dDn t.cdb"),
    Case("unset SENDER; ff c@d -n"),
    Case("unset DTLINE; ff here@x"),
    Case("SENDER=; ff owned@x; SENDER='#@[]'; ff owned@x"),
    Case("RECIPIENT=a@b fastforward -n e", name="fastforward of an empty file"),
    Case("RECIPIENT=a@b fastforward m", name="fastforward of another file"),
    Case("export RECIPIENT=only@x; echo x | fastforward t.cdb"),
    Case("PATH=/nosuch; export RECIPIENT=only@x; $BIN/fastforward t.cdb"),
    Case(
        "printf '#!/bin/sh\\nexit 31\\n' >q; chmod +x q; with q ff here@x",
        name="the queue refuses for good",
    ),
    Case(
        "printf '#!/bin/sh\\nexit 53\\n' >q; chmod +x q; with q ff here@x -p",
        name="the queue refuses for now",
    ),
    Case("ff c@d"),
    *(Case(f"ff {name}@x{flag}") for name in RECIPIENTS for flag in ("", " -n")),
    *(Case(f"ff {name}@x -p") for name in ("only", "here", "s100", "nobody", "ok")),
    *(Case(f"ff here@x {flags}") for flags in ("-np", "-pP", "-nN -p", "-D")),
    *(Case(f"ff {a} -n") for a in ("c@d", "W@x", "X@W", "e@f", "@w", "b@", "a@b@w")),
    *(Case(f"ff {a} -n") for a in ("b", "''", "high@X")),
    Case("ff list@x"),
    *(Case(f"ff ring@x{flag}") for flag in ("", " -p", " -n", " -np")),
    *(Case(f"ff {name}@x -p") for name in ("empty", "ringed", "ringed2")),
    *(Case(f"ff {name}@x -n") for name in ("empty", "ringed", "ringed2")),
    Case(
        "sf 'a@: |echo\\\\ ran, /nosuch;'; RECIPIENT=a@b fastforward y.cdb <m",
        name="a program, and a list that is not there",
    ),
    Case("printf 'a@b' >l2.bin; ff ok@x", name="truncated list"),
    Case("printf '|x\\0' >l2.bin; ff ok@x", name="program in a list"),
]
TABLES = {
    "dot-forward": DOT_FORWARD,
    "newaliases": NEWALIASES,
    "newinclude": NEWINCLUDE,
    "setforward": SETFORWARD,
    "printforward": PRINTFORWARD,
    "setmaillist": MAILLISTS,
    "fastforward": FASTFORWARD,
}
ALL = [(program, case) for program, table in TABLES.items() for case in table]
Outcome = dict[str, object]


def script(binaries: Path) -> str:
    """All cases one after the other, each in /case, with the results in /results."""
    text = f"export PATH={binaries}:/usr/bin:/bin BIN={binaries}\n{PREPARE}"
    for number, (_, case) in enumerate(ALL):
        text += f"""
rm -rf /case; cp -a /base /case; mkdir -p /results/{number}; cd /case
rm -f /etc/aliases.*; : >/etc/aliases
( {case.line}
) >/results/{number}/out 2>/results/{number}/err </dev/null
echo $? >/results/{number}/status; mv /case /results/{number}/files
"""
    return text


def collected(root: PrivateRoot) -> list[Outcome]:
    """What the script left in /results, case by case."""
    raw = base64.b64decode(root.run("tar c -C /results . | base64").stdout)
    found: list[Outcome] = [{} for _ in ALL]
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        for member in tar:
            number, _, name = member.name.removeprefix("./").partition("/")
            if not name:
                continue
            content: object = member.linkname
            if member.isfile():
                file = tar.extractfile(member)
                assert file is not None
                content = file.read()
                for pattern, new in VOLATILE:
                    content = pattern.sub(new, content)
            mode = f"{member.mode:o}" if "/" in name else ""
            found[int(number)][name] = (mode, content)
    return found


def outcomes(binaries: Path) -> list[Outcome]:
    """All cases with the programs of that directory."""
    places = [path for path in launcher.search_path() if Path(path).is_dir()]
    with PrivateRoot("me.example", [str(binaries), *places]) as root:
        root.write("/tmp/script", script(binaries))
        root.run("sh /tmp/script", seconds=180)
        return collected(root)


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes of the originals and of ours."""
    tool("setforward", "fastforward")
    tool("dot-forward", "dot-forward")
    theirs = tmp_path_factory.mktemp("theirs")
    ours = tmp_path_factory.mktemp("ours")
    for name in PROGRAMS:
        file = ours / name
        file.write_bytes(launcher.render(name.encode(), HOME.encode()))
        # The original runs preline, which comes with qmail: lend it ours.
        source = file
        if name != "preline":
            place = "sbin/qmail-newaliases" if name == "newaliases" else f"bin/{name}"
            source = Path(ORIGINALS) / "usr" / place
        (theirs / name).write_bytes(source.read_bytes())
        for copy in (file, theirs / name):
            copy.chmod(0o755)
    return outcomes(theirs), outcomes(ours)


@pytest.mark.parametrize(
    "number", range(len(ALL)), ids=[f"{program}: {case}" for program, case in ALL]
)
def test_forwarding_does_as_the_original(
    number: int, both: tuple[list[Outcome], list[Outcome]]
) -> None:
    program, case = ALL[number]
    theirs, ours = (dict(side[number]) for side in both)
    if theirs["status"] != ("", b"0\n"):
        for side in (theirs, ours):
            for name in [name for name in side if name.endswith(".tmp")]:
                del side[name]
    reason = DIFFERENCES.get((program, str(case)))
    if reason is None:
        assert ours == theirs
    else:
        assert ours != theirs, f"no longer different: {reason}"
