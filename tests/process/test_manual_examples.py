"""The examples of the manual pages do what the pages say.

How a page writes them: tests/support/manual_examples.py. All examples of a page run in
one shell, in a private root whose $PATH begins with our programs, in root's empty home.
Every example is run, or has a row in one of the tables of
tests/support/manual_tables.py; a row that nothing in the pages needs any more fails too.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytools.process import launcher
from pytools.process.programs import ALIASES, OPERATOR, PYTOOLS, QMAIL
from tests.conftest import CHECKOUT
from tests.guide.private_root import PrivateRoot
from tests.support.manual_examples import Block, agrees, blocks
from tests.support.manual_tables import CHECKED, NOT_RUN, PREPARED, TEXTS

PAGES = [
    page for page in sorted((CHECKOUT / "man").glob("man[1-8]/*.[1-8]")) if blocks(page)
]
MARK = "@@ end of command"
SECONDS = 80
"""For all examples of a page; most need less than one."""


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all our programs."""
    directory = tmp_path_factory.mktemp("bin")
    for name in PYTOOLS | QMAIL | OPERATOR | set(ALIASES):
        file = directory / name.decode()
        file.write_bytes(launcher.render(name, b"/var/qmail"))
        file.chmod(0o755)
    directory.chmod(0o755)
    return directory


def session(page: str, parts: list[str]) -> str:
    """The shell script that runs the commands of a page, and marks their ends."""
    script = f"mkdir ~; cd; {PREPARED.get(page, ':')}\n"
    for part in [":", *parts]:
        # The status stays what it was, for an example that shows it.
        script += f"\n{part}\ns=$?; printf '\\n{MARK} %d\\n' $s; (exit $s)\n"
    return script


def results(output: str) -> list[tuple[list[str], int]]:
    """The printed lines and the status of each command."""
    pieces = re.split(rf"\n{MARK} (\d+)\n", output)
    return [
        (text.removesuffix("\n").split("\n") if text else [], int(status))
        for text, status in zip(pieces[0::2], pieces[1::2], strict=False)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_page_do_what_it_says(page: Path, launchers: Path) -> None:
    parts: list[str] = []
    expected: list[tuple[list[str] | None, bool]] = []
    for block in blocks(page):
        if (page.name, block.first) in NOT_RUN:
            continue
        for command, shown, status_counts in commands(page.name, block):
            parts.append(command)
            expected.append((shown, status_counts))
    parts.append(CHECKED.get(page.name, ":"))
    expected.append(([], True))
    if len(parts) == 1:
        return
    output = played(session(page.name, parts), launchers)
    found = results(output)[1:]
    for part, (shown, counts), (printed, status) in zip(
        parts, expected, found, strict=False
    ):
        assert shown is None or agrees(printed, shown), (part, printed)
        assert status == 0 or not counts, (part, status, printed)
    assert len(found) == len(parts), output


def played(script: str, launchers: Path) -> str:
    """What the script prints in a private root."""
    env = {
        "PATH": f"{launchers}:/usr/sbin:/usr/bin:/sbin:/bin",
        "OURS": str(launchers),
        "HOME": "/tmp/home",
    }
    binds = [str(launchers), *filter(os.path.isdir, launcher.search_path())]
    with PrivateRoot("me.example", binds) as root:
        # A file, not a pipe: the servers of an example would keep that open.
        root.write("/tmp/script", script)
        line = "sh /tmp/script </dev/null >/tmp/out 2>&1"
        root.run(
            f"timeout {SECONDS} {line}", check=False, env=env, seconds=SECONDS + 20
        )
        return root.read("/tmp/out")


def commands(page: str, block: Block) -> list[tuple[str, list[str] | None, bool]]:
    """(command, what it prints, whether its status counts) of a block."""
    if not block.is_transcript:
        checker = TEXTS.get((page, block.first))
        assert checker is not None, f"neither run nor in a table: {block.first}"
        text = "\n".join(block.lines)
        return [(f"{{ {checker}\n}} <<'@@ text'\n{text}\n@@ text", None, True)]
    steps = block.steps()
    following = [command for command, _ in steps[1:]] + [""]
    return [
        (command, shown, "$?" not in after)
        for (command, shown), after in zip(steps, following, strict=True)
    ]


LABELLED = re.compile(r"@4([0-9a-f]{15})([0-9a-f]{8}) (.+)")
DATED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{9}) (.+)")
TAI_AHEAD = 10
"""Seconds that these labels are ahead of the time of day, which has no leap seconds."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_label_and_date_of_one_line_in_a_page_agree(page: Path) -> None:
    """An example's dates may be any when it is run, but in print they are the labels'."""
    lines = [line for block in blocks(page) for line in block.lines]
    labels = {m[3]: m for m in map(LABELLED.match, lines) if m}
    dates = {m[3]: m for m in map(DATED.match, lines) if m}
    for text in labels.keys() & dates.keys():
        of_label, of_date = labels[text], dates[text]
        seconds = int(of_label[1], 16) - TAI_AHEAD
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
        assert (stamp, int(of_label[2], 16)) == (of_date[1], int(of_date[2])), text


def test_pages_that_print_a_line_both_ways_are_found() -> None:
    page = CHECKOUT / "man/man8/multilog.8"
    lines = [line for block in blocks(page) for line in block.lines]
    shown = {m[3] for m in map(LABELLED.match, lines) if m}
    assert shown & {m[3] for m in map(DATED.match, lines) if m}


def test_every_row_of_the_tables_is_needed() -> None:
    there = {(page.name, block.first) for page in PAGES for block in blocks(page)}
    assert set(TEXTS) | set(NOT_RUN) <= there
    assert not set(TEXTS) & set(NOT_RUN)
    assert set(PREPARED) | set(CHECKED) <= {page.name for page in PAGES}
    assert all(len(reason) > 10 for reason in NOT_RUN.values())


def test_examples_are_read_as_they_are_printed(tmp_path: Path) -> None:
    page = tmp_path / "x.8"
    page.write_text(
        ".Sh NAME\n.Dl no example\n.Sh EXAMPLES\nSome words:\n.Bd -literal\n"
        "$ cat <<E\n> \\&.x\\e0\n> E\n.x\\(aq\n...\n# id; echo $?\n.Ed\n"
        ".Dl one\n.Dl two\n.Pp\n.Dl three\n.Sh NOTES\n.Dl no example\n"
    )
    transcript, *texts = blocks(page)
    assert transcript.steps() == [
        ("cat <<E\n.x\\0\nE", [".x'", "..."]),
        ("id; echo $?", []),
    ]
    assert [block.lines for block in texts] == [["one", "two"], ["three"]]


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        (["a"], ["a"], True),
        (["a "], ["a"], True),
        (["a", "b"], ["a"], False),
        ([], ["a"], False),
        (["a"], [], False),
        (["a", "b", "c"], ["a", "...", "c"], True),
        (["a"], ["a", "..."], True),
        (["a", "b"], ["...", "c"], False),
        (["s: up (pid 1) 2 seconds"], ["s: up (pid 99) 31 seconds"], True),
        (["s: up (pid 1) 2 seconds"], ["s: down 31 seconds"], False),
    ],
)
def test_output_agrees_with_the_page(
    printed: list[str], shown: list[str], same: bool
) -> None:
    assert agrees(printed, shown) is same
