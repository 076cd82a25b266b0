"""tcprules against the original: every rule form, every error, what is left behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytools.ucspi import rules
from tests.interop.oracle import Both, Case
from tests.support.tcprules_lines import REFUSED, TAKEN

COMPILE = "tcprules rules.cdb rules.tmp"
ONE = b"1:deny\n"
OLDER: dict[str, str | bytes] = {"rules.cdb": "older\n"}
OLD_TMP = {**OLDER, "rules.tmp": "x" * 9000}
MANY = b"".join(b'%d.2.3.4:allow,A="%d"\n' % (n % 250, n) for n in range(2000))
SMALL_DISK = "mount -t tmpfs -o size=32k none d && cd d && exec tcprules a b"


def _private_tmp(directory: Path) -> None:
    (directory / "rules.tmp").touch(0o600)


CASES = [
    *(
        Case(line)
        for line in ("tcprules", "tcprules a", "tcprules -h", "tcprules '' ''")
    ),
    Case("tcprules a b c", ONE),
    Case("tcprules -- a", ONE),
    Case("tcprules none/a none/b", ONE),
    Case("tcprules none/rules.cdb rules.tmp", ONE),
    Case("tcprules rules.cdb none/rules.tmp", ONE, files=OLDER),
    Case("tcprules rules.cdb /", ONE),
    Case("tcprules d rules.tmp", ONE, files={"d/": ""}),
    Case("tcprules d rules.tmp", ONE, name="onto a full directory", files={"d/x": ""}),
    Case("tcprules rules.cdb/ rules.tmp", ONE, files=OLDER),
    Case("tcprules '' rules.tmp", ONE),
    Case("tcprules rules.cdb ''", ONE),
    Case("tcprules rules.cdb rules.cdb", ONE, files=OLDER),
    Case("tcprules rules.cdb ./rules.tmp", ONE, files=OLDER),
    Case("tcprules $PWD/rules.cdb d/../rules.tmp", ONE, files={"d/": ""}),
    Case("tcprules rules.cdb /dev/full", ONE, files=OLDER),
    Case(f"{COMPILE} </", files=OLDER),
    Case(f"{COMPILE} <&-", files=OLDER),
    Case(f"{COMPILE} 0>written", files=OLDER),
    Case(f"{COMPILE} >&- 2>&-", ONE),
    Case(f"{COMPILE} >&- 2>&-", b"x:\n", name="complains to nobody"),
    Case(f"ln -s real rules.tmp; {COMPILE}", ONE),
    Case(f"ln -s real rules.cdb; {COMPILE}", ONE),
    Case(f"mkdir rules.tmp; {COMPILE}", ONE),
    Case(COMPILE, ONE, name="over older files", files=OLD_TMP),
    Case(COMPILE, b"x:\n", name="keeps the older file", files=OLD_TMP),
    Case(COMPILE, ONE, name="keeps the mode of tmp", prepare=_private_tmp),
    Case(COMPILE, ONE, name="umask", umask=0o077),
    Case(COMPILE, name="empty file"),
    Case(COMPILE, b"\n\n", name="empty lines"),
    Case(COMPILE, b"1:deny", name="no newline at the end"),
    Case(COMPILE, b"1:deny\n2:deny\n1:allow\n", name="the same address twice"),
    Case(COMPILE, b"\n".join(TAKEN) + b"\n", name="every form"),
    Case(COMPILE, b"\n".join(reversed(TAKEN)), name="every form, backwards"),
    Case(COMPILE, MANY, name="many"),
    Case(COMPILE, b"1:deny\n2 deny\n3:dent\n4:\n", name="bad line", files=OLDER),
    Case(COMPILE, b"1:deny\n2:x", name="bad last line"),
    Case(COMPILE, b"1-3:deny\n1-x:deny\n", name="bad range"),
    Case(COMPILE, MANY + b"bad:", name="bad line late"),
    Case(COMPILE, b"2001:db8::1:allow\n", name="IPv6 address"),
    Case(COMPILE, b"2001:db8::/32:deny\n", name="IPv6 network"),
    Case(COMPILE, b"10.16.0.0/12:deny\n", name="IPv4 network"),
    Case(COMPILE, b"10.1.0.0/16:deny\n", name="IPv4 network that ends at a dot"),
    Case(COMPILE, b"10.0.0.0/33:deny\n", name="IPv4 network of no length"),
]
FULL_DISK = [
    Case(
        f"unshare -m sh -c '{SMALL_DISK}'",
        MANY * times,
        name=f"full disk, {times} times",
        files={"d/": ""},
    )
    for times in (1, 5)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tcprules_does_as_the_original(case: Case, both: Both) -> None:
    both.check("tcprules", case)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("case", FULL_DISK, ids=str)
def test_tcprules_meets_a_full_disk_as_the_original(case: Case, both: Both) -> None:
    theirs = both.run("originals", case)
    assert (theirs.status, theirs.err) == (
        111,
        b"tcprules: fatal: unable to write to b: out of disk space\n",
    )
    both.check("tcprules", case)


def test_every_form_is_taken_by_both(both: Both) -> None:
    for side in ("originals", "ours"):
        outcome = both.run(side, Case(COMPILE, b"\n".join(TAKEN)))
        assert (outcome.status, outcome.err) == (0, b"")


@pytest.mark.parametrize("line", REFUSED, ids=repr)
def test_line_is_refused_as_by_the_original(
    line: bytes, originals: str, tmp_path: Path
) -> None:
    theirs = subprocess.run(
        [f"{originals}/tcprules", "a", "b"],
        input=line,
        capture_output=True,
        cwd=tmp_path,
        timeout=30,
    )
    with pytest.raises(rules.BadRule) as caught:
        rules.Compiler(lambda key, data: None).compile([line])
    assert theirs.returncode == 100
    assert theirs.stderr == (
        b"tcprules: fatal: unable to parse this line: %b\n" % caught.value.line
    )
