"""A warm parent with a resolver, for tests: one command a line, one answer a line.

``ask KIND NAME`` is asked by a fork, ``here KIND NAME`` by this process; ``leave`` is as
``ask`` without waiting for the answer, ``stop PID`` ends such a fork; ``many SECONDS
COUNT KIND:NAME ...`` asks at once, by a fork. The other commands do what they say.
"""

from __future__ import annotations

import posix
import resource
import sys

from pytools.process import child, resolver


def ask(kind: str, name: str) -> str:
    """The answer, or the name of the exception."""
    try:
        query = getattr(resolver, kind)
        return repr(query(name.encode()))
    except (resolver.DnsTemporary, resolver.DnsPermanent) as error:
        return type(error).__name__


def many(seconds: str, enough: str, *queries: str) -> str:
    """The answers, asked at once (``KIND:NAME``), as soon as so many are there."""
    wanted = [tuple(query.encode().split(b":", 1)) for query in queries]
    found = resolver.ask_many(
        [(kind, name) for kind, name in wanted],
        float(seconds),
        lambda answers: len(answers) - answers.count(None) >= int(enough),
    )
    return repr([type(x).__name__ if isinstance(x, Exception) else x for x in found])


def vm_size() -> int:
    """The bytes of address space this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def command(names: resolver.Resolver, words: list[str]) -> str:
    """Do one line."""
    match words:
        case ["ask", kind, name]:
            return child.in_child(lambda: ask(kind, name).encode()).decode()
        case ["many", *words]:
            return child.in_child(lambda: many(*words).encode()).decode()
        case ["leave", kind, name]:
            return str(child.fork(lambda: len(ask(kind, name))))
        case ["stop", pid]:
            posix.kill(int(pid), 9)
            return str(child.wait_for(int(pid)))
        case ["here", kind, name]:
            return ask(kind, name)
        case ["pid"]:
            return str(names.pid)
        case ["kill"]:
            posix.kill(names.pid, 9)
            child.wait_for(names.pid)
            return str(names.reaped(names.pid))
        case ["start"]:
            names.start()
            return str(names.pid)
        case ["restart"]:
            names.restart()
            return str(names.pid)
        case ["wanted"]:
            return str(names.wanted)
        case ["old"]:
            names._born -= 3600
            names._retry_at -= 3600
            return "yes"
        case ["limit", size]:
            limit = vm_size() + int(size)
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
            return "limited"
        case ["files", count]:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (int(count), hard))
            return "limited"
        case ["modules"]:
            return str([name for name in ("dns", "asyncio") if name in sys.modules])
    raise AssertionError(words)


def main() -> None:
    """Serve standard input."""
    names = resolver.Resolver()
    child.settle()
    for line in sys.stdin:
        print(command(names, line.split()), flush=True)


main()
