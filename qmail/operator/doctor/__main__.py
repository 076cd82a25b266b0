"""``make doctor``, in a checkout, and the words of ``pyqmail doctor``.

Without the libraries of the runtime: one of the findings is that they are gone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from qmail.operator.doctor.checks import Report, examine
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine
from qmail.operator.places import HOME, Places

RED, DIM, PLAIN = "\033[31m", "\033[2m", "\033[0m"
FOUND, USAGE, TROUBLE = 1, 100, 111


def main(argv: list[str]) -> int:
    """``doctor [--json] [home]``."""
    parser = argparse.ArgumentParser("doctor", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="a list of findings")
    parser.add_argument("home", nargs="?", default=os.environ.get("QMAIL_HOME", HOME))
    try:
        options = parser.parse_args(argv[1:])
    except SystemExit as end:
        return USAGE if end.code else 0
    return run(Places(options.home, os.environ.get("PREFIX", "")), as_json=options.json)


def run(places: Places, as_json: bool) -> int:
    """Look, and say it; 0 if nothing was found, 1 if something, 111 on trouble."""
    if places.is_trial:
        print("doctor: fatal: this is a trial instance", file=sys.stderr)
        print("...try: pyqmail check", file=sys.stderr)
        return TROUBLE
    machine = Machine(places)
    report = examine(machine)
    if as_json:
        print(json.dumps([one.as_dict() for one in report.findings], indent=2))
    else:
        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for finding in report.findings:
            print(shown(finding, is_coloured))
    sys.stdout.flush()
    return verdict(report, as_json)


def shown(finding: Finding, is_coloured: bool) -> str:
    """Three lines: what, why, and the command."""
    red, dim, plain = (RED, DIM, PLAIN) if is_coloured else ("", "", "")
    one = finding.as_dict()
    return (
        f"{red}! {one['what']}{plain} {dim}[{one['code']}]{plain}\n"
        f"  {one['why']}\n"
        f"...try: {one['try']}"
    )


def verdict(report: Report, as_json: bool) -> int:
    """What could not be looked at, and the exit status."""
    if report.for_root:
        names = ", ".join(report.for_root)
        print(f"doctor: not root, so not looked at: {names}", file=sys.stderr)
        print("...try: sudo pyqmail doctor", file=sys.stderr)
    for failure in report.failures:
        print(f"doctor: warning: unable to check {failure}", file=sys.stderr)
    if report.findings:
        return FOUND
    if report.failures:
        return TROUBLE
    if not as_json:
        print("The doctor finds nothing wrong.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
