"""Rules: any text, any client, the original's bytes and verdicts."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytools.base.cdb import CdbMaker
from pytools.commands.tcprulescheck import describe
from pytools.ucspi import rules

TOKENS = [
    *(b'1 2 3 255 300 00 - . a = @ : , deny allow " / # x= 10-12 \r'.split(b" ")),
    *(b' ,X="y",Z=/q/ 18446744073709551617'.split(b",")),
    b',X="y"',
    b" ",
    b"\t",
    b"\0",
]
ADDRESS = st.lists(st.sampled_from([b"1", b"2", b".", b"-", b"=", b"@", b"a"])).map(
    b"".join
)
ITEM = st.sampled_from([b',X="y"', b",Z=/q/", b',=""', b",A=\0b\0", b",A= b "])
RULE = st.builds(
    lambda address, verdict, items: address + b":" + verdict + b"".join(items),
    ADDRESS,
    st.sampled_from([b"deny", b"allow"]),
    st.lists(ITEM, max_size=2),
)
NOISE = st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join)
TEXT = st.lists(RULE | NOISE, max_size=5).map(b"\n".join)
IP = st.lists(st.sampled_from([b"1", b"2", b"."]), max_size=5).map(b"".join)
NAME = st.none() | st.lists(st.sampled_from([b"a", b".", b"1"]), max_size=4).map(
    b"".join
)


def compile_rules(text: bytes, path: Path) -> tuple[int, bytes]:
    """What tcprules does, in this process: (status, the bad line)."""
    with open(path, "w+b", buffering=0) as file:
        maker = CdbMaker(file.fileno())
        try:
            for line in text.split(b"\n"):
                for key, data in rules.parse_line(line):
                    maker.add(key, data)
        except rules.BadRule as bad:
            return 100, bad.line
        maker.finish()
    return 0, b""


@given(text=TEXT)
def test_any_rules_compile_to_the_original_bytes(
    text: bytes, originals: str, tmp_path: Path
) -> None:
    (tmp_path / "theirs").unlink(missing_ok=True)
    theirs = subprocess.run(
        [f"{originals}/tcprules", "theirs", "theirs.tmp"],
        input=text,
        capture_output=True,
        cwd=tmp_path,
        timeout=20,
    )
    status, bad = compile_rules(text, tmp_path / "ours")
    assert status == theirs.returncode
    if status:
        assert theirs.stderr.endswith(b"unable to parse this line: " + bad + b"\n")
    else:
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@given(
    records=st.dictionaries(
        st.sampled_from(
            b"1. 1.2 2. .. . = =a =.a =.1 =. =a.a a@1 1@=a a@=a.1 @ @1 @=".split()
            + [b""]
        ),
        st.sampled_from([b"", b"D\0", b"+A=1\0+B=\0", b"D\0+A=1\0"]),
        max_size=8,
    ),
    ip=IP,
    host=NAME,
    info=NAME,
)
def test_any_client_meets_the_rule_the_original_finds(
    records: dict[bytes, bytes],
    ip: bytes,
    host: bytes | None,
    info: bytes | None,
    originals: str,
    tmp_path: Path,
) -> None:
    with open(tmp_path / "cdb", "w+b", buffering=0) as file:
        maker = CdbMaker(file.fileno())
        for key, data in records.items():
            maker.add(key, data)
        maker.finish()
    env = {b"TCPREMOTEIP": ip, b"TCPREMOTEHOST": host, b"TCPREMOTEINFO": info}
    theirs = subprocess.run(
        [f"{originals}/tcprulescheck", "cdb"],
        env={name: value for name, value in env.items() if value is not None},
        capture_output=True,
        cwd=tmp_path,
        timeout=20,
    )
    assert theirs.returncode == 0
    assert describe(rules.look_up(records.get, ip, host, info)) == theirs.stdout


@given(st.binary())
def test_any_bytes_are_records_or_a_bad_rule(line: bytes) -> None:
    try:
        for key, data in rules.parse_line(line):
            assert b":" not in key
            rules.decode(data)
    except rules.BadRule:
        pass
