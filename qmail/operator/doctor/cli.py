"""``pyqmail doctor``."""

from __future__ import annotations

import click

from qmail.operator.doctor import __main__ as program
from qmail.operator.places import Places


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print a list of findings")
@click.pass_obj
def doctor(places: Places, as_json: bool) -> None:
    """Find the mistakes that one can make with the guide; say what mends each.

    Exits 1 if something was found, 111 if nothing was, but not all was looked at.
    """
    raise click.exceptions.Exit(program.run(places, as_json))
