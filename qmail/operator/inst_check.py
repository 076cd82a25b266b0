"""``sh inst_check``: does an installation follow the guide? And if not, what mends it?

Each finding is two lines, ``! what is wrong`` and ``...try: what to do``. The checks are
the doctor's, those of them that are about the guide's own steps.
"""

from __future__ import annotations

import sys

from qmail.operator.doctor.checks import CHECKS, examine
from qmail.operator.doctor.machine import Machine
from qmail.operator.overview import printable
from qmail.operator.places import HOME, Places

OPERATORS_WISH = frozenset({"service-stopped", "service-paused"})
"""A service that the operator has taken down (svc -d) is meant to be down."""


def main(argv: list[str]) -> int:
    """``inst_check [home]``; exit 0 if all is well, 1 if something was found."""
    machine = Machine(Places(home=argv[1] if len(argv) > 1 else HOME))
    report = examine(machine, tuple(check for check in CHECKS if check.of_guide))
    found = [f for f in report.findings if f.code not in OPERATORS_WISH]
    for finding in found:
        print(f"! {printable(finding.what)}")
        print(f"...try: {printable(finding.remedy)}")
    if report.for_root:
        print(f"! not looked at: {', '.join(report.for_root)}")
        print("...try: be root: su")
    for failure in report.failures:
        print(f"inst_check: warning: unable to check {failure}", file=sys.stderr)
    if found or report.for_root or report.failures:
        return 1
    print("Congratulations, your Qmail installation looks good!")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
