"""Which DNS names a host name on a command line may stand for.

Rules        each is a letter, an end, ``:`` and a replacement. ``=`` wants the whole
             name to be that end, ``*`` any name with that end, ``?`` one without a dot
             or bracket before it; the end is replaced. ``-`` puts the replacement in
             place of the whole name. Rules apply one after the other.
Choices      a ``+`` in the result: ``a+.x+.y`` is a.x, or if that has no address a.y.
From         the file $DNSREWRITEFILE or /etc/dnsrewrite; else $LOCALDOMAIN; else the
             first ``search`` or ``domain`` line of /etc/resolv.conf; else the domain of
             this machine's own name.
"""

from __future__ import annotations

import _socket

from pytools.base.environment import environ
from pytools.base.fds import read_file

REWRITE_FILE = b"/etc/dnsrewrite"
RESOLV_CONF = b"/etc/resolv.conf"
NO_FINAL_DOT = b"*.:"
KEYWORDS = (b"search ", b"search\t", b"domain ", b"domain\t")


def names_for(host: bytes) -> list[bytes]:
    """The names to look up, in this order, for what somebody typed. OSError."""
    return candidates(host, rules())


def rules(rewrite_file: bytes = REWRITE_FILE, conf: bytes = RESOLV_CONF) -> list[bytes]:
    """The rules of this process's machine and environment. OSError."""
    text = _read(environ.get(b"DNSREWRITEFILE", rewrite_file))
    if text is not None:
        return [line.rstrip(b" \t\r") for line in text.split(b"\n")]
    domains = environ.get(b"LOCALDOMAIN")
    if domains is not None:
        return [_searching(domains.split(b" ")), NO_FINAL_DOT]
    for line in (_read(conf) or b"").split(b"\n"):
        if line.startswith(KEYWORDS):
            return [_searching(line.split()[1:]), NO_FINAL_DOT]
    _, dot, domain = _socket.gethostname().encode().partition(b".")
    return [b"?:." + domain, NO_FINAL_DOT] if dot else [NO_FINAL_DOT]


def _searching(domains: list[bytes]) -> bytes:
    return b"?:" + b"".join(b"+." + domain for domain in domains)


def _read(path: bytes) -> bytes | None:
    """The content of a file, None if there is none."""
    try:
        return read_file(path)
    except FileNotFoundError:
        return None


def candidates(host: bytes, rules: list[bytes]) -> list[bytes]:
    """The names that the rules make of ``host``."""
    name = host
    for rule in rules:
        name = _rewritten(name, rule)
    prefix, plus, endings = name.partition(b"+")
    return [prefix + ending for ending in endings.split(b"+")] if plus else [name]


def _rewritten(name: bytes, rule: bytes) -> bytes:
    """The name after one rule; a rule that makes no sense changes nothing."""
    kind = rule[:1]
    end, colon, replacement = rule[1:].partition(b":")
    if kind not in (b"=", b"*", b"?", b"-") or not colon:
        return name
    if not name.lower().endswith(end.lower()):
        return name
    start = name[: len(name) - len(end)]
    if kind == b"=" and start:
        return name
    if kind == b"?" and start != start.translate(None, b".[]"):
        return name
    return (b"" if kind == b"-" else start) + replacement
