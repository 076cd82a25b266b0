"""What a program loads at its start, for those that start an interpreter of their own.

A fresh interpreter imports the launcher's entry and the program's module; what that
loads beyond the bare interpreter must be named here. Growth is a deliberate change.
PERF: a module of ours costs 0.2 ms, ``socket`` 14, ``typing`` 16, ``dataclasses`` 30.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from pytools.process import launcher
from pytools.process.programs import LONG_LIVED, PYTOOLS, QMAIL, module_of
from tests.conftest import CHECKOUT

SHORT = {"b": "pytools.base", "p": "pytools.process", "q": "qmail"}
"""Prefixes in the lists below: ``b.fds`` is pytools.base.fds."""
LAUNCH = """
    __future__ errno fcntl pytools pytools.base pytools.process
    b.environment b.exits b.runtime b.signals
    p.chain p.launch p.launcher p.programs p.runner p.title
"""
CDB = "cdbx cdbx._cdb b.cdb b.fds"
RULES = "b.ip pytools.ucspi pytools.ucspi.networks pytools.ucspi.rules"
CALLER = """
    _socket time gc p.child b.fds q.queue q.queue.client q.queue.exitcodes
    q.queue.layout q.queue.wire
"""
"""To hand a message to qmail-queued."""
SUBMIT = f"{CALLER} q.queue.inject q.queue.program"
ASKS = "gc b.fds p.child q.local q.local.conditions"
FEEDS = "gc b.fds p.child q.local q.local.feeding"

ASKING = """
    gc b.fds p.child pytools.ucspi pytools.ucspi.asking pytools.ucspi.client_command
    pytools.ucspi.lineends pytools.ucspi.showing
"""
"""To run tcpclient and show what it brings."""

COMPILING = """
    b.durable b.fds b.options q.control q.control.files q.forwarding
    q.forwarding.addresses q.forwarding.files q.forwarding.source q.mail
    q.mail.rfc822tokens
