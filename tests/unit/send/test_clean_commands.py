"""What qmail-clean answers to a command, and what is gone after it."""

from __future__ import annotations

import pytest

from qmail.queue.clean import Cleaner
from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import put

FILES = {
    *(b"mess/0/23", b"intd/23", b"todo/23", b"mess/1/24", b"mess/2/25", b"intd/25"),
    *(b"mess/0/46", b"intd/46", b"todo/46", b"todo/69", b"mess/0/0", b"intd/0"),
}
ORIGINALS = [
    (b"foop/23", b"+", {b"mess/0/23", b"intd/23"}),
    (b"todo/23", b"+", {b"todo/23", b"intd/23"}),
    (b"foop/24", b"+", {b"mess/1/24"}),
    (b"todo/25", b"+", {b"intd/25"}),
    (b"todo/69", b"+", {b"todo/69"}),
    (b"foop/9999", b"+", set()),
    (b"todo/9999", b"+", set()),
    (b"foop/00023", b"+", {b"mess/0/23", b"intd/23"}),
    (b"foop/46", b"+", {b"mess/0/46", b"intd/46"}),
    (b"foop/0", b"+", {b"mess/0/0", b"intd/0"}),
    (b"todo/0", b"+", {b"intd/0"}),
    (b"", b"x", set()),
    (b"foop/", b"x", set()),
    (b"foop", b"x", set()),
    (b"foop46", b"x", set()),
    (b"xxxx/46", b"x", set()),
    (b"FOOP/46", b"x", set()),
    (b"Todo/46", b"x", set()),
    (b"mess/46", b"x", set()),
    (b"foop/" + b"0" * 92 + b"46", b"+", {b"mess/0/46", b"intd/46"}),
    (b"foop/" + b"0" * 93 + b"46", b"x", set()),
    (b"x" * 200, b"x", set()),
]
"""Command, answer, files that went: what the original gave."""
OURS = [b"foop/1x", b"foop/x1", b"todo/+23", b"foop/-1", b"foop/ 46", b"foop/46 "]
OURS += [b"foop/46\n", b"foop/4/6", b"foop/1.", b"todo/1e", b"foop//46", b"foop/\xe4"]
"""Here the original answers twice: ``x+`` after a number, ``xx`` without one."""


@pytest.fixture
def fs(fs: CrashFs) -> CrashFs:
    """A queue with those files."""
    for path in FILES:
        put(fs, path, b"")
    return fs


@pytest.mark.parametrize(
    ("command", "answer", "gone"),
    [*ORIGINALS, *((command, b"x", set()) for command in OURS)],
)
def test_command_is_answered_once_and_obeyed(
    fs: CrashFs, command: bytes, answer: bytes, gone: set[bytes]
) -> None:
    assert Cleaner(fs).obey(command) == answer
    assert {path for path in FILES if fs.content(path) is None} == gone
