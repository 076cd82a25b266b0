"""What the code of a program says, for the tests that compare its page with it.

Reach        from a program's ``main``, every function, class and constant of ours that
             it can come to: by name, by ``module.name``, and a method when its class is
             reached and an attribute of its name is used. What is imported at run time
             by name (the next program of a chain, a child's main) is another program.
Process      the part of it that is left when what a child runs is not followed: what
             the program's own process can come to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import import_module

from pytools.process.programs import PYTOOLS, QMAIL, module_of
from qmail.control.table import KNOWN
from tests.arch.source import modules

Function = ast.FunctionDef | ast.AsyncFunctionDef
PROGRAMS = sorted(name.decode() for name in PYTOOLS | QMAIL)
FORKS = {"fork", "in_child", "start", "Kind"}
"""What runs its first argument in a child: child.fork, and those that hand it on."""


class Symbol:
    """A function, class, method or constant: where it is, and its tree."""

    def __init__(self, module: str, name: str, node: ast.AST) -> None:
        self.module = module
        self.name = name
        self.node = node

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


class Names:
    """The names at the top of a module, and those that its imports give it."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module = module
        self.symbols: dict[str, Symbol] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = node.module, alias.name
        for node in tree.body:
            self._define(node)

    def _define(self, node: ast.stmt) -> None:
        if isinstance(node, Function | ast.ClassDef):
            self.symbols[node.name] = Symbol(self.module, node.name, node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        self._add(name.id, node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if node.value is not None:
                self._add(node.target.id, node.value)
        elif isinstance(node, ast.If | ast.Try):
            for inner in node.body:
                self._define(inner)

    def _add(self, name: str, value: ast.expr) -> None:
        self.symbols[name] = Symbol(self.module, name, value)


@cache
def names_of() -> dict[str, Names]:
    """All modules of ours."""
    return {module.name: Names(module.name, module.tree) for module in modules()}


def resolve(module: str, node: ast.expr) -> Symbol | str | None:
    """What a name, or ``module.name``, stands for: a symbol, a module's name, or None."""
    if isinstance(node, ast.Name):
        return lookup(module, node.id)
    if isinstance(node, ast.Attribute):
        owner = resolve(module, node.value)
        if isinstance(owner, str):
            return lookup(owner, node.attr)
    return None


@cache
def lookup(module: str, name: str) -> Symbol | str | None:
    """The same, of a name in a module."""
    known = names_of()
    if f"{module}.{name}" in known:
        return f"{module}.{name}"
    if module not in known:
        return None
    if name in known[module].symbols:
        return known[module].symbols[name]
    if name in known[module].imported:
        return lookup(*known[module].imported[name])
    return None


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree that run: annotations do not."""
    todo = [node]
    while todo:
        node = todo.pop()
        yield node
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns"):
                continue
            children = value if isinstance(value, list) else [value]
            todo.extend(child for child in children if isinstance(child, ast.AST))


def left_to_children(tree: ast.AST) -> set[int]:
    """The ids of the nodes that run in a child: what ``fork`` is given."""
    bodies: list[ast.AST] = []
    for call in walk(tree):
        if isinstance(call, ast.Call) and call.args and _last(call.func) in FORKS:
            body = call.args[0]
            bodies += (
                [body.body, body.orelse] if isinstance(body, ast.IfExp) else [body]
            )
    named = {body.id for body in bodies if isinstance(body, ast.Name)}
    inner = [n for n in walk(tree) if isinstance(n, Function) and n is not tree]
    bodies += [function for function in inner if function.name in named]
    ids = {id(node) for body in bodies for node in walk(body)}
    for function in inner:
        # What only children call is theirs.
        own = {id(node) for node in walk(function)}
        users = [
            id(node)
            for node in walk(tree)
            if isinstance(node, ast.Name)
            and node.id == function.name
            and id(node) not in own
        ]
        if ids.intersection(users) and ids.issuperset(users):
            ids |= own
    return ids


def _last(node: ast.expr) -> str:
    """``fork`` of ``fork`` and of ``child.fork``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class Reach:
    """All that the main of a module can come to."""

    def __init__(self, module: str, with_children: bool = True) -> None:
        self.module = module
        self._with_children = with_children
        self.symbols: dict[str, Symbol] = {}
        self._attributes: set[str] = set()
        self._methods: dict[str, list[Symbol]] = {}
        self._todo: list[Symbol] = []
        main = lookup(module, "main")
        assert isinstance(main, Symbol), module
        self._add(main)
        for name in ("REUSABLE", "next_program"):
            extra = lookup(module, name)
            if isinstance(extra, Symbol):
                self._add(extra)
        while self._todo:
            self._enter(self._todo.pop())

    def _add(self, symbol: Symbol) -> None:
        if repr(symbol) not in self.symbols:
            self.symbols[repr(symbol)] = symbol
            self._todo.append(symbol)

    def _enter(self, symbol: Symbol) -> None:
        if isinstance(symbol.node, ast.ClassDef):
            self._enter_class(symbol, symbol.node)
        else:
            self._scan(symbol.module, symbol.node)

    def _enter_class(self, symbol: Symbol, node: ast.ClassDef) -> None:
        for base in node.bases:
            self._scan(symbol.module, base)
        for item in node.body:
            if not isinstance(item, Function):
                self._scan(symbol.module, item)
                continue
            method = Symbol(symbol.module, f"{node.name}.{item.name}", item)
            if item.name.startswith("__") or item.name in self._attributes:
                self._add(method)
            else:
                self._methods.setdefault(item.name, []).append(method)

    def _scan(self, module: str, tree: ast.AST) -> None:
        for node in self._walk(tree):
            if isinstance(node, ast.Attribute):
                self._use(node.attr)
            if isinstance(node, ast.Name | ast.Attribute):
                found = resolve(module, node)
                if isinstance(found, Symbol):
                    self._add(found)

    def _use(self, attribute: str) -> None:
        self._attributes.add(attribute)
        for method in self._methods.pop(attribute, []):
            self._add(method)

    def _walk(self, tree: ast.AST) -> list[ast.AST]:
        skipped = set() if self._with_children else left_to_children(tree)
        return [node for node in walk(tree) if id(node) not in skipped]

    @cached_property
    def nodes(self) -> list[tuple[Symbol, ast.AST]]:
        """(where it is, node) of all code in reach."""
        found: list[tuple[Symbol, ast.AST]] = []
        for symbol in self.symbols.values():
            trees = [symbol.node]
            if isinstance(symbol.node, ast.ClassDef):
                trees = [n for n in symbol.node.body if not isinstance(n, Function)]
            found += [(symbol, node) for tree in trees for node in self._walk(tree)]
        return found

    @cached_property
    def constants(self) -> set[bytes]:
        """All bytes literals in reach."""
        return {
            node.value
            for _, node in self.nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes)
        }


@cache
def reach(program: str, with_children: bool = True) -> Reach:
    """What a program, or the main of a module of ours, can come to."""
    module = module_of(program.encode()) or program
    assert module in names_of(), program
    return Reach(module, with_children)


def controls(program: str) -> set[str]:
    """The control files that the code of a program reads."""
    names = {
        literal.removeprefix(b"control/").decode("latin-1")
        for literal in reach(program).constants
    }
    return names & KNOWN


def value_of(module: str, node: ast.expr) -> object:
    """The value of an expression made of literals and of constants of modules."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name | ast.Attribute):
        found = resolve(module, node)
        if isinstance(found, Symbol) and not isinstance(
            found.node, Function | ast.ClassDef
        ):
            return getattr(import_module(found.module), found.name)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = value_of(module, node.left), value_of(module, node.right)
        if isinstance(left, bytes) and isinstance(right, bytes):
            return left + right
    return None


def is_call(symbol: Symbol, node: ast.AST, name: str) -> bool:
    """Whether a node of ``symbol`` calls what has that full name."""
    return isinstance(node, ast.Call) and (
        repr(resolve(symbol.module, node.func)) == name
    )