"""
"""To read a source of forwarding and write what becomes of it."""

BUDGET = {
    "svc": "b.options pytools.supervision pytools.supervision.control",
    "svok": "",
    "svstat": "pytools.supervision pytools.supervision.status",
    "setuidgid": "b.accounts",
    "softlimit": "b.limits b.options resource",
    "addcr": "b.fds",
    "argv0": "",
    "delcr": "b.fds pytools.ucspi pytools.ucspi.lineends",
    "envdir": "b.fds",
    "envuidgid": "b.accounts",
    "fghack": "gc b.fds p.child",
    "fixcrio": """
        _socket gc select b.fds p.child pytools.ucspi pytools.ucspi.copying
        pytools.ucspi.flow pytools.ucspi.lineends
    """,
    "pgrphack": "",
    "recordio": """
        _socket gc select b.fds p.child pytools.ucspi pytools.ucspi.copying
        pytools.ucspi.flow
    """,
    "setlock": "b.fds b.locks b.options",
    "matchtest": "b.fds itertools pytools.multilog pytools.multilog.pattern",
    "tai64n": "b.fds b.tai pytools.multilog pytools.multilog.lines",
    "tai64nlocal": "b.fds b.tai pytools.multilog pytools.multilog.localtime",
    "date@": ASKING,
    "finger@": ASKING,
    "http@": ASKING,
    "mconnect": "pytools.ucspi pytools.ucspi.client_command",
    "mconnect-io": """
        _socket select b.fds pytools.ucspi pytools.ucspi.flow pytools.ucspi.lineends
        pytools.ucspi.relaying pytools.ucspi.showing
    """,
    "tcpcat": "pytools.ucspi pytools.ucspi.client_command",
    "tcpclient": """
        _socket gc resource select b.fds b.ip b.netstring b.options b.services
        p.child p.dnsanswers p.resolver p.resolver_client p.resolver_parent
        pytools.ucspi pytools.ucspi.address pytools.ucspi.client_arguments
        pytools.ucspi.connecting pytools.ucspi.hosts pytools.ucspi.ident
        pytools.ucspi.log pytools.ucspi.qualifying
    """,
    "who@": ASKING,
    "tcprules": f"{CDB} {RULES} b.durable",
    "tcprulescheck": f"{CDB} {RULES}",
    "rblsmtpd": """
        _socket b.fds b.ip b.netstring b.options b.peer gc p.child p.dnsanswers
        p.resolver p.resolver_client p.resolver_parent pytools.ucspi
        pytools.ucspi.dnslists pytools.ucspi.refusing resource select
    """,
    "qmail-inject": f"""
        {SUBMIT} b.options q.control q.control.files q.control.maps
        q.inject q.inject.composing q.inject.identity q.inject.rewriting
        q.mail q.mail.dates q.mail.header q.mail.quoting q.mail.rfc822tokens
    """,
    "sendmail": "",
    "qmail-queue": f"{CALLER} q.queue.envelope",
    "qmail-qmqpc": """
        _socket resource b.fds b.ip b.limits b.options q.control q.control.files
        q.mail q.mail.netstrings q.qmqp q.qmqp.client q.queue q.queue.exitcodes
    """,
    "qmail-qread": """
        b.fds q.mail q.mail.dates
        q.queue q.queue.envelope q.queue.exitcodes q.queue.layout q.queue.listing
    """,
    "qmail-qstat": "b.fds q.queue q.queue.layout",
    "qmail-tcpto": "b.fds b.ip b.locks q.control q.control.tcpto",
    "qmail-tcpok": """
        b.accounts b.fds b.locks gc p.child q.control q.control.ids q.control.tcpto
    """,
    "maildirmake": "",
    # It runs in a child of qmail-popup, whose parents have imported ctypes for it.
    "checkpassword": """
        _collections_abc _ctypes _operator _stat _struct ctypes ctypes._endian
        genericpath os os.path posixpath stat struct time types
        b.accounts q.control q.control.passwords q.pop3 q.pop3.credentials
    """,
    "qmail-pop3d": """
        _bisect bisect select time b.options b.peer q.local q.local.mailbox
        q.pop3 q.pop3.lines q.pop3.stuffing q.pop3.transaction
    """,
    "forward": f"{SUBMIT} q.queue.onward",
    "dot-forward": f"""
        {SUBMIT} {COMPILING} q.forwarding.dotforward q.forwarding.passing
        q.forwarding.regular q.local q.local.feeding q.mail.delivering q.queue.onward
    """,
    "fastforward": f"""
        {SUBMIT} {CDB} b.options q.forwarding q.forwarding.expansion q.forwarding.lists
        q.forwarding.addresses q.forwarding.passing q.forwarding.regular
        q.forwarding.source q.forwarding.table q.mail q.mail.delivering
        q.mail.rfc822tokens q.queue.onward
    """,
    "setforward": f"{COMPILING} {CDB} q.forwarding.table",
    "printforward": f"{COMPILING} q.forwarding.printing q.forwarding.table",
    "setmaillist": f"{COMPILING} q.forwarding.lists q.forwarding.table",
    "printmaillist": f"""
        {COMPILING} q.forwarding.lists q.forwarding.printing q.forwarding.table
    """,
    "newaliases": f"""
        {COMPILING} {CDB} q.forwarding.aliases q.forwarding.table
    """,
    "newinclude": f"{COMPILING} q.forwarding.lists q.forwarding.table",
    "preline": f"{FEEDS} b.options",
    "bouncesaying": ASKS,
    "except": ASKS,
    "condredirect": f"{SUBMIT} {ASKS} q.queue.onward",
    "predate": f"{FEEDS} time q.mail q.mail.dates",
    "datemail": "",
    "mailsubj": FEEDS,
    "qreceipt": f"""
        {SUBMIT} q.mail q.mail.header q.mail.quoting q.mail.rfc822tokens
    """,
    "maildir2mbox": """
        _bisect bisect time b.durable b.locks q.local q.local.entries q.local.mailbox
        q.local.maildirlist q.local.mbox q.local.mboxlock q.local.tombox q.mail
        q.mail.dates _struct struct
    """,
    "tcp-env": """
        _socket gc resource select time b.fds b.ip b.netstring b.options p.child
        p.dnsanswers p.resolver p.resolver_client p.resolver_parent pytools.ucspi
        pytools.ucspi.address pytools.ucspi.ident
    """,
    "qmail-pw2u": "b.fds b.options q.control q.control.maps q.control.passwd",
    "qmail-getpw": f"""
        {CDB} b.accounts b.options q.control q.control.users q.spawn q.spawn.exitcodes
    """,
    "qmail-newu": f"{CDB} b.durable b.options q.control q.control.users",
    "qmail-newmrh": f"""
        {CDB} b.durable b.options q.control q.control.files q.control.maps
        q.control.rcpthosts
    """,
    "qmail-showctl": """
        b.accounts b.fds b.options gc p.child q.control q.control.files q.control.ids
        q.control.table q.queue q.queue.layout q.spawn q.spawn.records
    """,
}
BANNED = {
    *("argparse", "asyncio", "click", "collections", "contextlib", "dataclasses"),
    *("dns", "email", "enum", "functools", "logging", "os", "pathlib", "re", "signal"),
    *("socket", "ssl", "subprocess", "tempfile", "threading", "typing"),
}


def allowed(program: str) -> set[str]:
    """The names in full."""
    module = module_of(program.encode())
    assert module is not None
    top, package, _ = module.split(".")
    words = f"{LAUNCH} {BUDGET[program]} {top} {top}.{package} {module}".split()
    names = set()
    for word in words:
        head, dot, tail = word.partition(".")
        names.add(SHORT[head] + dot + tail if head in SHORT else word)
    return names


def loaded(program: str) -> set[str]:
    """The modules beyond the bare interpreter's."""
    code = f"""
import sys
bare = set(sys.modules)
sys.path[:0] = {launcher.search_path()!r}
import pytools.process.launch
from pytools.process import chain
chain.load({program.encode()!r})
print(*set(sys.modules) - bare)
"""
    done = subprocess.run(
        [sys.executable, launcher.FLAGS, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("program", sorted(BUDGET))
def test_program_that_is_execed_loads_only_what_it_uses(program: str) -> None:
    found = loaded(program)
    assert found - allowed(program) == set(), "not in the budget"
    stale = {name for name in allowed(program) - found if name.startswith(("py", "qm"))}
    assert stale == set(), "in the budget, but no longer loaded"


@pytest.mark.parametrize(
    "program", sorted(name.decode() for name in (PYTOOLS | QMAIL) - {*LONG_LIVED})
)
def test_program_loads_nothing_heavy(program: str) -> None:
    if program not in BUDGET:
        assert {name.split(".")[0] for name in loaded(program)} & BANNED == set()


def test_every_banned_module_is_banned_for_the_linter_too() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text()
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    banned = set(lint["flake8-tidy-imports"]["banned-module-level-imports"])
    assert banned <= BANNED
