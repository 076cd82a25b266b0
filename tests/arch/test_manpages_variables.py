"""The variables that a page names are read or set by what it describes.

The reverse, that a page names all that its program reads, is in test_manpages_reads.py.
Here are also the lists of what programs set, which are compared with what the code
gives for a connection and for a delivery.
"""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from pytools.commands import tcp_env, tcpclient
from pytools.ucspi import address, verdict
from pytools.ucspi.arguments import Arguments
from pytools.ucspi.verdict import Client, Config
from qmail.local import environment
from tests.arch.source import modules
from tests.arch.test_manpages_reads import (
    INDIRECT,
    OPERATORS,
    keys,
    literals,
    variables,
)
from tests.support.manual_code import PROGRAMS, reach
from tests.support.manual_pages import Page, commands, pages

NAME = re.compile(r"[A-Z][A-Z0-9_]+")
LINK_LOCAL = ("fe80::1", 25, 0, 1)
"""The address of an IPv6 host at the loopback interface, as the system gives it."""
CLIENT = {
    *("PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPLOCALHOST"),
    *("TCPREMOTEIP", "TCPREMOTEPORT", "TCPREMOTEHOST", "TCPREMOTEINFO"),
    *("TCP6LOCALIP", "TCP6LOCALPORT", "TCP6LOCALHOST", "TCP6INTERFACE"),
    *("TCP6REMOTEIP", "TCP6REMOTEPORT", "TCP6REMOTEHOST", "TCP6REMOTEINFO"),
}
PROXY = {"TCPPROXYIP", "TCPPROXYPORT"}

TAKEN: dict[str, tuple[set[str], str]] = {
    "mailsubj.1": ({"QMAILQUEUE"}, "by qmail-inject, which it runs"),
    "predate.1": ({"TZ"}, "by the C library, which tells the local time"),
    "tai64nlocal.8": ({"TZ"}, "the same"),
    "softlimit.8": ({"PYQMAIL_EXEC"}, "by every program that becomes another"),
    "qmail.7": ({"PYQMAIL_EXEC"}, "the same"),
    "checkpassword.8": ({"USER", "HOME", "SHELL"}, "set for the program, not read"),
    "config.8": ({"PYTHON", "QMAIL_HOME"}, "by the script that starts it"),
    "config-fast.8": ({"PYTHON", "QMAIL_HOME"}, "the same"),
    "dnsip.8": ({"PYTHON"}, "the same"),
    "pyqmail.8": (
        {"PYTHON", "NO_COLOR"},
        "by the script that starts it, and by the doctor",
    ),
}
"""Variables in ENVIRONMENT that the code of the program itself does not read."""

NAMED: dict[str, tuple[set[str], str]] = {
    "tcp-env.1": ({"TCPREMOTEINFO"}, "set: see tcp-environ(5)"),
    "tcpclient.8": (
        {"TCPLOCALHOST", "TCPREMOTEHOST", "TCPREMOTEINFO"},
        "set: see tcp-environ(5)",
    ),
    "qmail-queue.8": ({"QMAILQUEUE"}, "read by those who call it"),
    "qmail-qmqpc.8": ({"QMAILQUEUE"}, "the same"),
    "tcprulescheck.8": ({"TCP6REMOTEIP"}, "not read, in NOTES"),
    "tcpserver.8": ({"DNSREWRITEFILE", "LOCALDOMAIN"}, "not read, in NOTES"),
    "pyqmail-doctor.8": ({"RELAYCLIENT"}, "set by the rules that it judges"),
}
"""Variables elsewhere in a page that occur in no code that its program comes to."""

PATTERNS = {"tcpserver.8": {"TCP6", "TCPPROXY"}}
"""``TCP6*`` stands for all that begins so."""

ABOUT: dict[str, tuple[str, ...]] = {
    "maildir.5": ("maildirwatch", "maildir2mbox"),
    "qmail-header.5": ("qmail-inject",),
    "tcprules.5": ("tcpserver", "tcprulescheck"),
    "qmail.7": (),
}
"""Pages of no program: the programs that read what they name."""


