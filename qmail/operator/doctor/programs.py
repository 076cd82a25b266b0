"""What programs are made of and found by: interpreter, runtime, sendmail, PATH, limits."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator

from qmail.operator import hier, interpreter, running, takeover
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, amend, quote, read, text
from qmail.operator.doctor.tree import programs, service_names

LAUNCHER = re.compile(rb"#!(\S+) [^\n]*\nimport sys\nsys\.path\[:0\] = (\[[^\n]*\])\n")
IMPORTS = "import pytools.process.launch, cdbx, dns.resolver, setproctitle, click"
SYSTEM_PYTHON = "/usr/bin/python3"
IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"
SOFTLIMIT = re.compile(r"(?:^|[\s;&|])(\S*softlimit)\s([^\n]*)")
LIMIT = re.compile(r"-[mad]\s*(\d+)")
QMAILCTL_PATH = re.compile(r"^PATH=([^\s$\"']+)$", re.MULTILINE)
PRIVATE = ("/root", "/home")
SENDMAILS = ("/usr/sbin/sendmail", "/usr/lib/sendmail")
MARK = b"pytools.process.launch"


def launchers(machine: Machine) -> Iterator[tuple[str, str, list[str]]]:
    """(program, interpreter, directories of code), each interpreter and code once."""
    seen = set()
    for path in programs(machine):
        try:
            found = LAUNCHER.match(read(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            # A few are root's alone, and all name the same.
            if machine.is_root:
                raise
            continue
        if found is None or found[0] in seen:
            continue
        seen.add(found[0])
        try:
            code = ast.literal_eval(text(found[2]))
        except (ValueError, SyntaxError):
            continue
        yield path, text(found[1]), [str(part) for part in code]


def check_interpreter(machine: Machine) -> Iterator[Finding]:
    """What the launchers name is there, works, is open to all and root's alone."""
    again = machine.make("setup check")
    for program, python, code in launchers(machine):
        if not os.path.exists(python):
            yield Finding(
                "interpreter-missing",
                f"{program} names the interpreter {python}, which does not exist",
                again,
            )
            continue
        hidden = interpreter.hidden_by(python)
        if hidden is not None:
            yield Finding(
                "interpreter-private",
                f"{program} names the interpreter {python}, but other users cannot use "
                f"{hidden}",
                open_to_all(machine, hidden),
            )
            continue
        changeable = interpreter.changeable_at(python)
        if changeable is not None:
            yield Finding(
                "interpreter-changeable",
                f"{program} names the interpreter {python}, and others than root can "
                f"change {changeable}",
                f"chown root {quote(changeable)} && chmod go-w {quote(changeable)}",
            )
        missing = [part for part in code if not os.path.isdir(part)]
        if missing:
            yield Finding(
                "runtime-missing",
                f"{program} names the code in {missing[0]}, which does not exist",
                made_anew(machine, missing[0]),
            )
            continue
        hidden = interpreter.hidden_by(f"{code[0]}/.")
        if hidden is not None:
            yield Finding(
                "runtime-private",
                f"{program} names the code in {code[0]}, but other users cannot use "
                f"{hidden}",
                open_to_all(machine, hidden),
            )
            continue
        yield from of_run(machine, program, python, code)


def made_anew(machine: Machine, code: str) -> str:
    """A runtime that is there, whatever is left of it, is not made again by setup."""
    again = machine.make("setup check")
    runtime = os.path.dirname(code)
    if not os.path.isdir(runtime):
        return again
    return f"mv {quote(runtime)} {quote(runtime + '.broken')} && {again}"


def open_to_all(machine: Machine, part: str) -> str:
    """Not what lies in somebody's home: that is to stay private."""
    if part.startswith(PRIVATE):
        source = quote(machine.source)
        return f"cd {source} && PYTHON=/usr/bin/python3 make setup check"
    return f"chmod o+rx {quote(part)}"


def of_run(
    machine: Machine, program: str, python: str, code: list[str]
) -> Iterator[Finding]:
    """Start it as the daemons are started, and have it import what they need."""
    user = group = None
    if machine.is_root and machine.owners and not machine.owners.trial:
        user, group = machine.owners.uid("qmaild"), machine.owners.gid("nofiles")
    said = interpreter.refusal(python, "pass", user, group)
    if said is not None:
        yield Finding(
            "interpreter-broken",
            f"{program} names the interpreter {python}, which does not run"
            f"{'' if user is None else ' as qmaild'}: {said}",
            another(machine, python, user, group),
        )
        return
    script = f"import sys; sys.path[:0] = {code!r}; {IMPORTS}"
    if (said := interpreter.refusal(python, script, user, group)) is not None:
        yield Finding(
            "runtime-broken",
            f"{program} names the code in {code[0]}, which does not run: {said}",
            made_anew(machine, code[0]),
        )


def another(machine: Machine, python: str, user: int | None, group: int | None) -> str:
    """The command that installs from the system's interpreter, or shows what this one
    lacks: setup may take the same again."""
    system = machine.path(SYSTEM_PYTHON)
    is_healthy = (
        os.path.exists(system)
        and os.path.realpath(system) != os.path.realpath(python)
        and interpreter.hidden_by(system) is None
        and interpreter.changeable_at(system) is None
        and interpreter.refusal(system, IS_NEW_ENOUGH, user, group) is None
    )
    if is_healthy:
        return f"cd {quote(machine.source)} && PYTHON={quote(system)} make setup check"
    look = f"ldd {quote(os.path.realpath(python))}"
    return look if user is None else f"su qmaild -s /bin/sh -c {quote(look)}"


