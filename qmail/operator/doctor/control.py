"""The control files: there, readable, with what programs can read in them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from qmail.control.table import LIST, NUMBER, SEND, TABLE
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import (
    Machine,
    amend,
    can_be_typed,
    edit,
    quote,
    read,
    text,
    unreadable,
)
from qmail.operator.doctor.services import started_at
from qmail.operator.overview import NotRegularError

SINGLE = {file.name for file in TABLE if file.kind != LIST} | {
    "me",
    "concurrencyincoming",
}
NUMBERS = {file.name for file in TABLE if file.kind == NUMBER}
FOR_ROOT = ("concurrencyincoming", "defaultdelivery")
"""What only the guide's scripts read, as root."""
KNOWN = {file.name for file in TABLE} | SINGLE | {"defaultdelivery"}
COMMENT = re.compile(rb"(^|[ \t])#")
INNER = re.compile(rb"^[^#][^ \t]*[ \t]+[^# \t]")
"""A blank in a name that is stripped: not before it, nor before a comment behind it."""
INNER_CR = re.compile(rb"\r(?!\r*(\n|\Z))")
BLANKS = (b" ", b"\t")
MAILBOXES = {"maildir": "./Maildir/", "mailbox": "./Mailbox"}
"""What is meant by a word that is no mailbox; no user has such a name."""
DOMAINS = ("locals", "rcpthosts", "virtualdomains", "percenthack")
"""Lists in which a name with a blank in it, or before it, is the name of nothing."""
AT_HUP = ("locals", "virtualdomains")
AT_START = {
    "qmail-send": sorted(
        {f.name for f in TABLE if f.used_by == SEND and f.name not in AT_HUP}
        | {"me", "defaultdelivery"}
    ),
    "qmail-smtpd": ["concurrencyincoming", "me"],
}
"""What a service reads when it starts and not again; qmail-send takes two at HUP."""
RESTART = "svc -t /service/qmail-send"
REREAD = "svc -h /service/qmail-send"


def check_control(machine: Machine) -> Iterator[Finding]:
    """The files that the guide has its reader make, and the form of all."""
    if not os.path.isdir(machine.control):
        return
    for part in (of_me, of_concurrency, of_default_delivery):
        try:
            yield from part(machine)
        except NotRegularError:
            # The loop below says it.
            continue
    for name in sorted(os.listdir(machine.control)):
        path = f"{machine.control}/{name}"
        if name not in KNOWN or not os.path.exists(path):
            # SECURITY: others are not the doctor's; one may be the key of a certificate.
            continue
        try:
            data = read(path)
        except NotRegularError as error:
            yield unreadable(error)
            continue
        except PermissionError:
            if machine.is_root:
                raise
            data = b""
        yield from of_form(path, data)
        if name not in FOR_ROOT and not os.stat(path).st_mode & stat.S_IROTH:
            yield Finding(
                "control-unreadable",
                f"{path} cannot be read by all",
                f"chmod 644 {quote(path)}",
            )


def of_me(machine: Machine) -> Iterator[Finding]:
    """The name of the server."""
    path = f"{machine.control}/me"
    me = machine.control_line("me")
    host = os.uname().nodename
    fill = edit(path)
    if "." in host and not os.path.islink(path):
        fill = f"echo {quote(host)} > {quote(path)}"
    if not me:
        yield Finding(
            "me-missing",
            f"{path} {'does not exist' if me is None else 'is empty'}",
            fill,
        )
    elif "." not in me.strip("."):
        yield Finding(
            "me-no-domain",
            f"{path} says {me}, which is no full host name",
            f"{fill} && {RESTART} /service/qmail-smtpd",
        )


def of_concurrency(machine: Machine) -> Iterator[Finding]:
    """The guide's run script gives it to tcpserver, which takes leading digits."""
    path = f"{machine.control}/concurrencyincoming"
    limit = machine.control_line("concurrencyincoming")
    remedy = f"echo 20 > {quote(path)}"
    if not limit:
        what = "does not exist" if limit is None else "is empty"
        yield Finding("concurrencyincoming-missing", f"{path} {what}", remedy)
    elif not re.fullmatch("[0-9]{1,9}", limit) or int(limit) == 0:
        yield Finding(
            "concurrencyincoming-bad",
            f"{path} says {limit}, which is no number of connections",
            f"{remedy} && svc -t /service/qmail-smtpd",
        )


