"""The signals that a program acts on or sends, for the tests of its page.

Handled      what its own process catches or ignores: the numbers given to ``SelfPipe``,
             ``catch`` and ``ignore``. Not of interest to a reader: how it learns of its
             children and of changes in a directory, and that a broken pipe is an error
             of ``write``.
Timed        SIGALRM, if the program has it sent to itself at its default action.
Sent         what it gives to ``kill``, or keeps in a table to be sent.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from signal import Signals

from pytools.base import signals
from pytools.supervision.watching import SIGIO
from tests.support.manual_code import Symbol, reach, resolve, value_of, walk
from tests.support.manual_pages import Page

BASE = "pytools.base.signals"
INSTALL = {"SelfPipe", "catch", "ignore"}
OWN = {signals.SIGCHLD, signals.SIGPIPE, SIGIO}
SEND = {"kill", "_signal"}
ALSO_COMMANDS = {"QUIT"}
"""Names of signals that without the ``SIG`` are something else, too."""
BARE = "|".join(sorted({s.name[3:] for s in Signals} - ALSO_COMMANDS))
NO_TEXT = re.compile(r"^\.(?:Bl|Dt|Nm|Nd|Xr|Dd) .*", re.MULTILINE)


class Unclear(AssertionError):
    """An expression whose signals the code does not tell."""


@cache
def handled(program: str) -> frozenset[str]:
    """What a program catches or ignores."""
    found: set[int] = set()
    for symbol, call in calls(program, INSTALL):
        if repr(resolve(symbol.module, call.func)).startswith(f"{BASE}."):
            found |= numbers(symbol, call.args[0])
    return named(found - OWN)


@cache
def sent(program: str) -> frozenset[str]:
    """What a program sends to others."""
    found: set[int] = set()
    for symbol, call in calls(program, SEND):
        if len(call.args) != 2:
            continue
        try:
            found |= numbers(symbol, call.args[1])
        except Unclear:
            # A number that was found in a table: all of the table.
            found |= of_tables(symbol)
    return named(found)


def calls(program: str, names: set[str]) -> list[tuple[Symbol, ast.Call]]:
    """The calls of its own process by such a name, whatever it is a name of.

    But for those of the module that makes the system calls.
    """
    return [
        (symbol, node)
        for symbol, node in reach(program, with_children=False).nodes
        if isinstance(node, ast.Call)
        and symbol.module != BASE
        and getattr(node.func, "attr", getattr(node.func, "id", None)) in names
    ]


def named(found: set[int]) -> frozenset[str]:
    """Numbers by their names, without the SIG."""
    return frozenset(Signals(number).name.removeprefix("SIG") for number in found)


def numbers(symbol: Symbol, node: ast.expr) -> set[int]:
    """The numbers that an expression stands for. Unclear."""
    value = value_of(symbol.module, node)
    if isinstance(value, int):
        return {int(value)}
    if isinstance(value, tuple | frozenset | dict):
        return {int(number) for number in value}
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return {n for element in node.elts for n in numbers(symbol, element)}
    if isinstance(node, ast.Starred):
        return numbers(symbol, node.value)
    if isinstance(node, ast.Name):
        given = assigned(symbol, node.id)
        if given:
            return {n for expression in given for n in numbers(symbol, expression)}
    raise Unclear(f"{symbol}: {ast.unparse(node)}")


def assigned(symbol: Symbol, name: str) -> list[ast.expr]:
    """What a local variable is given, added, or runs through."""
    found: list[ast.expr] = []
    for node in walk(symbol.node):
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AugAssign):
            target, value = node.target, node.value
        elif isinstance(node, ast.For):
            target, value = node.target, node.iter
        if isinstance(target, ast.Name) and target.id == name:
            found.append(value)
    return found


def of_tables(symbol: Symbol) -> set[int]:
    """The signals among the values of the module's dictionaries."""
    found: set[int] = set()
    for value in vars(import_module(symbol.module)).values():
        if isinstance(value, dict) and all(isinstance(n, int) for n in value.values()):
            found |= set(value.values())
    return found


def said(page: Page) -> set[str]:
    """The signals that a page names, with or without their SIG."""
    text = NO_TEXT.sub("", page.text)
    return set(re.findall(r"\bSIG([A-Z][A-Z0-9]+)\b", text.replace("SIGNALS", ""))) | (
        set(re.findall(rf"(?<![-\w])(?:{BARE})(?![-\w])", text))
    )


def items(page: Page) -> list[str]:
    """The signals that are items of the section SIGNALS, each as often as it is there."""
    lines = re.findall(r"^\.It (.*)$", page.sections.get("SIGNALS", ""), re.MULTILINE)
    words = " ".join(lines).replace("Dv ", "").replace(",", " ").split()
    return [word.removeprefix("SIG") for word in words]
