"""The operator's command ``pyqmail``: how is it going, is all as it should be.

It shows what svstat, qmail-qstat and tai64nlocal say, and runs what the checkout's
Makefile runs. Where its output is no terminal it is plain.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import click

from qmail.operator import inst_check as guide_check
from qmail.operator import instcheck
from qmail.operator.places import Places, SetupError
from qmail.operator.runtime import SOURCE, VERSION

LINES = 5
MULTILOG = re.compile(rb"multilog\b.*\s(/\S+)\s*$", re.MULTILINE)
TAIL_BYTES = 64 * 1024


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def pyqmail(context: click.Context) -> None:
    """Look after a mail server: pyqmail status says how it is."""
    context.ensure_object(Places)


@pyqmail.command()
@click.option("-n", "--lines", default=LINES, show_default=True, help="of each log")
@click.pass_obj
def status(places: Places, lines: int) -> None:
    """Show the services, the queue, and the end of every log.

    Exits 1 if a service is not up.
    """
    if os.geteuid() != 0 and not places.is_trial:
        raise click.ClickException("must be run by root\n...try: sudo pyqmail status")
    services = services_of(places)
    if not services:
        raise click.ClickException(
            f"no services in {places.service}\n...try: package/install, then the guide"
        )
    names = [name for one in services for name in with_log(places, one)]
    svstat = output([f"{places.local_bin}/svstat", *names], cwd=places.service)
    up = True
    for line in svstat.splitlines():
        is_up = ": up (pid " in line
        up = up and is_up
        click.secho(line, fg="green" if is_up else "red")
    click.echo()
    click.echo(output([f"{places.home}/bin/qmail-qstat"]), nl=False)
    for service in services:
        if (log := log_of(places, service)) is not None:
            show_log(places, service, log, lines)
    if not up:
        raise click.exceptions.Exit(1)


def services_of(places: Places) -> list[str]:
    """The names in the scan directory, as svscan sees them."""
    try:
        names = os.listdir(places.service)
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def with_log(places: Places, service: str) -> list[str]:
    """A service, and its log service if it has one."""
    log = f"{service}/log"
    return [service, log] if os.path.isdir(f"{places.service}/{log}") else [service]


def log_of(places: Places, service: str) -> str | None:
    """The directory that the log service's run script gives to multilog."""
    try:
        script = Path(places.service, service, "log/run").read_bytes()
    except OSError:
        return None
    found = MULTILOG.search(script)
    return os.fsdecode(found[1]) if found else None


def show_log(places: Places, service: str, log: str, count: int) -> None:
    """The last lines of a log, with times as people read them."""
    click.echo()
    click.secho(f"{service} ({log}):", bold=True)
    try:
        text = tail(f"{log}/current")
    except OSError as error:
        click.echo(f"  unable to read {log}/current: {error.strerror}")
        return
    last = b"".join(text.splitlines(True)[-count:] if count > 0 else ())
    for line in output([f"{places.local_bin}/tai64nlocal"], last).split("\n"):
        if line:
            click.echo(f"  {printable(line)}")


def tail(path: str) -> bytes:
    """The end of a log. OSError.

    SECURITY: the directory is qmaill's, who may put there a FIFO to hang on, or a link.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:
        now = os.fstat(file.fileno())
        if not stat.S_ISREG(now.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        file.seek(max(now.st_size - TAIL_BYTES, 0))
        return file.read(TAIL_BYTES)


def printable(line: str) -> str:
    """What a terminal shows as it is; SMTP clients have a say in log lines."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)


def output(command: list[str], stdin: bytes = b"", cwd: str = "/") -> str:
    """What a program of ours prints; its complaint ends this one."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=cwd, check=False
        )
    except OSError as error:
        raise click.ClickException(
            f"unable to run {command[0]}: {error.strerror}"
        ) from None
    if done.returncode != 0:
        raise click.ClickException(os.fsdecode(done.stderr.strip()))
    return done.stdout.decode("utf-8", "backslashreplace")


@pyqmail.command()
@click.pass_obj
def check(places: Places) -> None:
    """Compare the installation with what setup makes (instcheck).

    Exits 1 if something differs.
    """
    try:
        found = instcheck.report(places)
    except (SetupError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if found:
        raise click.exceptions.Exit(1)
    click.echo("The installation is as setup makes it.")


@pyqmail.command()
@click.pass_obj
def inst_check(places: Places) -> None:
    """Compare the installation with the guide, and say what mends it."""
    if places.is_trial:
        raise click.ClickException(
            "this is a trial instance, which does not follow the guide\n"
            "...try: pyqmail check"
        )
    raise click.exceptions.Exit(guide_check.main(["inst_check", places.home]))


@pyqmail.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run a trial instance: make run, in a checkout. Options: --once --port --remote."""
    from_checkout("qmail.operator.trial", arguments)


@pyqmail.command()
def setup() -> None:
    """Install, or bring the installation up to date: make setup, in a checkout."""
    from_checkout("qmail.operator.setup", ())


def from_checkout(module: str, arguments: tuple[str, ...]) -> None:
    """Become a program of the checkout, started as its Makefile starts it."""
    script = SOURCE / "package/python"
    if not script.exists():
        raise click.ClickException(
            "this needs the source; an installation does not hold it\n"
            "...try: the same in a checkout, make run or make setup"
        )
    os.chdir(SOURCE)
    sys.stdout.flush()
    os.execv("/bin/sh", ["sh", str(script), "-m", module, *arguments])


@pyqmail.command()
@click.pass_obj
def version(places: Places) -> None:
    """Show the version, and what belongs to it."""
    click.echo(f"pyqmail {VERSION}")
    click.echo(f"home     {places.home}")
    click.echo(f"code     {SOURCE}")
    click.echo(f"python   {sys.executable} {sys.version.split()[0]}")


def main(words: list[str], home: str) -> int:
    """Run with the exit codes of this house; click's own are for its own errors."""
    try:
        code = pyqmail.main(
            words, "pyqmail", standalone_mode=False, obj=Places.of_home(home)
        )
    except click.UsageError as error:
        error.show()
        return 100
    except click.ClickException as error:
        click.echo(f"pyqmail: fatal: {error.format_message()}", err=True)
        return 111
    except click.Abort:
        return 111
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 111
    sys.stdout.flush()
    return code if isinstance(code, int) else 0
