"""The virtual environment that ``make test`` runs in: our dependencies and the tests'."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

from qmail.operator.runtime import SOURCE


def main(argv: list[str]) -> int:
    """``devenv DIRECTORY``: make or update it; $WHEELS as for make setup."""
    directory = argv[1]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "venv", directory],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"make: fatal: {sys.executable} has no venv module", file=sys.stderr)
        print("...try: apt-get install python3-venv", file=sys.stderr)
        return 111
    with open(SOURCE / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    command = [f"{directory}/bin/python", "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check"]
    if "WHEELS" in os.environ:
        command += ["--no-index", "--find-links", os.environ["WHEELS"]]
    return subprocess.run([*command, *wanted], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv))
