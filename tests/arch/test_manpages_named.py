"""Every page that a message, a docstring or the README names is there, in its section."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

from tests.conftest import CHECKOUT

PAGE = re.compile(r"(?<![\w.@/-])([a-z][\w.@-]*)\(([1-9])\)")
SOURCES = ("pytools", "qmail")
SCRIPTS = ("boot", "package", "service-templates", "README.md", "SECURITY.md")
FOREIGN = {
    *("bash(1)", "dash(1)", "echo(1)", "env(1)", "ps(1)", "zsh(1)"),
    *("close(2)", "flock(2)", "select(2)", "getopt(3)", "syslog(3)"),
    *("login.defs(5)", "proc(5)", "resolv.conf(5)"),
    *("proc_pid_fdinfo(5)", "proc_pid_mountinfo(5)", "proc_pid_net(5)"),
    "proc_pid_stat(5)",
    *("proc_sys_kernel(5)", "netlink(7)", "rtnetlink(7)"),
}
"""Pages of the system."""


def named(text: str) -> set[str]:
    """The pages that a text names."""
    return {f"{name}({section})" for name, section in PAGE.findall(text)}


def words(path: Path) -> str:
    """What somebody reads in a file: of Python its strings and comments."""
    if path.suffix != ".py":
        return path.read_text(errors="replace")
    with path.open("rb") as file:
        return "\n".join(
            token.string
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
            or tokenize.tok_name[token.type] in ("STRING", "FSTRING_MIDDLE")
        )


def texts() -> list[Path]:
    """The files that are looked at."""
    sources = [path for place in SOURCES for path in (CHECKOUT / place).rglob("*.py")]
    for place in SCRIPTS:
        path = CHECKOUT / place
        sources += [path] if path.is_file() else path.rglob("*")
    return sorted(path for path in sources if path.is_file() and path.suffix != ".pyc")


def test_pages_are_found_in_a_text_and_calls_are_not(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(
        '"""See tcprules(8)."""\nread(1)  # as close(2)\nf"{read(3)} a.b(5)"\n'
    )
    assert {"tcprules(8)", "close(2)", "a.b(5)"} <= named(words(code))
    assert "read(1)" not in named(words(code))


def test_every_page_that_is_named_is_there() -> None:
    pages = (CHECKOUT / "man").glob("man[1-8]/*.[1-8]")
    known = FOREIGN | {f"{page.stem}({page.suffix[1:]})" for page in pages}
    files = texts()
    assert len(files) > 300
    wrong = {
        (str(path.relative_to(CHECKOUT)), page)
        for path in files
        for page in named(words(path)) - known
    }
    assert wrong == set()
