"""Mains run many times in descendants of one warm process: no module keeps state.

Looked for: ``global`` statements, and module-level containers that the module changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.arch.source import Module, modules, violations

MUTATORS = {
    *("append", "extend", "insert", "remove", "pop", "popitem", "clear", "update"),
    *("setdefault", "add", "discard", "sort", "reverse", "appendleft", "popleft"),
}
GLOBALS = {
    # Where the resolver of this process listens. It belongs to the process, as its
    # environment does, and goes down to its forks on purpose.
    ("pytools.process.resolver_parent", "_endpoint"),
}
CHANGED = {
    # The environment of the process; its chain replaces it whole.
    ("pytools.base.environment", "environ"),
}
IMPORTED = {
    # (module attribute) assignments that are process identity: the runner's alone.
    ("pytools.process.runner", "runtime.program"),
    ("pytools.process.runner", "runtime.home"),
    # The trace of a bug goes to what descriptor 2 is now; the process then ends.
    ("pytools.process.runner", "sys.stderr"),
    # Descriptors that a process keeps for itself from one program to the next, and the
    # identity that a worker takes back between two jobs.
    ("pytools.process.chain", "runtime.kept"),
    ("pytools.ucspi.worker", "runtime.kept"),
    ("pytools.ucspi.worker", "runtime.program"),
    ("pytools.ucspi.worker", "runtime.home"),
}


def module_names(tree: ast.Module) -> set[str]:
    """The names bound at module level."""
    names: set[str] = set()
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def local_names(function: ast.AST) -> set[str]:
    """The names that a function binds itself."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names


def changes(module: Module) -> Iterator[tuple[str, int]]:
    """(name, line) where a function changes a container of its module."""
    known = module_names(module.tree)
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        shared = known - local_names(function)
        for node in ast.walk(function):
            name: ast.expr | None = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in MUTATORS:
                    name = node.func.value
            elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(
                node.ctx, ast.Store | ast.Del
            ):
                name = node.value
            if isinstance(name, ast.Name) and name.id in shared:
                yield name.id, name.lineno


def imported_modules(module: Module) -> set[str]:
    """The names under which a module sees other modules."""
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def globals_of(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                if (module.name, name) not in GLOBALS:
                    yield f"{module.path}:{node.lineno} global {name}"


def test_no_global_statement() -> None:
    assert violations(globals_of) == []


def changed(module: Module) -> Iterator[str]:
    for name, line in changes(module):
        if (module.name, name) not in CHANGED:
            yield f"{module.path}:{line} changes {name}"


def test_no_module_level_container_is_changed() -> None:
    assert violations(changed) == []


def test_what_is_allowed_to_change_does() -> None:
    found = {(m.name, name) for m in modules() for name, _ in changes(m)}
    assert CHANGED - found == set()


def test_programs_that_a_worker_runs_again_are_few() -> None:
    # REUSABLE is a promise (pytools.process.chain.is_reusable): whoever makes it has
    # read what the program changes of its process.
    promised = {
        module.name.rpartition(".")[2]
        for module in modules()
        if "REUSABLE" in module_names(module.tree)
    }
    assert promised == {"qmail_qmqpd", "qmail_qmtpd", "qmail_smtpd", "rblsmtpd"}


def set_elsewhere(module: Module) -> Iterator[str]:
    known = imported_modules(module)
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and isinstance(node.value, ast.Name)
            and node.value.id in known
        ):
            what = f"{node.value.id}.{node.attr}"
            if (module.name, what) not in IMPORTED:
                yield f"{module.path}:{node.lineno} sets {what}"


def test_no_attribute_of_another_module_is_set() -> None:
    assert violations(set_elsewhere) == []


def remembering(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any("cache" in ast.dump(decorator) for decorator in node.decorator_list):
            yield f"{module.path}:{node.lineno} is cached"
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if isinstance(default, ast.List | ast.Dict | ast.Set | ast.Call):
                yield f"{module.path}:{node.lineno} has a mutable default"


def test_no_function_is_cached_and_no_default_is_mutable() -> None:
    assert violations(remembering) == []
