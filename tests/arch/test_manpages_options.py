"""The options of every page are those that its program takes.

A program's options are what it gives to getopt; of the few that read their words
themselves, the literals that they compare with. For pyqmail, click is asked.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module

import click
import pytest

from qmail.operator import cli, servicedirs
from qmail.operator.cli_services import QUESTIONS
from tests.support.manual_code import PROGRAMS, is_call, lookup, reach, value_of
from tests.support.manual_pages import Page, commands, option, options_in, pages

GETOPT = "pytools.base.options.getopt"
ANY_LETTER = {"tcp-env"}
"""Programs that take every letter, and ignore those that are no option."""


def accepted(program: str) -> set[str]:
    """The options that the code of a program takes."""
    module = import_module(reach(program).module)
    if program == "sendmail":
        groups = (module._FLAGS, module._WITH_ARGUMENT, module._REST_OF_WORD)
        letters = {f"-{letter.decode()}" for group in groups for letter in group}
        return letters | {"-s"}  # of -bs, which the page writes as one
    if program in ANY_LETTER:
        return compared(program, rb"[a-zA-Z]")
    return by_getopt(program) | compared(program, rb"--?[a-z]+")


def by_getopt(program: str) -> set[str]:
    """Those of the specifications given to getopt."""
    found: set[str] = set()
    for symbol, node in reach(program).nodes:
        if is_call(symbol, node, GETOPT):
            assert isinstance(node, ast.Call)
            letters = value_of(symbol.module, node.args[1])
            assert isinstance(letters, bytes), (program, ast.unparse(node))
            found |= option(letters.replace(b":", b"").decode())
    return found


def compared(program: str, pattern: bytes) -> set[str]:
    """The literals that the program's own module compares something with."""
    module = reach(program).module
    literals = {
        inner.value
        for symbol, node in reach(program).nodes
        if isinstance(node, ast.Compare) and symbol.module == module
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, bytes)
    }
    words = [word.decode() for word in literals if re.fullmatch(pattern, word)]
    return {word if word.startswith("-") else f"-{word}" for word in words}


@pytest.mark.parametrize("program", PROGRAMS)
def test_options_of_the_page_are_those_of_the_code(program: str) -> None:
    page = commands()[program]
    takes = accepted(program)
    assert page.synopsis_options() <= takes
    if program != "sendmail":
        # Its synopsis leaves out what is accepted and ignored.
        assert takes <= page.synopsis_options()
    assert takes <= page.described_options()


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_lists_no_option_that_the_program_does_not_take(program: str) -> None:
    listed = "".join(
        f".Fl {rest}\n"
        for name, text in commands()[program].sections.items()
        if name != "EXAMPLES"
        for rest in re.findall(r"^\.It Fl (.*)$", text, re.MULTILINE)
    )
    assert options_in(listed) <= accepted(program)


def leaves(command: click.Command, path: str) -> dict[str, click.Command]:
    """Every subcommand that does something, by its words."""
    if not isinstance(command, click.Group):
        return {path: command}
    found: dict[str, click.Command] = {}
    for name, inner in command.commands.items():
        found |= leaves(inner, f"{path} {name}".strip())
    return found


def synopses(page: Page) -> dict[str, str]:
    """The SYNOPSIS of a page, by the words of the subcommand."""
    found: dict[str, str] = {}
    for part in page.sections["SYNOPSIS"].split(".Nm")[1:]:
        words = re.search(r"^\.Cm (.*)$", part, re.MULTILINE)
        assert words is not None, part
        found[words[1]] = part
    return found


def own_pages() -> list[Page]:
    """pyqmail(8), and the pages of its larger subcommands."""
    return [page for name, page in pages().items() if name.startswith("pyqmail")]


SUBCOMMANDS = leaves(cli.pyqmail, "")


def test_pages_of_pyqmail_have_its_subcommands() -> None:
    assert set(synopses(commands()["pyqmail"])) == set(SUBCOMMANDS)
    for page in own_pages():
        name = page.program.removeprefix("pyqmail").lstrip("-")
        assert not name or name in {words.split()[0] for words in SUBCOMMANDS}


@pytest.mark.parametrize("words", sorted(SUBCOMMANDS))
def test_options_of_a_subcommand_are_those_of_click(words: str) -> None:
    takes = {
        name
        for parameter in SUBCOMMANDS[words].params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }
    if words == "run":
        takes |= of_the_trial()
    asked = {f"--{question}" for question in QUESTIONS}
    asked = asked & takes if words == "service add" else set()
    short = {name for name in takes if not name.startswith("--")}
    # Of two names the synopsis has the short one.
    shown = short or takes - asked
    part = synopses(commands()["pyqmail"])[words]
    assert options_in(part) == shown
    described = set().union(*(page.described_options() for page in own_pages()))
    assert shown | asked <= described


def of_the_trial() -> set[str]:
    """The options of make run, which reads them with argparse."""
    parse = lookup("qmail.operator.trial", "parse")
    assert parse is not None
    assert not isinstance(parse, str)
    return {
        node.args[0].value
        for node in ast.walk(parse.node)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "parser.add_argument"
        and "SUPPRESS" not in ast.unparse(node)
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_page_of_pyqmail_names_every_template() -> None:
    listed = set(
        re.findall(r"^\.It Li (\S+)$", commands()["pyqmail"].text, re.MULTILINE)
    )
    assert listed == set(servicedirs.names())


@pytest.mark.parametrize(("old", "new"), [("nNxX", "nNxXz"), ("nNxX", "nNx")])
def test_wrong_option_in_a_page_is_found(old: str, new: str) -> None:
    page = Page(commands()["setlock"].path)
    assert page.synopsis_options() == accepted("setlock")
    page.sections["SYNOPSIS"] = page.sections["SYNOPSIS"].replace(old, new)
    assert page.synopsis_options() != accepted("setlock")
