"""The exit statuses that the code of a program can give, for the tests of its page.

Statuses     the codes of every ``Exit``, ``fatal`` and ``usage`` of the process, and
             what ``main`` returns, followed through the functions that it returns the
             value of. What cannot be followed is said, never guessed.
"""

from __future__ import annotations

import ast
from functools import cache

from pytools.base.exits import TEMPORARY, USAGE
from tests.support.manual_code import (
    Function,
    Symbol,
    is_call,
    lookup,
    reach,
    resolve,
    value_of,
    walk,
)

EXITS = "pytools.base.exits"
OF_A_CHILD = {"status >> 8", "posix.WEXITSTATUS(status)"}
NOT_OUR_END = {EXITS, "pytools.process.child", "pytools.process.runner"}
"""Modules that pass on what others end with."""


def given_code(raised: Symbol, call: ast.Call) -> ast.expr:
    """The ``code`` that an exception is made with."""
    for word in call.keywords:
        if word.arg == "code":
            return word.value
    assert isinstance(raised.node, ast.ClassDef)
    for method in raised.node.body:
        if isinstance(method, Function) and method.name == "__init__":
            names = [argument.arg for argument in method.args.args][1:]
            at = names.index("code")
            if at < len(call.args):
                return call.args[at]
            return method.args.defaults[at - len(names)]
    raise AssertionError(f"{raised} has no code")


@cache
def statuses(program: str) -> Statuses:
    """Those of a program's own process."""
    return Statuses(program)


class Statuses:
    """The exit statuses of a program, as far as its code tells them."""

    def __init__(self, program: str, with_children: bool = False) -> None:
        self.codes: set[int] = set()
        self.unknown: set[str] = set()
        """Expressions that were not understood: ``module.function: expression``."""
        self.becomes = False
        """It becomes another program, with the status of that."""
        self.passes_on = False
        """It ends with the status of a child."""
        self._seen: set[str] = set()
        self._judged: set[tuple[str, ast.expr]] = set()
        self._reach = reach(program, with_children)
        for symbol, node in self._reach.nodes:
            if isinstance(node, ast.Call) and symbol.module not in NOT_OUR_END:
                self._call(symbol, node)
        main = lookup(self._reach.module, "main")
        assert isinstance(main, Symbol)
        self._returns(main)

    def _call(self, symbol: Symbol, call: ast.Call) -> None:
        keywords = {word.arg: word.value for word in call.keywords}
        called = repr(resolve(symbol.module, call.func))
        if called == f"{EXITS}.Next":
            self.becomes = True
            if "on_error" not in keywords:
                self.codes.add(TEMPORARY)
        elif called == f"{EXITS}.Exit" or ast.unparse(call.func) == "posix._exit":
            self._code(symbol, call.args[0])
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "fatal":
            self._code(symbol, keywords.get("code", ast.Constant(TEMPORARY)))
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "usage":
            given = [*call.args[1:], keywords.get("code", ast.Constant(USAGE))]
            self._code(symbol, given[0])

    def _code(self, symbol: Symbol, node: ast.expr) -> None:
        if (repr(symbol), node) in self._judged:
            return
        self._judged.add((repr(symbol), node))
        value = value_of(symbol.module, node)
        if isinstance(value, int):
            self.codes.add(int(value))
            return
        if ast.unparse(node) in OF_A_CHILD:
            self.passes_on = True
            return
        alternatives = self._alternatives(symbol, node)
        for other in alternatives:
            self._code(symbol, other)
        if alternatives or self._follow(symbol, node):
            return
        self.unknown.add(f"{symbol}: {ast.unparse(node)}")

    def _alternatives(self, symbol: Symbol, node: ast.expr) -> list[ast.expr]:
        """What a choice, or a local variable, may be."""
        if isinstance(node, ast.IfExp):
            return [node.body, node.orelse]
        if isinstance(node, ast.BoolOp):
            return node.values
        if isinstance(node, ast.Name):
            return [
                assigned.value
                for assigned in walk(symbol.node)
                if isinstance(assigned, ast.Assign)
                and any(
                    isinstance(target, ast.Name) and target.id == node.id
                    for target in assigned.targets
                )
            ]
        return []

    def _follow(self, symbol: Symbol, node: ast.expr) -> bool:
        """Take what a function returns, or what a caught exception was made with."""
        if isinstance(node, ast.Call):
            found = resolve(symbol.module, node.func)
            if isinstance(found, Symbol) and isinstance(found.node, Function):
                self._returns(found)
                return True
        if isinstance(node, ast.Attribute) and node.attr == "code":
            raised = self._caught(symbol, node.value)
            if raised is None:
                return False
            for where, call in self._reach.nodes:
                if is_call(where, call, repr(raised)):
                    assert isinstance(call, ast.Call)
                    self._code(where, given_code(raised, call))
            return True
        return False

    def _caught(self, symbol: Symbol, node: ast.expr) -> Symbol | None:
        """The class of the exception that a name stands for."""
        for handler in walk(symbol.node):
            if (
                isinstance(handler, ast.ExceptHandler)
                and isinstance(node, ast.Name)
                and handler.name == node.id
                and handler.type is not None
            ):
                found = resolve(symbol.module, handler.type)
                return found if isinstance(found, Symbol) else None
        return None

    def _returns(self, symbol: Symbol) -> None:
        if repr(symbol) in self._seen:
            return
        self._seen.add(repr(symbol))
        inner = {
            id(node)
            for function in walk(symbol.node)
            if isinstance(function, Function | ast.Lambda)
            and function is not symbol.node
            for node in walk(function)
        }
        for node in walk(symbol.node):
            if isinstance(node, ast.Return) and id(node) not in inner:
                self._code(symbol, node.value or ast.Constant(None))
