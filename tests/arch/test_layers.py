"""Who may import whom, and where forks and durable writes live (rules A1 to A6)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.arch.source import Module, modules, violations
from tests.conftest import CHECKOUT

LEVELS = {
    "pytools": 0,
    "pytools.base": 0,
    "pytools.process": 1,
    "pytools.supervision": 2,
    "pytools.multilog": 2,
    "pytools.ucspi": 2,
    "pytools.commands": 3,
    "qmail": 0,
    "qmail.mail": 0,
    "qmail.control": 1,
    "qmail.smtp": 1,
    "qmail.qmtp": 1,
    "qmail.qmqp": 1,
    "qmail.pop3": 1,
    "qmail.queue": 2,
    "qmail.spawn": 2,
    "qmail.send": 3,
    "qmail.local": 3,
    "qmail.remote": 3,
    "qmail.inject": 3,
    "qmail.forwarding": 3,
    # The operator's tools run beside the programs, not below them.
    "qmail.operator": 3,
    "qmail.commands": 4,
    # Programs too, which nobody runs any more.
    "qmail.retired": 4,
}
FOR_QMAIL = {"pytools", "pytools.base", "pytools.process"}
PURE = {"qmail.mail", "qmail.smtp", "qmail.qmtp", "qmail.qmqp", "qmail.pop3"}
PURE_MODULES = {
    "pytools.supervision.machine",
    "pytools.ucspi.counts",
    "pytools.ucspi.limits",
    "pytools.ucspi.networks",
    "pytools.ucspi.proxy",
    "pytools.ucspi.rules",
    "pytools.multilog.script",
    "pytools.multilog.pattern",
    "qmail.forwarding.addresses",
    "qmail.forwarding.aliases",
    "qmail.forwarding.dotforward",
    "qmail.forwarding.expansion",
    "qmail.forwarding.lists",
    "qmail.forwarding.source",
    "qmail.forwarding.table",
    "qmail.queue.contents",
    "qmail.queue.wire",
    "qmail.queue.envelope",
    "qmail.spawn.records",
    "qmail.spawn.reports",
}
IMPURE = {
    *("os", "posix", "socket", "_socket", "select", "signal", "_signal", "time"),
    *("fcntl", "pytools.base.signals", "pytools.base.fds", "pytools.base.environment"),
}
PURE_EXCEPTIONS = {
    # Turns a given second into a date (gmtime); does not look at the clock.
    ("qmail.mail.dates", "time"),
}

DURABLE_CALLS = {"fsync", "fdatasync", "rename", "link", "unlink", "replace"}
DURABLE_OWNERS = {
    *("pytools.base", "pytools.multilog"),
    # qmail-send's info, channel and bounce files are files of the queue.
    *("qmail.queue", "qmail.local", "qmail.send"),
    # Runs on a machine that is being set up, not on mail.
    "qmail.operator",
}
DURABLE_EXCEPTIONS = {
    # The status file says what is now; after a power cut nobody wants the old one.
    "pytools.supervision.service",
    # Streams its cdb to the temporary file that its caller names.
    "pytools.commands.tcprules",
    # Moves files of the queue that were where this qmail does not look.
    "qmail.retired.qmail_upq",
}

PROCESS_CALLS = {
    *("fork", "forkpty", "fork_exec", "execv", "execve", "posix_spawn", "posix_spawnp"),
    *("system", "wait", "wait3", "wait4", "waitpid", "_exit"),
}
PROCESS_EXCEPTIONS = {
    # Signal handlers that end the process: there is no frame to go back to.
    ("pytools.ucspi.server", "posix._exit"),
    ("qmail.commands.qmail_queue", "posix._exit"),
}

HEAVY = {"subprocess", "click", "logging", "argparse", "multiprocessing", "ctypes"}
HEAVY_EXCEPTIONS = {
    # getpwnam_r tells a missing account from a database that is down; nothing else does.
    ("pytools.base.accounts", "ctypes"),
    ("qmail.commands.qmail_lspawn", "ctypes"),
    # libcrypt and getspnam_r: Python has neither from 3.13 on.
    ("qmail.control.passwords", "ctypes"),
}
LINES = 500


def against_the_levels(module: Module) -> Iterator[str]:
    if module.package not in LEVELS:
        yield f"{module.package} needs a level"
        return
    top = module.package.split(".")[0]
    for name, line in module.own_imports():
        package = ".".join(name.split(".")[:2])
        if package in (module.package, top):
            continue
        if package.split(".")[0] == top:
            allowed = LEVELS[package] < LEVELS[module.package]
        else:
            allowed = top == "qmail" and package in FOR_QMAIL
        if not allowed:
            yield f"{module.path}:{line} imports {name}"


def test_imports_go_down_the_levels() -> None:
    assert violations(against_the_levels) == []


def of_commands(module: Module) -> Iterator[str]:
    for name, line in module.own_imports():
        if ".commands" in name:
            yield f"{module.path}:{line} imports {name}"


def test_commands_are_imported_by_nobody() -> None:
    assert violations(of_commands) == []


def impure(module: Module) -> Iterator[str]:
    if module.package in PURE or module.name in PURE_MODULES:
        for name, line in module.imports():
            if name in IMPURE and (module.name, name) not in PURE_EXCEPTIONS:
                yield f"{module.path}:{line} imports {name}"


def test_pure_modules_know_no_kernel() -> None:
    assert violations(impure) == []


def test_modules_named_here_exist() -> None:
    names = {module.name for module in modules()}
    wanted = PURE_MODULES | {module for module, _ in PURE_EXCEPTIONS}
    wanted |= DURABLE_EXCEPTIONS | {module for module, _ in PROCESS_EXCEPTIONS}
    wanted |= {module for module, _ in HEAVY_EXCEPTIONS}
    assert wanted - names == set()


def durable(module: Module) -> Iterator[str]:
    if module.package in DURABLE_OWNERS or module.name in DURABLE_EXCEPTIONS:
        return
    for name, line in module.calls({"posix", "os", "fs", "_fs"}, DURABLE_CALLS):
        yield f"{module.path}:{line} uses {name}"


def test_durable_calls_are_made_by_owners_of_a_format() -> None:
    assert violations(durable) == []


def processes(module: Module) -> Iterator[str]:
    if module.package in ("pytools.process", "qmail.operator"):
        return
    for name, line in module.calls({"posix", "os"}, PROCESS_CALLS):
        if (module.name, name) not in PROCESS_EXCEPTIONS:
            yield f"{module.path}:{line} uses {name}"


def test_fork_exec_and_wait_are_made_by_the_process_package() -> None:
    assert violations(processes) == []


def heavy(module: Module) -> Iterator[str]:
    if module.package == "qmail.operator" or module.name == "qmail.commands.pyqmail":
        return
    for name, line in module.imports():
        top = name.split(".")[0]
        if top in HEAVY and (module.name, top) not in HEAVY_EXCEPTIONS:
            yield f"{module.path}:{line} imports {name}"


def test_only_the_operator_package_uses_whole_libraries() -> None:
    assert violations(heavy) == []


def signals(module: Module) -> Iterator[str]:
    if module.package == "qmail.operator":
        return
    for name, line in module.imports():
        if name in ("signal", "_signal") and module.name != "pytools.base.signals":
            yield f"{module.path}:{line} imports {name}"


def test_signals_are_touched_by_one_module() -> None:
    assert violations(signals) == []


def long(module: Module) -> Iterator[str]:
    count = len((CHECKOUT / module.path).read_text().splitlines())
    if count > LINES:
        yield f"{module.path} has {count} lines: split it"


def test_no_file_passes_five_hundred_lines() -> None:
    assert violations(long) == []
