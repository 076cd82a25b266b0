"""The operator's command ``pyqmail``: how is it going, is all as it should be.

It shows what svstat, qmail-qstat and tai64nlocal say, and runs what the checkout's
Makefile runs. Where its output is no terminal it is plain.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import click

from qmail.operator import cli_queue, cli_services, instcheck, overview
from qmail.operator import inst_check as guide_check
from qmail.operator.doctor.cli import doctor
from qmail.operator.overview import Service
from qmail.operator.places import Places, SetupError
from qmail.operator.runtime import SOURCE, VERSION

LINES = 8
"""Of the logs, at least."""
OTHER_LINES = 6
"""Of the screen: the heading, two of the queue, two blank, and the next prompt."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def pyqmail(context: click.Context) -> None:
    """Look after a mail server: pyqmail status says how it is."""
    context.ensure_object(Places)


pyqmail.add_command(cli_queue.queue)
pyqmail.add_command(cli_services.service)
pyqmail.add_command(doctor)


@pyqmail.command()
@click.option("-n", "--lines", type=int, help="of the logs; else what the screen holds")
@click.pass_obj
def status(places: Places, lines: int | None) -> None:
    """Show the services, the queue, and the recent lines of all logs.

    Exits 1 if a service is not up.
    """
    if os.geteuid() != 0 and not places.is_trial:
        raise click.ClickException("must be run by root\n...try: sudo pyqmail status")
    services = services_of(places)
    if not services:
        raise click.ClickException(
            f"no services in {places.service}\n...try: package/install, then the guide"
        )
    heading, *rows = overview.table(services)
    click.secho(heading[0], bold=True)
    for line, is_well in rows:
        click.secho(line, fg="green" if is_well else "red")
    click.echo()
    click.echo(output([f"{places.home}/bin/qmail-qstat"]), nl=False)
    if lines is None:
        above = len(rows) + OTHER_LINES
        lines = max(shutil.get_terminal_size().lines - above, LINES)
    show_logs(places, [one.name for one in services], lines)
    if not all(one.is_up for one in services):
        raise click.exceptions.Exit(1)


def services_of(places: Places) -> list[Service]:
    """The services in the scan directory, as svscan sees it, and how they are."""
    try:
        listed = sorted(os.listdir(places.service))
    except OSError:
        return []
    names = [n for n in listed if os.path.isdir(f"{places.service}/{n}")]
    names = [name for name in names if not name.startswith(".")]
    logs = [f"{n}/log" for n in names if os.path.isdir(f"{places.service}/{n}/log")]
    if not names:
        return []
    command = [f"{places.local_bin}/svstat", "--json", *names, *logs]
    said = output(command, cwd=places.service, statuses=(0, 100, 111))
    states = [json.loads(line) for line in said.splitlines()]
    of_logs = dict(zip(logs, states[len(names) :], strict=True))
    return [
        Service(name, state, of_logs.get(f"{name}/log"))
        for name, state in zip(names, states, strict=False)
    ]


def show_logs(places: Places, services: list[str], count: int) -> None:
    """The last lines of all logs together, with times as people read them."""
    logs: list[tuple[str, bytes]] = []
    complaints: list[str] = []
    for service in services:
        directory = overview.log_of(places, service)
        if directory is None:
            continue
        try:
            logs.append((service, overview.tail(f"{directory}/current")))
        except OSError as error:
            complaints.append(f"unable to read {directory}/current: {error.strerror}")
    click.echo()
    width = max((len(service) for service, _ in logs), default=0)
    for line in overview.recent(logs, count):
        click.secho(overview.when(line.time), dim=True, nl=False)
        click.echo(f" {line.service:{width}} {line.text}")
    for complaint in complaints:
        click.secho(complaint, fg="red")


def output(command: list[str], cwd: str = "/", statuses: tuple[int, ...] = (0,)) -> str:
    """What a program of ours prints; another exit status than these ends this one."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd, check=False
        )
    except OSError as error:
        raise click.ClickException(
            f"unable to run {command[0]}: {error.strerror}"
        ) from None
    if done.returncode not in statuses:
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
    except PermissionError as error:
        raise click.ClickException(
            f"{error.filename} cannot be looked at\n...try: sudo pyqmail check"
        ) from None
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