def check_sendmail(machine: Machine) -> Iterator[Finding]:
    """Programs that send mail find ours."""
    own = f"{machine.home}/bin/sendmail"
    for name in SENDMAILS:
        path = machine.path(name)
        link = f"ln -s {quote(own)} {quote(path)}"
        if not os.path.lexists(path):
            # The older of the two places is not missed.
            if name == SENDMAILS[0]:
                yield Finding("sendmail-missing", f"{path} does not exist", link)
        elif os.path.realpath(path) != os.path.realpath(own):
            yield Finding(
                "sendmail-foreign",
                f"{path} is another mail system's: {os.path.realpath(path)}",
                f"mv -T {quote(path)} {quote(path + '.old')} && {link}",
            )


def check_path(machine: Machine) -> Iterator[Finding]:
    """What is found first in PATH is what setup installed."""
    places = machine.places
    names = {
        **dict.fromkeys(
            hier.daemontools_programs(), (places.local_bin, places.command)
        ),
        **dict.fromkeys(hier.ucspi_programs(), (places.local_bin,)),
    }
    others: dict[str, list[str]] = {}
    for search_path in (machine.search_path.split(":"), path_of_qmailctl(machine)):
        for name, homes in names.items():
            ours = {os.path.realpath(f"{directory}/{name}") for directory in homes}
            for directory in filter(None, search_path):
                path = f"{directory}/{name}"
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    if os.path.realpath(path) not in ours:
                        # /bin may be /usr/bin.
                        place = os.path.realpath(directory)
                        others.setdefault(place, []).append(name)
                    break
    for directory, found in others.items():
        every = list(dict.fromkeys(found))
        yield Finding(
            "path-foreign",
            f"in PATH {directory} has its own {', '.join(every)} before those of "
            f"{places.local_bin}",
            away(machine, directory, every),
        )


def path_of_qmailctl(machine: Machine) -> list[str]:
    """The directories that the guide's script looks through: /usr/bin comes early."""
    try:
        found = QMAILCTL_PATH.search(text(read(f"{machine.home}/bin/qmailctl")))
    except OSError:
        return []
    prefix = machine.places.prefix
    directories = found[1].split(":") if found else []
    return [d if d.startswith(prefix) else machine.path(d) for d in directories]


def away(machine: Machine, directory: str, names: list[str]) -> str:
    """Remove their package, or give them other names."""
    packages = {package_of(machine, f"{directory}/{name}") for name in names}
    if packages and "" not in packages:
        return f"apt-get remove {' '.join(sorted(packages))}"
    words = " ".join(map(quote, names))
    return f"cd {quote(directory)} && for p in {words}; do mv $p $p.old; done; cd -"


def package_of(machine: Machine, path: str) -> str:
    """The Debian package that a file is of, or nothing; dpkg's lists of files."""
    directory = machine.path("/var/lib/dpkg/info")
    wanted = b"\n%b\n" % os.fsencode(path)
    try:
        lists = [name for name in os.listdir(directory) if name.endswith(".list")]
    except OSError:
        return ""
    for name in lists:
        if re.match("daemontools|ucspi-tcp|runit|bglibs", name):
            data = read(f"{directory}/{name}")
            if wanted in b"\n" + data:
                return name.removesuffix(".list").partition(":")[0]
    return ""


def check_softlimit(machine: Machine) -> Iterator[Finding]:
    """softlimit(8) of ours adds what the interpreter takes; another kind does not."""
    for name in service_names(machine):
        path = f"{machine.places.service}/{name}/run"
        try:
            script = text(read(path))
        except FileNotFoundError:
            continue
        lines = [
            line for line in script.split("\n") if not line.lstrip().startswith("#")
        ]
        for found in SOFTLIMIT.finditer("\n".join(lines)):
            program = found[1]
            limits = [int(number) for number in LIMIT.findall(found[2])]
            if (
                not limits
                or min(limits) >= running.NEEDS_BYTES
                or not is_foreign(program)
            ):
                continue
            own = f"{machine.places.local_bin}/softlimit"
            yield Finding(
                "softlimit-foreign",
                f"{path} has {program} limit the service to {min(limits)} bytes",
                f"{amend(path, f's,{program},{own},')} && "
                f"svc -t {quote(os.path.dirname(path))}"
                if machine.is_in_roots_hands(path)
                else f"namei -l {quote(path)}",
            )


def is_foreign(program: str) -> bool:
    """True if a program named by its path is there and not ours."""
    try:
        return program.startswith("/") and MARK not in read(program)
    except OSError:
        return False


def check_running(machine: Machine) -> Iterator[Finding]:
    """What runs since before a takeover goes on with its limit; see takeover.py."""
    starved = running.starved(machine.places, machine.every_process())
    if starved:
        least = min(one.limit for one in starved if one.limit is not None)
        yield Finding(
            "softlimit-original",
            f"{takeover.listed(starved)} of the original: started with a softlimit of "
            f"{least} bytes",
            takeover.restart(machine.places, starved),
        )