def listed(page: Page) -> set[str]:
    """The variables that are items of the section ENVIRONMENT."""
    lines = re.findall(
        r"^\.It Ev (.*)$", page.sections.get("ENVIRONMENT", ""), re.MULTILINE
    )
    return set(NAME.findall(" ".join(lines)))


@cache
def reads(name: str) -> frozenset[str]:
    """What the programs that a page is about read."""
    page = pages()[name]
    if name in ABOUT:
        return frozenset().union(*map(variables, ABOUT[name]))
    if page.program in OPERATORS:
        return frozenset().union(
            *(
                literals(key, symbol) or set()
                for module in OPERATORS[page.program]
                for _, key, symbol in keys(module)
            )
        )
    return variables(page.program) if page.program in PROGRAMS else frozenset()


@cache
def in_code(name: str) -> frozenset[str]:
    """The words in the code of those programs that could be variables."""
    programs = ABOUT.get(name, (pages()[name].program,))
    found = {
        literal.decode("latin-1")
        for program in programs
        if program in PROGRAMS
        for literal in reach(program).constants
    }
    return frozenset(word for word in found if NAME.fullmatch(word))


def unfounded(page: Page) -> set[str]:
    """What a page lists or names, and has nothing to do with its program."""
    known = reads(page.name) | TAKEN.get(page.name, (set(), ""))[0]
    found = listed(page) - known
    known |= in_code(page.name) | NAMED.get(page.name, (set(), ""))[0]
    return found | page.variables() - known - PATTERNS.get(page.name, set())


COMPARED = {"tcp-environ.5", "qmail-command.8"}
"""Pages whose lists are compared with what is set, below."""


@pytest.mark.parametrize("name", sorted(set(pages()) - COMPARED))
def test_variables_of_a_page_are_those_of_its_program(name: str) -> None:
    assert unfounded(pages()[name]) == set()


def test_tables_have_what_is_needed_and_no_more() -> None:
    for name, (names, _) in TAKEN.items():
        assert names <= listed(pages()[name]) - reads(name), name
    for name, (names, _) in NAMED.items():
        assert names <= pages()[name].variables() - reads(name) - in_code(name), name
        assert not names & listed(pages()[name]), name
    for name, names in PATTERNS.items():
        for pattern in names:
            assert f".Ev {pattern}*" in pages()[name].text


def of_a_connection() -> set[str]:
    """All that tcpserver sets: for a client of IPv6 who comes by a proxy."""
    config = Config(Arguments(), {}, 25)
    client = Client(LINK_LOCAL, LINK_LOCAL)
    client.local_host = client.remote_host = client.info = b"x"
    client.proxy = LINK_LOCAL
    return {name.decode() for name in verdict.environment(config, client)}


def items(page: Page) -> list[str]:
    """The variables that are items anywhere in a page, as often as they are there."""
    return NAME.findall(
        " ".join(re.findall(r"^\.It Ev (.*)$", page.text, re.MULTILINE))
    )


def test_tcp_environ_lists_what_tcpserver_sets() -> None:
    assert sorted(items(pages()["tcp-environ.5"])) == sorted(of_a_connection())
    assert of_a_connection() == CLIENT | PROXY
    assert {name.decode() for name in verdict.OURS} == CLIENT | PROXY


def test_tcp_environ_names_nothing_else() -> None:
    assert pages()["tcp-environ.5"].variables() == CLIENT | PROXY


def test_tcpclient_and_tcp_env_set_the_same_but_for_the_proxy() -> None:
    known: dict[bytes, bytes | None] = dict.fromkeys(tcpclient.NAMES, b"x")
    set_by_client = tcpclient._variables(known, LINK_LOCAL)
    values = {name.decode(): value for name, value in set_by_client.items()}
    assert {name for name, value in values.items() if value is not None} == CLIENT
    assert {name for name, value in values.items() if value is None} == PROXY
    found = tcp_env.variables(LINK_LOCAL, LINK_LOCAL, b"x")
    assert {name.decode() for name in found} - PROXY == CLIENT


