"""What a program reads of its environment and of control/ is in its page.

Found in the code (tests/support/manual_code.py). A name that the code makes up at run
time is in a table here, and the table has no row that the code does not need.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from qmail.control.table import KNOWN, TABLE
from tests.support.manual_code import (
    PROGRAMS,
    Symbol,
    controls,
    is_call,
    reach,
    resolve,
    value_of,
    walk,
)
from tests.support.manual_pages import Page, commands, pages

BY_CONTROL = {"QMAILDEFAULTHOST", "QMAILDEFAULTDOMAIN", "QMAILPLUSDOMAIN"}
INDIRECT: dict[str, set[str]] = {
    # "QMAIL" and the name of a control file.
    "qmail.forwarding.files.read_completion: b'QMAIL' + control.upper()": BY_CONTROL,
    "qmail.commands.qmail_inject._controls: b'QMAIL' + control.upper()": {
        *BY_CONTROL,
        "QMAILIDHOST",
    },
    # *names: those of its calls.
    "qmail.inject.identity.first_set: name": {
        *("QMAILUSER", "MAILUSER", "USER", "LOGNAME"),
        *("QMAILHOST", "MAILHOST", "QMAILNAME", "MAILNAME", "NAME"),
    },
    "qmail.commands.maildir2mbox._wanted: name": {"MAILDIR", "MAIL", "MAILTMP"},
}
"""Keys of the environment that are no literals: what they are."""

MACHINERY = {
    # Passes the whole environment on, and tells the C library of a new $TZ.
    "pytools.base.environment",
    # Takes away what the interpreter itself has added.
    "pytools.process.launch",
    # $PATH is found by the chain's call; $PYQMAIL_EXEC is every program's.
    "pytools.process.chain",
    "pytools.process.runner",
}
OF_ALL_PROGRAMS = {"PYQMAIL_EXEC": "qmail.7"}
"""What every program heeds that runs others, and the page that says so."""
NOT_READ: dict[str, set[str]] = {
    # They complete addresses with an empty environment; /bin/sh is a full name.
    "dot-forward": {*BY_CONTROL, "PATH"},
    "newaliases": BY_CONTROL,
    # These name the files: in bin of the qmail home.
    "datemail": {"PATH"},
    "mailsubj": {"PATH"},
    "qmail-lspawn": {"PATH"},
    "sendmail": {"PATH"},
}
"""What the code shared with others would read, but not for this program."""
NEXT = "pytools.base.exits.Next"
READS_ALL = {"qmail-showctl"}
"""Programs that read every file of the table."""


@cache
def keys(program: str) -> frozenset[tuple[str, ast.expr, Symbol]]:
    """(text, key, where) of every look into an environment."""
    found = set()
    for symbol, node in reach(program).nodes:
        key = looked_up(node)
        if key is not None and symbol.module not in MACHINERY:
            found.add((f"{symbol}: {ast.unparse(key)}", key, symbol))
    return frozenset(found)


def looked_up(node: ast.AST) -> ast.expr | None:
    """The key, if a node looks into an environment."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("get", "pop") and is_environment(node.func.value):
            return node.args[0]
    elif isinstance(node, ast.Subscript):
        if isinstance(node.ctx, ast.Load) and is_environment(node.value):
            return node.slice
    elif (
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.In | ast.NotIn)
        and is_environment(node.comparators[0])
    ):
        return node.left
    return None


def is_environment(node: ast.expr) -> bool:
    """Whether an expression is called an environment."""
    name = ast.unparse(node).rpartition(".")[2]
    return name in ("env", "environ", "_env")


def literals(key: ast.expr, symbol: Symbol) -> set[str] | None:
    """The names that a key may be; None if the code does not tell."""
    value = value_of(symbol.module, key)
    if isinstance(value, bytes | str):
        return {value if isinstance(value, str) else value.decode()}
    if isinstance(key, ast.Name):
        for node in walk(symbol.node):
            if isinstance(node, ast.For | ast.comprehension) and (
                isinstance(node.target, ast.Name) and node.target.id == key.id
            ):
                return several(node.iter, symbol)
    return None


def several(node: ast.expr, symbol: Symbol) -> set[str] | None:
    """The names in a tuple, or in a constant that is one."""
    if ast.unparse(node).endswith(".values()"):
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        value = value_of(symbol.module, node.func.value)
        value = tuple(value.values()) if isinstance(value, dict) else None
    else:
        value = value_of(symbol.module, node)
    if value is None and isinstance(node, ast.Tuple):
        value = [value_of(symbol.module, element) for element in node.elts]
    if isinstance(value, list | tuple | frozenset):
        return {name.decode() for name in value if isinstance(name, bytes)}
    return None


@cache
def variables(program: str) -> frozenset[str]:
    """The environment that the code of a program reads."""
    found = {"PATH"} if searches_path(program) else set()
    for text, key, symbol in keys(program):
        names = literals(key, symbol)
        found |= INDIRECT[text] if names is None else names
    return frozenset(found - NOT_READ.get(program, set()) - {""})