def of_default_delivery(machine: Machine) -> Iterator[Finding]:
    """A Maildir has a slash at its end; without one it is an mbox file.

    COMPAT: the guide shows ./Maildir, and an mbox of that name is what it gets.
    """
    path = f"{machine.control}/defaultdelivery"
    data = machine.control_file("defaultdelivery")
    if data is None:
        yield Finding(
            "defaultdelivery-missing",
            f"{path} does not exist",
            f"echo ./Maildir/ > {quote(path)} && {RESTART}",
        )
        return
    for line in data.split(b"\n"):
        mailbox = text(line.rstrip(b" \t\r"))
        meant = mailbox_meant(mailbox)
        if meant:
            script = f"s,^{literal(mailbox)}[[:space:]]*$,{meant},"
            yield Finding(
                "defaultdelivery-forward",
                f"{path} says {mailbox}, which is an address to forward to",
                f"{amend(path, script)} && {RESTART}",
            )
            continue
        if not mailbox.startswith((".", "/")) or mailbox.endswith("/"):
            continue
        there = is_directory_of_somebody(machine, mailbox)
        if not there and mailbox != "./Maildir":
            continue
        script = f"s,^{literal(mailbox)}[[:space:]]*$,{replacement(mailbox)}/,"
        yield Finding(
            "defaultdelivery-mbox",
            f"{path} says {mailbox}, which is an mbox file: no slash at its end"
            + (f"; but {there} is a directory" if there else ""),
            f"{amend(path, script)} && {RESTART}",
        )


def literal(words: str, delimiter: str = ",") -> str:
    """A basic regular expression for words, in a script of sed's."""
    return re.sub(rf"([][\\.*^${delimiter}])", r"\\\1", words)


def replacement(words: str) -> str:
    """Words to be put in, between commas in a script of sed's."""
    return re.sub(r"([\\&,])", r"\\\1", words)


def mailbox_meant(line: str) -> str:
    """The mailbox that was meant by a line that is an address; or nothing.

    What has a slash and no host is no address of anybody's.
    """
    words = line.removeprefix("&").strip(" \t")
    if words.lower() in MAILBOXES:
        return MAILBOXES[words.lower()]
    if line.startswith((".", "/", "|", "#", "+")) or "/" not in words:
        return ""
    found = re.fullmatch(r"(?:(?:~|\$HOME|\.)/)?(\w[\w./-]*)", words)
    return f"./{found[1]}" if found else ""


def is_directory_of_somebody(machine: Machine, mailbox: str) -> str:
    """The first user's directory of that name, or nothing."""
    for user in machine.users():
        there = os.path.normpath(os.path.join(user.pw_dir, mailbox))
        if os.path.isdir(machine.path(there)):
            return there
    return ""


def of_form(path: str, data: bytes) -> Iterator[Finding]:
    """Carriage returns, comments where there are none, blanks."""
    name, quoted = os.path.basename(path), quote(path)
    if INNER_CR.search(data):
        # What is meant by it is the operator's to know.
        yield Finding("control-cr", f"{path} has CR within a line", f"cat -A {quoted}")
    elif b"\r" in data:
        yield Finding(
            "control-cr",
            f"{path} has CR at the end of lines",
            amend(path, "s/\\r*$//" if b"\r\r" in data else "s/\\r$//"),
        )
    lines = data.replace(b"\r", b"").split(b"\n")
    if name in SINGLE:
        if name == "smtpgreeting":
            # Words for people, whatever they are.
            return
        if name in NUMBERS and lines[0].strip() and not lines[0][:1].isdigit():
            yield Finding(
                "control-no-number",
                f"{path} says {text(lines[0])}, which is no number",
                edit(path),
            )
        elif COMMENT.search(lines[0]):
            yield Finding(
                "control-comment",
                f"{path} has a comment, and is read as one line",
                amend(path, "s/[[:blank:]]*#.*//", "/^$/d"),
            )
        # Programs pass over blanks at the end; the guide's run script, with me, does not.
        elif lines[0].startswith(BLANKS) or (
            name == "me" and lines[0].endswith(BLANKS)
        ):
            yield Finding(
                "control-blank",
                f"{path} has blanks around its value",
                amend(path, "s/^[[:blank:]]*//", "s/[[:blank:]]*$//"),
            )
    if name == "smtproutes":
        bad = next((line for line in lines if is_bad_route(line)), None)
        if bad is not None:
            yield Finding(
                "smtproutes-bad",
                f"{path} has the line {text(bad)}, which is no domain:relay:port",
                edit(path),
            )
    if name in DOMAINS:
        entries = [line.rstrip(b" \t") for line in lines if not line.startswith(b"#")]
        keys = [entry.partition(b":")[0] for entry in entries]
        wrong = [key for key in keys if b" " in key or b"\t" in key]
        if any(INNER.search(key.strip()) for key in wrong):
            # Whether that is two names or one is the operator's to know.
            yield Finding(
                "control-blank",
                f"{path} has a line with a blank in the name",
                f"grep -n '^[[:blank:]]*[^#:[:blank:]][^:[:blank:]]*[[:blank:]]' {quoted}",
            )
        elif wrong:
            # A comment behind a name is as wrong as a blank before it.
            yield Finding(
                "control-blank",
                f"{path} has a line with a blank at the name",
                amend(
                    path,
                    "s/^[[:blank:]]*//",
                    "s/[[:blank:]]*$//",
                    "/^#/b",
                    "s/^\\([^:[:blank:]]*\\)[[:blank:]][[:blank:]]*#.*/\\1/",
                ),
            )