def test_qmail_command_lists_what_a_delivery_sets() -> None:
    set_first = environment.variables(b"u", b"h", b"a-b", b"b", b"x.y", b"s@z", 0)
    names = {name.decode() for name in set_first} | {"NEWSENDER", "DEFAULT"}
    assert {"NEWSENDER", "DEFAULT"} <= in_code("qmail-local.8")
    page = commands()["qmail-command"]
    assert sorted(items(page)) == sorted(names)
    assert page.variables() == names


@pytest.mark.parametrize("name", sorted(pages()))
def test_name_of_a_variable_without_its_macro_is_one(name: str) -> None:
    assert loose(pages()[name]) <= of_all_code()


FAMILIES = re.compile(r"(?<![\w-])(?:TCP|QMAIL|MAIL|MAX|DNS)[A-Z0-9]{3,}(?![\w*-])")
"""Words that look like variables wherever they are, in rules and examples, too."""


def loose(page: Page) -> set[str]:
    """Such words of a page."""
    text = re.sub(r"^\.(?:Dt|Sh) .*$", "", page.text, flags=re.MULTILINE)
    return set(FAMILIES.findall(text))


@cache
def of_all_code() -> frozenset[str]:
    """The words in all code of ours that could be variables, and those that are named."""
    found = CLIENT | PROXY
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                found.add(node.value.decode("latin-1"))
    for names, _ in (*TAKEN.values(), *NAMED.values()):
        found |= names
    built = set().union(*INDIRECT.values())
    return frozenset(word for word in found | built if NAME.fullmatch(word))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "qmail-smtpd.8",
            ".It Ev RELAYCLIENT\n",
            ".It Ev NOSUCHVAR\n.It Ev RELAYCLIENT\n",
        ),
        ("qmail-smtpd.8", "TCPREMOTEHOST", "TCPREMOTEHOSTS"),
        ("qmail-smtpd.8", "DATABYTES", "TCPREMOTEPORT"),
        ("tcpserver.8", "TCPREMOTEINFO", "TCPREMOTEINFQ"),
        ("tcpserver.8", "TCPPROXYIP", "TCPPROXYIQ"),
        ("tcp-env.1", "TCPREMOTEINFO", "TCPREMOTEINFQ"),
        ("tcprules.5", "MAXRATEIP", "MAXRATEIQ"),
        ("checkpassword.8", ".It Ev SHELL", ".It Ev SHELLS"),
        ("pyqmail.8", "WHEELS", "WHEEL"),
        ("qmail-header.5", "QMAILMFTFILE", "QMAILMFTFILES"),
    ],
)
def test_wrong_variable_in_a_page_is_found(name: str, old: str, new: str) -> None:
    page = pages()[name]
    assert old in page.text
    wrong = Page(page.path)
    wrong.text = page.text.replace(old, new)
    wrong.sections = {
        section: text.replace(old, new) for section, text in page.sections.items()
    }
    assert unfounded(wrong)


def test_wrong_item_of_tcp_environ_is_found() -> None:
    wrong = Page(pages()["tcp-environ.5"].path)
    wrong.text = wrong.text.replace(".It Ev TCPREMOTEPORT", ".It Ev TCPREMOTEINFO")
    assert sorted(items(wrong)) != sorted(of_a_connection())


def test_wrong_variable_in_a_rule_of_an_example_is_found() -> None:
    wrong = Page(pages()["rblsmtpd.8"].path)
    wrong.text += '127.:allow,TCPREMOTEINFQ="x"\n'
    assert loose(wrong) - of_all_code() == {"TCPREMOTEINFQ"}
    assert address.interface(LINK_LOCAL) == b"lo"
