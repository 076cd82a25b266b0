"""Preprocessing: what each envelope becomes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qmail.queue import layout
from qmail.send.messages import read_info
from tests.support.crashfs import CrashFs
from tests.support.envelopes import encode_todo
from tests.unit.send.rigging import DIRECTORIES, QNUM, MemoryRig, fail_closes, put


@pytest.fixture
def rig() -> Iterator[MemoryRig]:
    fs = CrashFs(DIRECTORIES)
    put(fs, layout.mess(QNUM), b"\nhello\n")
    rig = MemoryRig(fs)
    yield rig
    rig.close()


def preprocess(rig: MemoryRig, todo: bytes) -> bool:
    put(rig.fs, layout.todo(QNUM), todo)
    message = rig.preprocessor.prepare(QNUM)
    return message is not None and rig.preprocessor.commit([message]) == [message]


LINE = f"info msg {QNUM}: bytes 7 from <%s> qp %d uid %d"
GOOD = {
    "usual": (b"u5\0p6\0Fs@x\0Ta@b\0Tc@d\0", ("s@x", 6, 5), b"Ta@b\0Tc@d\0"),
    "no recipients": (b"u0\0p1\0F\0", ("", 1, 0), None),
    "no digits": (b"u\0px\0Fs\0", ("s", 0, 0), None),
    "digits then text": (b"u12x\0p3 4\0Fs\0", ("s", 3, 12), None),
    "last uid counts": (b"u1\0u2\0p2\0Fs\0", ("s", 2, 2), None),
    "bytes": (b"u1\0p2\0F\xff\0T\x80@\xfe\0", ("_", 2, 1), b"T\x80@\xfe\0"),
}


@pytest.mark.parametrize(("todo", "said", "remote"), GOOD.values(), ids=GOOD)
def test_preprocess_good_envelope_is_said_and_split(
    rig: MemoryRig, todo: bytes, said: tuple[str, int, int], remote: bytes | None
) -> None:
    assert preprocess(rig, todo)
    assert rig.lines()[-1] == LINE % said
    assert rig.fs.content(layout.remote(QNUM)) == remote


BAD = {
    "unknown letter": (b"u1\0p2\0Fs\0X\0", "unknown record type in"),
    "empty record": (b"u1\0p2\0Fs\0\0", "unknown record type in"),
    "done": (b"Dx\0Fs\0", "unknown record type in"),
    "no sender": (b"u1\0p2\0Ta\0", "incomplete envelope in"),
    "empty": (b"", "incomplete envelope in"),
    "unfinished record": (b"u1\0p2\0Fs\0Ta\0Tb", "incomplete envelope in"),
}


@pytest.mark.parametrize(("todo", "said"), BAD.values(), ids=BAD)
def test_preprocess_bad_envelope_is_a_warning(
    rig: MemoryRig, todo: bytes, said: str
) -> None:
    assert not preprocess(rig, todo)
    assert said in rig.lines()[-1]
    assert rig.fs.content(layout.todo(QNUM)) == todo


def test_preprocess_many_recipients_all_arrive(rig: MemoryRig) -> None:
    # More than a block of reading and more than is held before writing.
    recipients = [b"%d@far.example" % n for n in range(10000)]
    assert preprocess(rig, encode_todo(1, 2, b"s", recipients))
    expected = b"".join([b"T%b\0" % recipient for recipient in recipients])
    assert rig.fs.content(layout.remote(QNUM)) == expected


def test_info_of_a_preprocessed_message_is_its_sender(rig: MemoryRig) -> None:
    assert preprocess(rig, encode_todo(1, 2, b"s@x", [b"a@b"]))
    found = read_info(QNUM, rig.fs)
    assert found is not None
    assert found[0] == b"s@x"


@pytest.mark.parametrize("data", [b"", b"Fs", b"Ts\0"])
def test_info_broken_is_none(rig: MemoryRig, data: bytes) -> None:
    put(rig.fs, layout.info(QNUM), data)
    assert read_info(QNUM, rig.fs) is None


def test_preprocess_where_close_fails_is_the_same(
    rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(rig.fs, layout.todo(QNUM), b"u5\0p6\0Fs@x\0Tc@d\0")
    fail_closes(rig.fs, monkeypatch)
    message = rig.preprocessor.prepare(QNUM)
    assert message is not None
    assert rig.preprocessor.commit([message]) == [message]
    assert read_info(QNUM, rig.fs) == (b"s@x", int(rig.fs.now))
    assert rig.fs.opened == {}
