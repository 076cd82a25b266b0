"""The environment of a process, as Python and as the C library see it."""

from __future__ import annotations

import time

from pytools.base import environment
from pytools.process.child import in_child


def zone_after(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> bytes:
    """The zone of local time, in a child that goes from one environment to another."""

    def work() -> bytes:
        environment.replace(before)
        environment.replace(after)
        return time.strftime("%Z", time.localtime(0)).encode()

    return in_child(work)


def test_new_time_zone_counts_at_once() -> None:
    assert zone_after({}, {b"TZ": b"ABC-7"}) == b"ABC"
    assert zone_after({b"TZ": b"ABC-7"}, {b"TZ": b"XYZ+1"}) == b"XYZ"


def test_lost_time_zone_is_the_machine_s_again() -> None:
    assert zone_after({b"TZ": b"ABC-7"}, {}) == zone_after({}, {})


def test_replace_changes_python_s_and_the_c_library_s_environment() -> None:
    def work() -> bytes:
        import ctypes

        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_char_p
        environment.replace(
            {b"OLD": b"1", b"SAME": b"s", b"": b"nameless", b"=A": b"x"}
        )
        environment.replace({b"NEW": b"\xff", b"SAME": b"s"})
        seen = [libc.getenv(name) for name in (b"OLD", b"NEW", b"SAME")]
        return repr((seen, environment.environ)).encode()

    expected = ([None, b"\xff", b"s"], {b"NEW": b"\xff", b"SAME": b"s"})
    assert in_child(work) == repr(expected).encode()


def test_replace_keeps_the_one_environment_object() -> None:
    before = environment.environ
    names = dict(before)
    environment.replace(names)
    assert environment.environ is before
    assert dict(before) == names


def test_edited_is_a_copy_with_changes_at_the_end() -> None:
    env = {b"A": b"1", b"B": b"2", b"C": b"3"}
    result = environment.edited(env, {b"A": b"4", b"B": None, b"D": None})
    assert list(result.items()) == [(b"C", b"3"), (b"A", b"4")]
    assert env == {b"A": b"1", b"B": b"2", b"C": b"3"}
