"""The source tree as syntax trees: which module imports, calls and assigns what."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.conftest import CHECKOUT


class Module:
    """A module of pytools or qmail."""

    def __init__(self, path: Path) -> None:
        self.path = str(path.relative_to(CHECKOUT))
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        self.name = ".".join(part for part in parts if part != "__init__")
        self.package = ".".join(self.name.split(".")[:2])
        self.tree = ast.parse(path.read_text(), self.path)

    def imports(self) -> Iterator[tuple[str, int]]:
        """(module, line) of every import, also of those for the type checker alone."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, node.lineno
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno}: relative import"
                assert node.module is not None
                for alias in node.names:
                    # ``from package import module`` names a module, too.
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in names() else node.module, node.lineno

    def own_imports(self) -> Iterator[tuple[str, int]]:
        """Those of pytools and qmail."""
        for name, line in self.imports():
            if name.split(".")[0] in ("pytools", "qmail"):
                yield name, line

    def calls(self, owners: set[str], names: set[str]) -> Iterator[tuple[str, int]]:
        """(``owner.name``, line) where one of ``names`` of one of ``owners`` is used."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in names
                and (owner := _last_name(node.value)) in owners
            ):
                yield f"{owner}.{node.attr}", node.lineno


def _last_name(node: ast.expr) -> str:
    """``fs`` of ``fs`` and of ``self.fs``."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _paths() -> list[Path]:
    return sorted(
        path for top in ("pytools", "qmail") for path in (CHECKOUT / top).rglob("*.py")
    )


@cache
def names() -> frozenset[str]:
    """The names of all modules and packages of ours."""
    found = set()
    for path in _paths():
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        found.add(".".join(part for part in parts if part != "__init__"))
    return frozenset(found)


@cache
def modules() -> tuple[Module, ...]:
    """All modules of ours."""
    return tuple(Module(path) for path in _paths())


def violations(check: Callable[[Module], Iterator[str]]) -> list[str]:
    """What ``check`` has to say about all modules."""
    return [found for module in modules() for found in check(module)]
