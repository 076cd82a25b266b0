"""matchtest beside the original multilog, whose patterns it tests.

matchtest is no part of Debian's packages; the original's verdict on a pattern and a text
is read from what multilog selects.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.interop.oracle import Both, Case

PAIRS = [
    *(
        ("", ""),
        ("", "a"),
        ("a", ""),
        ("*", ""),
        ("*", "a b"),
        ("**", "a"),
        ("**", "a*"),
    ),
    *(
        ("a*b", "a-b"),
        ("a*b", "a-bb"),
        ("*ab*", "aab"),
        ("*ab*", "xab"),
        ("a**b", "a*b"),
    ),
    *(("\\*", "\\"), ("[a]", "[a]"), ("?", "x"), ("* status: *", "@4 status: 1")),
    *(("-", "-"), ("--", "--"), ("+a", "+a"), ("é*", "éa"), ("*%s*", "a %s b")),
]


def answer(launchers: Path, *words: str | bytes) -> tuple[int, bytes]:
    done = subprocess.run(
        [launchers / "matchtest", *words], capture_output=True, check=False, timeout=30
    )
    assert done.stderr == b""
    return done.returncode, done.stdout


@pytest.mark.parametrize(("pattern", "text"), PAIRS)
def test_verdict_is_that_of_the_original_multilog(
    both: Both, launchers: Path, pattern: str, text: str
) -> None:
    script = Case(f"multilog '-*' '+{pattern}' e", text.encode() + b"\n")
    selected = both.run("originals", script).err != b""
    expected = f"{'+' if selected else '-'}{pattern} ({text})\n".encode()
    assert answer(launchers, pattern, text) == (0, expected)


def test_missing_arguments_are_empty_and_further_ones_ignored(launchers: Path) -> None:
    assert answer(launchers) == (0, b"+ ()\n")
    assert answer(launchers, "a*") == (0, b"-a* ()\n")
    assert answer(launchers, "*", "a", "b", "-x") == (0, b"+* (a)\n")


def test_bytes_are_bytes_and_a_newline_is_one_of_them(launchers: Path) -> None:
    assert answer(launchers, b"\xff*", b"\xff\n\xfe") == (0, b"+\xff* (\xff\n\xfe)\n")
    assert answer(launchers, b"a\nb", b"a\nb") == (0, b"+a\nb (a\nb)\n")
    assert answer(launchers, b"*\n", b"a\n") == (0, b"+*\n (a\n)\n")