def searches_path(program: str) -> bool:
    """Whether it becomes, or has a child become, a program without naming its file."""
    for symbol, node in reach(program).nodes:
        if is_call(symbol, node, NEXT):
            assert isinstance(node, ast.Call)
            if "path" in {word.arg for word in node.keywords}:
                continue
            argv = node.args[0]
            first = argv.elts[0] if isinstance(argv, ast.List) else argv
            name = value_of(symbol.module, first)
            text = name if isinstance(name, bytes) else ast.unparse(first).encode()
            if b"/" not in text:
                return True
    return False


@pytest.mark.parametrize("program", PROGRAMS)
def test_variables_that_a_program_reads_are_in_its_page(program: str) -> None:
    assert variables(program) - commands()[program].variables() == frozenset()


def test_keys_that_are_no_literals_are_in_the_table() -> None:
    unknown = {
        text
        for program in PROGRAMS
        for text, key, symbol in keys(program)
        if literals(key, symbol) is None
    }
    assert unknown == set(INDIRECT)


OPERATORS = {
    "config": {"qmail.operator.config"},
    "dnsip": {"qmail.operator.dnstools"},
    "inst_check": {"qmail.operator.inst_check"},
    "instcheck": {"qmail.operator.instcheck"},
    "pyqmail-doctor": {"qmail.operator.doctor.__main__"},
    "pyqmail": {
        *("qmail.operator.cli", "qmail.operator.mailserver"),
        *("qmail.operator.setup", "qmail.operator.trial"),
    },
}
"""Pages of the operator's commands: the modules whose main they describe."""
OF_ITS_TOOLS = {"PATH", "TZ"}
"""Read only to be handed on to the programs of the system that these commands run."""


@pytest.mark.parametrize("page", sorted(OPERATORS))
def test_variables_that_an_operators_command_reads_are_in_its_page(page: str) -> None:
    found: set[str] = set()
    for module in OPERATORS[page]:
        for text, key, symbol in keys(module):
            names = literals(key, symbol)
            assert names is not None, text
            found |= names
    assert found - commands()[page].variables() - OF_ITS_TOOLS == set()


def test_variables_of_all_programs_have_their_page() -> None:
    for name, page in OF_ALL_PROGRAMS.items():
        assert name in pages()[page].variables()


def control_names(paths: set[str]) -> set[str]:
    """The control files among the paths of a page."""
    plain = {path.removeprefix("/var/qmail/") for path in paths}
    return {path.removeprefix("control/") for path in plain} & KNOWN


@pytest.mark.parametrize("program", PROGRAMS)
def test_control_files_that_a_program_reads_are_in_its_page(program: str) -> None:
    if program in READS_ALL:
        assert "qmail.control.table.TABLE" in reach(program).symbols
        return
    assert controls(program) <= control_names(commands()[program].paths())


@pytest.mark.parametrize("program", PROGRAMS)
def test_control_files_that_a_page_lists_are_read(program: str) -> None:
    page = commands()[program]
    listed = control_names(set(page.listed("FILES")))
    assert listed <= controls(program)


def test_users_of_the_table_read_the_file() -> None:
    readers = {program: controls(program) for program in PROGRAMS}
    for file in TABLE:
        if file.used_by == "various":
            assert sum(file.name in names for names in readers.values()) > 3
        elif file.name == "morercpthosts":
            assert "morercpthosts.cdb" in readers[file.used_by]
        else:
            assert file.name in readers[file.used_by]


def test_every_name_of_a_control_file_is_a_literal() -> None:
    # Else the tests above would be blind to it.
    found = set()
    for program in PROGRAMS:
        for symbol, node in reach(program).nodes:
            called = isinstance(node, ast.Call) and resolve(symbol.module, node.func)
            if repr(called).startswith("qmail.control.files."):
                assert isinstance(node, ast.Call)
                if value_of(symbol.module, node.args[0]) is None:
                    found.add(f"{symbol}: {ast.unparse(node.args[0])}")
    assert found == {
        # Parameters, of functions that are called with literals.
        "qmail.commands.qmail_inject._controls: control",
        "qmail.control.files.read_or_me: name",
        "qmail.control.files.readint: name",
        "qmail.control.files.readfile: name",
        "qmail.control.files.readline: name",
        "qmail.send.controls._line: name",
        # A loop over literals.
        "qmail.forwarding.files.read_completion: control",
        # The table.
        "qmail.commands.qmail_showctl.meaning: file.name.encode()",
        "qmail.commands.qmail_showctl.list_meaning: file.name.encode()",
    }


def test_missing_name_in_a_page_is_found() -> None:
    page = Page(commands()["qmail-qmtpd"].path)
    for name in ("DATABYTES", "RELAYCLIENT"):
        assert name in variables("qmail-qmtpd") & page.variables()
    page.text = page.text.replace(".It Ev RELAYCLIENT\n", "")
    assert "RELAYCLIENT" not in page.variables()
    page.text = page.text.replace("control/rcpthosts", "control/locals")
    assert not controls("qmail-qmtpd") <= control_names(page.paths())
