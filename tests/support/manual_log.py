"""The forms of the lines that qmail-send logs: by its code, and by qmail-log(5).

Of the code    every call of ``line``, ``warning`` and ``alert`` of the log that
               qmail-send can come to; what is filled in is ``FILLED``. A value that is
               a choice of literals gives a form for each.
Of the page    every item of Status to Alerts, as a pattern; its arguments are any word,
               and those that end a line in free text, anything.
"""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from itertools import product

from tests.support.manual_code import (
    Function,
    Symbol,
    is_call,
    names_of,
    reach,
    resolve,
    value_of,
    walk,
)
from tests.support.manual_pages import Page

METHODS = {"line": "", "warning": "warning: ", "alert": "alert: "}
LOGS = {"log", "self._log"}
FILLED = "7"
CODE = re.compile(r"%[bd]")
FREE_TEXT = {"report", "reason", "error"}
SECTIONS = ("Status", "Messages", "Deliveries", "Warnings", "Alerts")


def log_calls(symbol: Symbol) -> list[ast.Call]:
    """The calls of a function that write a line."""
    return [
        node
        for node in walk(symbol.node)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
        and ast.unparse(node.func.value) in LOGS
    ]


@cache
def forms_of_code() -> frozenset[str]:
    """All lines that qmail-send may log."""
    found = set()
    for symbol in reach("qmail-send", with_children=False).symbols.values():
        if isinstance(symbol.node, ast.ClassDef):
            continue  # its methods are symbols of their own
        for call in log_calls(symbol):
            assert isinstance(call.func, ast.Attribute)
            prefix = METHODS[call.func.attr]
            found |= {prefix + text for text in texts(symbol, call.args[0])}
    return frozenset(found)


def texts(symbol: Symbol, node: ast.expr) -> set[str]:
    """What an expression may be, as a form."""
    value = value_of(symbol.module, node)
    if isinstance(value, bytes):
        return {value.decode()}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = texts(symbol, node.left), texts(symbol, node.right)
        return {left + right for left, right in product(*sides)}
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant):
        return filled(symbol, node)
    if isinstance(node, ast.IfExp):
        return texts(symbol, node.body) | texts(symbol, node.orelse)
    if isinstance(node, ast.Subscript):
        return texts_of_subscript(symbol, node)
    if isinstance(node, ast.Name):
        given = {
            text
            for inner in walk(symbol.node)
            if isinstance(inner, ast.Assign) and len(inner.targets) == 1
            if isinstance(inner.targets[0], ast.Name)
            if inner.targets[0].id == node.id
            for text in texts(symbol, inner.value)
        }
        return given or {FILLED}
    if isinstance(node, ast.Call):
        called = resolve(symbol.module, node.func)
        if isinstance(called, Symbol) and isinstance(called.node, Function):
            # A name of a file: a function that is one expression.
            *_, last = called.node.body
            if isinstance(last, ast.Return) and isinstance(last.value, ast.BinOp):
                return texts(called, last.value)
    return {FILLED}


def filled(symbol: Symbol, node: ast.BinOp) -> set[str]:
    """The forms of ``template % values``."""
    assert isinstance(node.op, ast.Mod)
    (template,) = texts(symbol, node.left)
    values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
    flat: list[ast.expr] = []
    for value in values:
        inner = value.value if isinstance(value, ast.Starred) else None
        flat += inner.elts if isinstance(inner, ast.Tuple) else [value]
    pieces = CODE.split(template)
    assert len(pieces) == len(flat) + 1, ast.unparse(node)
    found = {pieces[0]}
    for value, piece in zip(flat, pieces[1:], strict=True):
        found = {a + b + piece for a, b in product(found, texts(symbol, value))}
    return found


def texts_of_subscript(symbol: Symbol, node: ast.Subscript) -> set[str]:
    """One of a table of literals, or the text that an exception was raised with."""
    table = value_of(symbol.module, node.value)
    if isinstance(table, tuple):
        return {text.decode() for text in table}
    source = ast.unparse(node)
    for handler in walk(symbol.node):
        if (
            isinstance(handler, ast.ExceptHandler)
            and handler.type is not None
            and source == f"{handler.name}.args[0]"
        ):
            raised = repr(resolve(symbol.module, handler.type))
            return {
                text
                for where, call in reach("qmail-send", with_children=False).nodes
                if is_call(where, call, raised) and isinstance(call, ast.Call)
                for text in texts(where, call.args[0])
            }
    return {FILLED}


def calls_in(package: str) -> set[tuple[str, int]]:
    """(module, line) of every call of the log in a package, in reach or not."""
    return {
        (name, call.lineno)
        for name, names in names_of().items()
        if name.startswith(package)
        for symbol in names.symbols.values()
        for call in log_calls(symbol)
    }


def calls_in_reach() -> set[tuple[str, int]]:
    """The same, of what qmail-send can come to."""
    return {
        (symbol.module, call.lineno)
        for symbol in reach("qmail-send", with_children=False).symbols.values()
        if not isinstance(symbol.node, ast.ClassDef)
        for call in log_calls(symbol)
    }


def forms_of_page(page: Page) -> list[str]:
    """The items of the page, each as a pattern."""
    found = []
    for part in re.split(r"^\.Ss ", page.sections["DESCRIPTION"], flags=re.MULTILINE)[
        1:
    ]:
        name, _, text = part.partition("\n")
        assert name in SECTIONS, name
        begins = re.search(r'^Each begins with\n\.Ql "(.*)" \.$', text, re.MULTILINE)
        prefix = re.escape(begins[1]) if begins else ""
        for item in text.split("\n.It ")[1:]:
            head, *described = item.splitlines()
            pattern = prefix + pattern_of(head)
            found.append(pattern)
            # What may be at the end of the line.
            ends = re.findall(r'^\.Ql "( .*)"$', "\n".join(described), re.MULTILINE)
            found += [pattern + re.escape(end) for end in ends]
    return found


def pattern_of(head: str) -> str:
    """The pattern of an item's line."""
    pattern = ""
    macro, is_joined = "", True
    for word in shlex.split(head.replace(r"\&", ""), posix=True):
        if word in ("Li", "Ar"):
            macro = word
        elif word == "Ns":
            is_joined = True
        else:
            pattern += "" if is_joined else " "
            is_joined = False
            if macro == "Li":
                pattern += re.escape(word)
            else:
                pattern += ".+" if word in FREE_TEXT else "[^ ,;!]+"
    return pattern
