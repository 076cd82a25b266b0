"""Every row of the table of differences belongs to a case of an oracle table."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.interop.differences import DIFFERENCES
from tests.interop.oracle import Case


def case_names() -> set[str]:
    """The names of the cases of all tables."""
    names = set()
    for file in Path(__file__).parent.glob("test_*_oracle.py"):
        module = importlib.import_module(f"tests.interop.{file.stem}")
        for table in vars(module).values():
            if isinstance(table, list | tuple):
                names |= {str(case) for case in table if isinstance(case, Case)}
            elif isinstance(table, dict):
                # A table of another form: what is compared, by its name.
                names |= {name for name in table if isinstance(name, str)}
    return names


def test_every_difference_names_a_case_and_a_reason() -> None:
    known = case_names()
    assert known
    unknown = [key for key in DIFFERENCES if key[1] not in known]
    assert unknown == []
    assert all(len(reason) > 10 for reason in DIFFERENCES.values())
