"""qmail/control/rcpthosts.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytools.process import runner
from qmail.control import rcpthosts
from tests.unit.control.cwd import inside

ALLOWED = [
    *(b"a@exact.example", b"a@EXACT.example", b"a@b.wild.example", b"noat", b""),
    *(b"a@b.c.wild.example", b"a@b@exact.example", b"a@more.example"),
    *(b"a@b.morewild.example", b"a@MORE.example"),
]
REFUSED = [
    *(b"a@wild.example", b"a@b.exact.example", b"a@xexact.example", b"a@"),
    *(b"a@exact.example.", b"exact.example@other", b"a@b.more.example"),
    *(b"a@comment", b"a@#comment", b"a@ exact.example"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    control = tmp_path / "control"
    control.mkdir()
    (control / "rcpthosts").write_bytes(b"exact.example \n\n#comment\n.wild.example")
    (control / "morercpthosts").write_bytes(
        b"More.Example\t\n#comment\n \n.moreWILD.example"
    )
    return tmp_path


def newmrh(home: Path) -> int:
    with inside(home):
        return runner.run(b"qmail-newmrh", bytes(home), [b"qmail-newmrh"])


def test_rcpthosts_both_files_allow_what_they_name(home: Path) -> None:
    assert newmrh(home) == 0
    with inside(home):
        hosts = rcpthosts.load()
    assert [a for a in ALLOWED if not hosts.allows(a)] == []
    assert [a for a in REFUSED if hosts.allows(a)] == []
    hosts.close()


def test_rcpthosts_missing_allows_everything(home: Path) -> None:
    newmrh(home)
    (home / "control/rcpthosts").unlink()
    with inside(home):
        hosts = rcpthosts.load()
    assert all(hosts.allows(address) for address in REFUSED)


def test_rcpthosts_empty_allows_nothing_but_addresses_without_at(home: Path) -> None:
    (home / "control/rcpthosts").write_bytes(b"")
    with inside(home):
        hosts = rcpthosts.load()
    assert not hosts.allows(b"a@exact.example")
    assert hosts.allows(b"postmaster")


def test_rcpthosts_unreadable_is_an_error(home: Path) -> None:
    (home / "control/rcpthosts").unlink()
    (home / "control/rcpthosts").mkdir()
    with inside(home), pytest.raises(OSError, match="directory"):
        rcpthosts.load()


def test_rcpthosts_broken_cdb_is_an_error(home: Path) -> None:
    (home / "control/morercpthosts.cdb").write_bytes(b"short")
    with inside(home), pytest.raises(OSError):
        rcpthosts.load().allows(b"a@elsewhere.example")


def test_newmrh_without_source_keeps_the_database(home: Path) -> None:
    newmrh(home)
    database = (home / "control/morercpthosts.cdb").read_bytes()
    (home / "control/morercpthosts").unlink()
    assert newmrh(home) == 111
    assert (home / "control/morercpthosts.cdb").read_bytes() == database
    assert not (home / "control/morercpthosts.tmp").exists()
