"""Write the table of control files into qmail-control(5).

``python -m qmail.operator.controlpage``, in a checkout: what stands between the two
marks of the page is made anew from qmail.control.table, which qmail-showctl prints from.
"""

from __future__ import annotations

import sys

from qmail.control.table import ME, OF_SCRIPTS, TABLE, ControlFile
from qmail.operator.runtime import SOURCE

PAGE = SOURCE / "man/man5/qmail-control.5"
BEGIN = '.\\" Begin of what qmail.operator.controlpage writes.\n'
END = '.\\" End of it.\n'
HEADING = ("File", "Default", "Used by", "Purpose")
WIDTHS = (20, 14, 13)
LONGEST = 25
"""A purpose, so that a line fits a terminal of 80 characters, with the page's indent."""


def main(argv: list[str]) -> int:
    """Rewrite the page, if it is not as it should be."""
    text = PAGE.read_text()
    new = updated(text)
    if new != text:
        PAGE.write_text(new)
        print(f"Wrote {PAGE}.")
    return 0


def updated(page: str) -> str:
    """The page with the table as it should be."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost its marks")
    return before + begin + section() + end + after


def section() -> str:
    """The table of the guide's files, and one of ours if there are any."""
    files = sorted((*TABLE, *OF_SCRIPTS), key=lambda file: file.name)
    text = table([file for file in files if not file.is_ours])
    ours = [file for file in files if file.is_ours]
    if ours:
        text += "These are unknown to the originals:\n" + table(ours)
    return text


def table(files: list[ControlFile]) -> str:
    """One table, as it is printed."""
    rows = [HEADING, *(row(file) for file in files)]
    return ".Bd -literal\n" + "".join(map(line, rows)) + ".Ed\n.Pp\n"


def row(file: ControlFile) -> tuple[str, str, str, str]:
    """The cells of a file."""
    # qmail-showctl has stronger words for a server without a name.
    default = "none" if file.name == ME else file.default
    return file.name, default, file.used_by, file.purpose


def line(cells: tuple[str, str, str, str]) -> str:
    """The cells below each other, with the escapes of roff."""
    padded = [cell.ljust(width) for cell, width in zip(cells[:3], WIDTHS, strict=True)]
    return "".join([*padded, cells[3]]).replace("\\", "\\e").replace("-", "\\-") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv))
