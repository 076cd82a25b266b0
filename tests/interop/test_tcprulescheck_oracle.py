"""tcprulescheck against the original: who meets which rule, and broken files."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from pytools.base.cdb import CdbMaker
from pytools.commands.tcprulescheck import describe
from pytools.ucspi import rules
from tests.interop.oracle import Both, Case, lines

RULES = b"""\
joe@1.2.3.4:allow,R=/info and ip/
joe@=a.b.org:allow,R=/info and host/
@1.2.3.9:allow,R=/empty info/
1.2.3.4:allow,R=/ip/,S=//
1.2.3.4:deny
=a.b.org:allow,R=/host/
=:allow,R=/any name/
=.b.org:deny,R=/parent/
=.org:allow,R=/org/
=.:allow,R=/dot/
1.2.3.:allow,R=/24/
1.2.:deny
1.:allow,R=/8/
20-22.3-4.:allow,R=/range/
30.1-3.:deny,R=/range/
:allow,R=/else/,=/no name/
"""
NEW_RULES = b"""\
0.0.0.0/0:deny
1.2.0.0/17:deny
::/0:deny
2001:db8::1:deny
joe@2001:db8::1:deny
"""
IPS = (b"1.2.3.4", b"1.2.3.9", b"1.2.9.9", b"1.9.9.9", b"9.9.9.9", b"20.3.1.1")
HOSTS = (None, b"a.b.org", b"x.b.org", b"x.y.b.org", b"org", b"a.net", b"dot.")
INFOS = (None, b"joe", b"ann", b"")
CLIENTS = [
    *itertools.product(IPS, HOSTS, INFOS),
    *((ip, None, None) for ip in b". .. 1. 1.2.3 30.2. 1.2.3.4.5 = =a.b.org".split()),
    *((ip, None, None) for ip in (b"", b"1.2.3.4\n", b"\xff", b"::2", b"1:2.3.", None)),
    *(
        (b"9.9.9.9", host, None)
        for host in b". .. .org a..org A.B.ORG =a.b.org".split()
    ),
    (b"1.2.3.9", b"", b""),
    (b"x" * 5000, b"." * 500, b"@"),
]


def environment(
    ip: bytes | None, host: bytes | None, info: bytes | None
) -> dict[bytes, bytes]:
    """What describes a client to tcprulescheck."""
    given = {b"TCPREMOTEIP": ip, b"TCPREMOTEHOST": host, b"TCPREMOTEINFO": info}
    return {name: value for name, value in given.items() if value is not None}


def checked(originals: str, directory: Path, env: dict[bytes, bytes]) -> bytes:
    """What the original's tcprulescheck says of a client to the rules.cdb there."""
    done = subprocess.run(
        [f"{originals}/tcprulescheck", "rules.cdb"],
        env=env,
        capture_output=True,
        cwd=directory,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_every_client_meets_the_rule_it_meets_in_the_original(
    originals: str, tmp_path: Path
) -> None:
    subprocess.run(
        [f"{originals}/tcprules", "rules.cdb", "rules.tmp"],
        input=RULES,
        cwd=tmp_path,
        check=True,
        timeout=30,
    )
    table: dict[bytes, bytes] = {}
    rules.Compiler(table.setdefault).compile(RULES.split(b"\n"))
    for ip, host, info in CLIENTS:
        theirs = checked(originals, tmp_path, environment(ip, host, info))
        found = rules.look_up(table.get, b"0.0.0.0" if ip is None else ip, host, info)
        assert describe(found) == theirs, (ip, host, info)


def test_original_passes_over_new_rules_among_the_old(
    originals: str, tmp_path: Path
) -> None:
    with open(tmp_path / "rules.cdb", "w+b", buffering=0) as file:
        maker = CdbMaker(file.fileno())
        compiler = rules.Compiler(maker.add)
        compiler.compile((NEW_RULES + RULES).split(b"\n"))
        compiler.finish()
        maker.finish()
    old: dict[bytes, bytes] = {}
    rules.Compiler(old.setdefault).compile(RULES.split(b"\n"))
    for ip, host, info in itertools.product(IPS, HOSTS, INFOS):
        theirs = checked(originals, tmp_path, environment(ip, host, info))
        assert theirs == describe(rules.look_up(old.get, ip, host, info))


CHECK = "tcprules rules.cdb rules.tmp; tcprulescheck rules.cdb"
NOISE = bytes(range(1, 256)) * 30
AFAR = b"\xff\xff\xff\x7f\1\0\0\0" * 256

CASES = [
    *(
        Case(
            CHECK,
            RULES,
            env={k.decode(): v.decode() for k, v in env.items()},
            name=f"{env}",
        )
        for env in (
            environment(None, None, None),
            environment(b"1.2.3.4", None, b"joe"),
            environment(b"1.2.9.9", b"a.b.org", b""),
            environment(b"", b"", None),
            environment(b"1.2.7.7", None, None),
        )
    ),
    Case(CHECK, b"", name="no rules"),
    Case(CHECK, RULES, name="TCP6", env={"PROTO": "TCP6", "TCP6REMOTEIP": "1.2.3.4"}),
    Case(
        CHECK,
        b"1.2.3.4:deny\n",
        name="mapped client",
        env={"TCPREMOTEIP": "::ffff:1.2.3.4"},
    ),
    *lines("tcprulescheck", "", "none", "''", "none x", "-h"),
    Case("tcprulescheck d/x", files={"d": ""}),
    Case("tcprulescheck d", files={"d/": ""}, name="directory"),
    Case("tcprulescheck /dev/null"),
    *(
        Case("tcprulescheck x", files={"x": data}, name=name)
        for name, data in (
            ("empty file", b""),
            ("one byte", b"x"),
            ("a byte too short", b"\0" * 2047),
            ("no record", b"\0" * 2048),
            ("noise", NOISE),
            ("tables far away", AFAR),
        )
    ),
    Case(f"{CHECK} >/dev/full", RULES, name="output full"),
    Case(f"{CHECK} >&-", RULES, name="output closed"),
    Case(f"{CHECK} 2>&-", RULES),
    Case("tcprules a b; head -c 2060 a >c; tcprulescheck c", RULES, name="cut off"),
    Case(
        "tcprules a b; printf X | dd of=a bs=1 seek=2048 conv=notrunc 2>&-; "
        "tcprulescheck a",
        b":deny\n",
        name="wrong record",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tcprulescheck_does_as_the_original(case: Case, both: Both) -> None:
    both.check("tcprulescheck", case)
