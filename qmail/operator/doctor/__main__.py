"""``make doctor``, in a checkout, and the words of ``pyqmail doctor``.

Without the libraries of the runtime: one of the findings is that they are gone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator

from qmail.operator.doctor.checks import Report, examine
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine
from qmail.operator.places import HOME, Places

RED, DIM, PLAIN = "\033[31m", "\033[2m", "\033[0m"
AS_ROOT = "sudo pyqmail doctor"
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
    """Look, and say it; 0 if nothing was found, 1 if something, 111 if nothing was found
    but not all was looked at."""
    if places.is_trial:
        print("doctor: fatal: this is a trial instance", file=sys.stderr)
        print("...try: pyqmail check", file=sys.stderr)
        return TROUBLE
    machine = Machine(places)
    report = examine(machine)
    if as_json:
        findings = [*report.findings, *not_looked_at(report)]
        print(json.dumps([one.as_dict() for one in findings], indent=2))
    else:
        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for finding in report.findings:
            print(shown(finding, is_coloured))
    sys.stdout.flush()
    return verdict(report, as_json)


def not_looked_at(report: Report) -> Iterator[Finding]:
    """For --json: the checks that were not made, or not to their end."""
    if report.for_root:
        yield Finding(
            "not-looked-at", f"not root: {', '.join(report.for_root)}", AS_ROOT
        )
    for failure in report.failures:
        yield Finding("not-looked-at", f"unable to check {failure}", AS_ROOT)


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
        print(f"...try: {AS_ROOT}", file=sys.stderr)
    for failure in report.failures:
        print(f"doctor: warning: unable to check {failure}", file=sys.stderr)
    if report.findings:
        return FOUND
    is_all = not report.for_root and not report.failures
    if not as_json:
        where = "" if is_all else " in what it could look at"
        print(f"The doctor finds nothing wrong{where}.")
    return 0 if is_all else TROUBLE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