def is_bad_route(line: bytes) -> bool:
    """True without a colon, with a blank, or a port that is no number; routes.py."""
    entry = line.rstrip(b" \t")
    _, colon, relay = entry.partition(b":")
    if not entry or entry.startswith(b"#"):
        return False
    bracket = relay.find(b"]") + 1 if relay.startswith(b"[") else 0
    _, second, port = relay[bracket:].partition(b":")
    has_blank = b" " in entry or b"\t" in entry
    return not colon or has_blank or bool(second and not port.isdigit())


def check_domains(machine: Machine) -> Iterator[Finding]:
    """What me, locals, virtualdomains and rcpthosts say of each other."""
    if not os.path.isdir(machine.control):
        return
    locals_path = f"{machine.control}/locals"
    me = machine.control_line("me")
    local = machine.local_domains()
    virtual = [
        (key, value)
        for line in machine.control_lines("virtualdomains") or []
        for key, colon, value in [line.partition(":")]
        if colon
    ]
    taken = dict(reversed(virtual))
    if (
        me
        and "." in me
        and me.lower() not in local
        and not is_virtual(me.lower(), taken)
    ):
        yield Finding(
            "locals-lack-me",
            f"{locals_path} does not have {me}, the name of this server",
            f"{append(machine, 'locals', me)} && {REREAD}",
        )
    both = [key for key, value in virtual if value and key in local]
    for domain in dict.fromkeys(both):
        if domain == (me or "").lower():
            path = f"{machine.control}/virtualdomains"
            end = ":"
        else:
            path, end = locals_path, "[[:space:]]*$"
        script = f"/^{literal(domain, '/')}{end}/Id"
        yield Finding(
            "local-and-virtual",
            f"{domain} is in locals and in virtualdomains",
            f"{amend(path, script)} && {REREAD}",
        )
    yield from of_rcpthosts(machine, local, [key for key, value in virtual if value])


def is_virtual(domain: str, virtual: dict[str, str]) -> bool:
    """As qmail-send sees it: the longest match decides, and an empty value is none."""
    places = [at for at, char in enumerate(domain) if char == "."]
    keys = (domain, *(domain[at:] for at in places), "")
    return next((bool(virtual[key]) for key in keys if key in virtual), False)


def of_rcpthosts(
    machine: Machine, local: list[str], virtual: list[str]
) -> Iterator[Finding]:
    """It is there, and has every domain that mail is taken for."""
    path = f"{machine.control}/rcpthosts"
    domains = dict.fromkeys(
        domain.rpartition("@")[2]
        # A name without a dot is known to nobody but this machine.
        for domain in (*local, *virtual)
        if "." in domain.rpartition("@")[2].strip(".")
    )
    taken = machine.control_lines("rcpthosts")
    if taken is None:
        names = " ".join(map(quote, domains))
        is_known = names and all(map(can_be_typed, domains))
        yield Finding(
            "rcpthosts-missing",
            f"{path} does not exist",
            f"printf '%s\\n' {names} > {quote(path)}" if is_known else edit(path),
        )
        return
    more = machine.control_lines("morercpthosts")
    if more is None and os.path.exists(f"{machine.control}/morercpthosts.cdb"):
        return
    for domain in domains:
        if not is_taken(domain, {*taken, *(more or ())}):
            yield Finding(
                "rcpthosts-incomplete",
                f"{path} does not have {domain}, which is local or virtual here",
                append(machine, "rcpthosts", domain),
            )


def append(machine: Machine, name: str, line: str) -> str:
    """The command that adds a line to a list, whose last may have no end."""
    if not can_be_typed(line):
        return edit(f"{machine.control}/{name}")
    data = machine.control_file(name) or b"\n"
    first = "echo; " if data and not data.endswith(b"\n") else ""
    path = quote(f"{machine.control}/{name}")
    command = f"echo {quote(line)}"
    return f"{{ {first}{command}; }} >> {path}" if first else f"{command} >> {path}"


def is_taken(domain: str, taken: set[str]) -> bool:
    """As qmail-smtpd sees it: the name, or a part of it that begins with a dot."""
    places = (at for at, char in enumerate(domain) if char == ".")
    return domain in taken or any(domain[at:] in taken for at in places)


def check_reread(machine: Machine) -> Iterator[Finding]:
    """Whether what is in the files is what the services work with."""
    for service, names in AT_START.items():
        start = started_at(machine, service)
        if start is None:
            continue
        changed = []
        for name in names:
            try:
                if os.stat(f"{machine.control}/{name}").st_mtime > start:
                    changed.append(name)
            except FileNotFoundError:
                continue
        if changed:
            yield Finding(
                "control-not-reread",
                f"{service} was started before the last change of "
                f"{', '.join(f'{machine.control}/{name}' for name in changed)}",
                f"svc -t {quote(f'{machine.places.service}/{service}')}",
            )
