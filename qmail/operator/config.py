"""``config`` and ``config-fast``: the first control files of a new server.

COMPAT: a control file that is there already is never overwritten; the original replaces
control/me. Lines are added to locals and rcpthosts only if they are not in them.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from pytools.base.ip import format_ip4
from qmail.control import ipme

LOOKUP_SECONDS = 20.0


class Control:
    """The control directory of a home, with what was written so far said aloud."""

    def __init__(self, home: str) -> None:
        self.directory = os.path.join(home, "control")
        self.kept = False

    def put(self, name: str, value: str) -> None:
        """Make a one-line file, unless it exists with something else in it."""
        path = os.path.join(self.directory, name)
        try:
            with open(path, errors="surrogateescape") as file:
                there = file.readline().strip()
        except FileNotFoundError:
            print(f"Putting {value} into control/{name}...")
            self._write(path, value + "\n")
            return
        if there != value:
            self.kept = True
            print(f"Keeping {there} in control/{name}: you have it already.")
            print(f"...to change it: echo {value} > {path}")

    def add(self, name: str, value: str) -> None:
        """Add a line to a file, unless it has that line."""
        path = os.path.join(self.directory, name)
        try:
            with open(path, errors="surrogateescape") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        if value in text.splitlines():
            return
        print(f"Putting {value} into control/{name}...")
        if text and not text.endswith("\n"):
            text += "\n"
        self._write(path, f"{text}{value}\n")

    @staticmethod
    def _write(path: str, text: str) -> None:
        tmp = path + ".new"
        with open(tmp, "w", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.rename(tmp, path)


def default_domain(fqdn: str) -> str:
    """The name without its first label, if at least two labels with dots remain."""
    first, dot, rest = fqdn.partition(".")
    return rest if dot and "." in rest and first else fqdn


def plus_domain(fqdn: str) -> str:
    """The last two labels."""
    labels = fqdn.split(".")
    return ".".join(labels[-2:]) if len(labels) > 2 else fqdn


def put_names(control: Control, fqdn: str) -> None:
    """Write me, defaultdomain and plusdomain."""
    control.put("me", fqdn)
    control.put("defaultdomain", default_domain(fqdn))
    control.put("plusdomain", plus_domain(fqdn))


def in_time(work: threading.Thread, seconds: float = LOOKUP_SECONDS) -> None:
    """Give a look-up so long; what has not answered then has no answer."""
    work.start()
    work.join(seconds)


def canonical_name(host: str) -> str | None:
    """The fully qualified name of a host, or None."""
    found: list[str] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(
                host, None, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_CANONNAME
            )
        except (OSError, UnicodeError):
            return
        found.append(answers[0][3].lower().rstrip("."))

    in_time(threading.Thread(target=ask, daemon=True))
    return found[0] if found and "." in found[0] else None


def reverse_name(address: str) -> str | None:
    """The name of an IP address by its PTR record, or None."""
    found: list[str] = []

    def ask() -> None:
        try:
            found.append(socket.gethostbyaddr(address)[0].lower().rstrip("."))
        except (OSError, UnicodeError):
            return

    in_time(threading.Thread(target=ask, daemon=True))
    return found[0] if found and found[0] != address else None


def config_fast(home: str, fqdn: str) -> int:
    """``config-fast FQDN``: believe the name given."""
    if not fqdn or fqdn.startswith((".", "-")) or any(c.isspace() for c in fqdn):
        print(f"config-fast: fatal: not a host name: {fqdn!r}", file=sys.stderr)
        return 100
    control = Control(home)
    control.put("me", fqdn)
    if control.kept:
        # Half of an answer would be worse than none.
        print("Nothing is changed.")
        return 1
    print(f"Your fully qualified host name is {fqdn}.")
    put_names(control, fqdn)
    control.add("locals", fqdn)
    control.add("rcpthosts", fqdn)
    print(f"Now qmail will refuse to accept SMTP messages except to {fqdn}.")
    print("Remember rcpthosts when you add names to locals or virtualdomains!")
    return 1 if control.kept else 0


def config(home: str) -> int:
    """``config``: find the names in DNS."""
    host = socket.gethostname().lower()
    print(f"Your hostname is {host}.")
    fqdn = canonical_name(host)
    if fqdn is None:
        print("Sorry, I couldn't find your host's canonical name in DNS.")
        print("...try: ./config-fast the.full.hostname")
        return 111
    print(f"Your host's fully qualified name in DNS is {fqdn}.")
    control = Control(home)
    put_names(control, fqdn)
    print("Checking local IP addresses:")
    for packed in sorted(ipme.own_addresses() - {ipme.ANY}):
        address = format_ip4(packed).decode()
        name = reverse_name(address)
        if name is None:
            print(f"{address}: PTR lookup failed; I assume it has no DNS name.")
            continue
        print(f"{address}: {name}")
        control.add("locals", name)
        control.add("rcpthosts", name)
    if not os.path.exists(os.path.join(control.directory, "locals")):
        control.add("locals", fqdn)
        control.add("rcpthosts", fqdn)
    print("If other domain names point to you, add them to control/locals.")
    print("Now qmail will refuse to accept SMTP messages except to those hosts.")
    print("Remember rcpthosts when you add names to locals or virtualdomains!")
    return 1 if control.kept else 0


def main(argv: list[str]) -> int:
    """``config HOME`` or ``config-fast HOME FQDN``."""
    try:
        if argv[1] == "config":
            return config(argv[2])
        if len(argv) != 4:
            print("config-fast: usage: config-fast the.full.hostname", file=sys.stderr)
            return 100
        return config_fast(argv[2], argv[3])
    except OSError as error:
        reason = f"unable to write {error.filename}: {error.strerror}"
        print(f"{argv[1]}: fatal: {reason}", file=sys.stderr)
        print("...try: make setup first, and be root", file=sys.stderr)
        return 111


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    # A look-up that still hangs in its thread must not keep us.
    os._exit(code)
