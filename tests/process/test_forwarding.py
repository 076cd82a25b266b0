"""fastforward, dot-forward and the compilers where something is not as it should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytools.process import launcher
from qmail.mail.delivering import LARGEST
from tests.support.forked import Forked

TABLE = b"""l@h: ./l.bin; p@h: |touch\\ ran; abc@v: abc@v; to\r@h: abc@v;
prog@h: abc@v, |touch\\ ran; nil@h: ./empty.bin, ./empty.bin;
"""
ENV = {"HOST": "h", "USER": "joe", "SENDER": "s@x", "RECIPIENT": "p@h"}


@pytest.fixture
def run(tmp_path: Path) -> Forked:
    (tmp_path / "control").mkdir()
    (tmp_path / "control/me").write_text("me.example\n")
    (tmp_path / "bin").mkdir()
    for name in (b"fastforward", b"dot-forward", b"preline"):
        file = tmp_path / "bin" / os.fsdecode(name)
        file.write_bytes(launcher.render(name, os.fsencode(tmp_path)))
        file.chmod(0o755)
    made = Forked(tmp_path)
    assert made("setforward", "t.cdb", "t.tmp", data=TABLE).status == 0
    return made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fastforward t.cdb", b"fastforward: fatal: wait failed in |touch ran"),
        ("dot-forward .forward", b"dot-forward: fatal: wait failed"),
        ("preline touch ran", b"preline: fatal: wait failed"),
    ],
)
def test_ignored_sigchld_is_told_not_traced(
    run: Forked, tmp_path: Path, line: str, said: bytes
) -> None:
    (tmp_path / ".forward").write_text('"|touch ran"\n')
    (tmp_path / "none").mkdir()
    words = ["envdir", "none", "env", "--ignore-signal=CHLD", *f"bin/{line}".split()]
    lines = {"UFLINE": "F\n", "RPLINE": "R\n", "DTLINE": "D\n"}
    done = run(*words, data=b"x\n\n", env=ENV | lines)
    assert done.said == (111, b"", said + b": no child processes\n")
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["t.cdb"], b""),
        (["-p", "t.cdb"], b""),
        (["-n", "t.cdb"], b"no forwarding\n"),
        (["-np", "t.cdb"], b"no forwarding\n"),
    ],
)
@pytest.mark.parametrize("recipient", ["abc@v", "to\r@h"])
def test_circle_without_a_way_out_loses_no_mail(
    run: Forked, words: list[str], said: bytes, recipient: str
) -> None:
    env = {**ENV, "RECIPIENT": recipient}
    done = run("fastforward", *words, data=b"x\n\n", env=env)
    name = recipient.replace("\r", "_").encode()
    line = b"fastforward: fatal: %b leads to nobody: abc@v leads back to itself\n"
    assert done.said == (111, b"", said + line % name)


@pytest.mark.parametrize("recipient", ["prog@h", "nil@h"])
def test_what_is_forwarded_to_nobody_on_purpose_is_a_success(
    run: Forked, tmp_path: Path, recipient: str
) -> None:
    (tmp_path / "empty.bin").touch(0o644)
    env = {**ENV, "RECIPIENT": recipient}
    done = run("fastforward", "-p", "t.cdb", data=b"x\n\n", env=env)
    assert done.said == (99, b"", b"")
    assert (tmp_path / "ran").exists() == (recipient == "prog@h")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["fastforward", "t.cdb"], "./l.bin"),
        (["fastforward", "-n", "t.cdb"], "./l.bin"),
        (["dot-forward", ".forward", "other"], ".forward"),
    ],
)
def test_fifo_is_no_empty_file(
    run: Forked, tmp_path: Path, words: list[str], name: str
) -> None:
    os.mkfifo(tmp_path / name, 0o644)
    done = run(*words, data=b"x\n\n", env={**ENV, "RECIPIENT": "l@h"})
    line = f"{words[0]}: fatal: {name} is no regular file\n"
    assert done.said == (111, b"", line.encode())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["fastforward", "t.cdb"], "./l.bin"),
        (["fastforward", "-n", "t.cdb"], "./l.bin"),
        (["dot-forward", ".forward", "other"], ".forward"),
    ],
)
def test_file_without_bounds_is_not_read_into_memory(
    run: Forked, tmp_path: Path, words: list[str], name: str
) -> None:
    (tmp_path / name).touch(0o644)
    os.truncate(tmp_path / name, LARGEST + 1)
    done = run(*words, data=b"x\n\n", env={**ENV, "RECIPIENT": "l@h"})
    line = f"{words[0]}: fatal: {name} is too big\n"
    assert done.said == (111, b"", line.encode())


@pytest.mark.parametrize(
    ("words", "made", "tmp"),
    [
        (["newinclude", "l"], "l.bin", "l.tmp"),
        (["setforward", "x.cdb", "x.tmp"], "x.cdb", "x.tmp"),
        (["setmaillist", "l.bin", "x.tmp"], "l.bin", "x.tmp"),
    ],
)
def test_compilers_follow_no_link_at_the_temporary_file(
    run: Forked, tmp_path: Path, words: list[str], made: str, tmp: str
) -> None:
    (tmp_path / "l").write_text("a@b\n")
    (tmp_path / "precious").write_text("precious")
    (tmp_path / tmp).symlink_to("precious")
    assert run(*words).said == (0, b"", b"")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / made).is_file()
    assert not (tmp_path / made).is_symlink()
