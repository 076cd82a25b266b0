"""package/python: what root's own directory may not decide."""

from __future__ import annotations

import subprocess
from pathlib import Path

from qmail.operator.runtime import SOURCE


def test_code_in_the_current_directory_is_not_imported(tmp_path: Path) -> None:
    trap = tmp_path / "qmail"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise SystemExit(77)\n")
    done = subprocess.run(
        ["sh", f"{SOURCE}/config-fast"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (100, "")
    assert done.stderr == "config-fast: usage: config-fast the.full.hostname\n"
