"""Constant databases: the original's bytes, and files that are broken."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytools.base.cdb import Broken, Cdb, CdbMaker

RULES = b'192.0.2.1:deny\n10.:allow,A="x"\n:allow\n10.:deny\n'
RECORDS = [
    (b"192.0.2.1", b"D\0"),
    (b"10.", b"+A=x\0"),
    (b"", b""),
    (b"10.", b"D\0"),
]


def make(path: Path, records: list[tuple[bytes, bytes]]) -> Path:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    maker = CdbMaker(fd)
    for key, data in records:
        maker.add(key, data)
    maker.finish()
    os.close(fd)
    return path


def test_file_has_the_bytes_that_tcprules_writes(
    tmp_path: Path, originals: str
) -> None:
    subprocess.run(
        [f"{originals}/tcprules", "cdb", "tmp"],
        input=RULES,
        cwd=tmp_path,
        check=True,
        timeout=30,
    )
    ours = make(tmp_path / "ours", RECORDS)
    assert ours.read_bytes() == (tmp_path / "cdb").read_bytes()


def test_values_come_in_the_order_they_were_added(tmp_path: Path) -> None:
    with Cdb(bytes(make(tmp_path / "cdb", RECORDS))) as cdb:
        assert cdb.getall(b"10.") == [b"+A=x\0", b"D\0"]
        assert cdb.get(b"10.") == b"+A=x\0"
        assert cdb.get(b"") == b""
        assert cdb.get(b"absent") is None
        assert cdb.getall(b"absent") == []


def test_file_without_records_answers_none(tmp_path: Path) -> None:
    path = make(tmp_path / "cdb", [])
    assert path.stat().st_size == 2048
    with Cdb(bytes(path)) as cdb:
        assert cdb.get(b"x") is None


def test_missing_file_is_an_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Cdb(bytes(tmp_path / "none"))


@pytest.mark.parametrize("size", [0, 1, 2047])
def test_file_shorter_than_its_pointers_is_broken(tmp_path: Path, size: int) -> None:
    path = make(tmp_path / "cdb", RECORDS)
    os.truncate(path, size)
    with pytest.raises(Broken), Cdb(bytes(path)) as cdb:
        cdb.get(b"10.")


def test_file_that_lost_its_tables_is_broken_when_asked(tmp_path: Path) -> None:
    path = make(tmp_path / "cdb", RECORDS)
    os.truncate(path, 2060)
    with pytest.raises(Broken), Cdb(bytes(path)) as cdb:
        cdb.get(b"10.")


def test_file_truncated_while_open_is_broken_not_fatal(tmp_path: Path) -> None:
    records = [(b"%d" % n, bytes(1000)) for n in range(1000)]
    path = make(tmp_path / "cdb", records)
    with Cdb(bytes(path)) as cdb:
        assert cdb.get(b"999") == bytes(1000)
        os.truncate(path, 2048)
        with pytest.raises(Broken):
            cdb.get(b"500")


def test_close_frees_the_descriptor_and_may_come_twice(tmp_path: Path) -> None:
    path = make(tmp_path / "cdb", RECORDS)
    before = os.listdir("/proc/self/fd")
    cdb = Cdb(bytes(path))
    cdb.close()
    cdb.close()
    assert os.listdir("/proc/self/fd") == before


def test_broken_file_frees_the_descriptor(tmp_path: Path) -> None:
    path = make(tmp_path / "cdb", RECORDS)
    os.truncate(path, 10)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Broken), Cdb(bytes(path)) as cdb:
        cdb.get(b"x")
    assert os.listdir("/proc/self/fd") == before
