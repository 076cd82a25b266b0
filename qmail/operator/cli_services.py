"""``pyqmail service``: which service directories there are, adding and removing one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from qmail.operator import servicedirs, templates
from qmail.operator.places import Places, SetupError
from qmail.operator.servicedirs import ServiceError

QUESTIONS = {
    "address": "IP address to listen on; 0 is every IPv4 address of the machine",
    "port": "to listen on, a number or a name",
    "concurrency": "connections at once",
    "memory": "bytes that a connection may use",
    "rules": "cdb of tcprules that says who may come",
    "checkpassword": "program that checks a password and becomes the user",
}


@contextmanager
def complaints() -> Iterator[None]:
    """What hinders a command becomes one line and status 111."""
    try:
        yield
    except (ServiceError, SetupError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        where = f" {os.fsdecode(error.filename)}" if error.filename else ""
        what = (error.strerror or str(error)).lower()
        raise click.ClickException(f"unable to do it:{where}: {what}") from None


Command = Callable[..., None]


def asking(command: Command) -> Command:
    """The command with an option for each question that templates ask."""
    for question, text in reversed(QUESTIONS.items()):
        command = click.option(f"--{question}", help=text)(command)
    return command


@click.group()
def service() -> None:
    """Add service directories, and remove services."""


@service.command("list")
@click.pass_obj
def list_templates(places: Places) -> None:
    """Show the templates, what each asks, and which are in the scan directory."""
    for name in servicedirs.names():
        linked = os.path.lexists(f"{places.service}/{name}")
        click.secho(name, bold=True, nl=False)
        click.echo(" (linked)" if linked else "")
        if about := servicedirs.about(name):
            click.echo(f"    {about}")
        for question, answer in servicedirs.questions(name).items():
            click.echo(f"    --{question}={answer}")


@service.command()
@click.argument("template")
@click.option("--as", "name", help="name of the service, if not the template's")
@click.option("--link", is_flag=True, help="have svscan start it now")
@asking
@click.pass_obj
def add(
    places: Places,
    /,
    template: str,
    name: str | None,
    link: bool,
    **given: str | None,
) -> None:
    """Copy the template to the qmail home's supervise directory, ready to link."""
    name = name or template
    answers = {key: value for key, value in given.items() if value is not None}
    with complaints():
        must_be_root()
        directory, kept = servicedirs.add(places, template, name, answers, to_link=link)
        for path in kept:
            click.echo(f"{path} exists; left as it is.")
        if kept and answers:
            raise ServiceError(
                f"the answers are not used\n...try: edit {directory}/run"
            )
        if link:
            click.echo(f"Linked {servicedirs.link(places, name)}.")
            return
        run = Path(directory, "run").read_text(errors="surrogateescape")
        if rules := servicedirs.missing_rules(directory, run):
            click.echo(f"There is {servicedirs.advice(rules)}")
        if len(kept) < len(templates.RUN_FILES):
            click.echo(f"Made {directory}.")
        click.echo(f"...to start it: ln -s {directory} {places.service}")


@service.command()
@click.argument("name")
@click.pass_obj
def remove(places: Places, name: str) -> None:
    """End a service and take its link away; its directory and its log stay."""
    with complaints():
        must_be_root()
        servicedirs.remove(places, name)
    click.echo(f"{name} is no service any more; its directory and its log stay.")


def must_be_root() -> None:
    """ServiceError for others: svscan runs services as root."""
    if os.geteuid() != 0:
        raise ServiceError("must be run by root\n...try: sudo pyqmail service")
