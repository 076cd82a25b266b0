"""What the installer says when something is in its way; nothing is installed then."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.guide.server import SOURCE, WHEELS, GuideServer

NO_NETWORK_SECONDS = 300


def setup(
    server: GuideServer, as_user: str = "root", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run make setup; it must fail, with one error, a hint, and no trace."""
    command = f"cd {SOURCE} && umask 022 && make --no-print-directory setup"
    if as_user != "root":
        command = f"su {as_user} -s /bin/sh -c '{command}'"
    done = server.run(
        command,
        check=False,
        seconds=NO_NETWORK_SECONDS,
        env={"PIP_RETRIES": "0", **env},
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert re.search(r"^make: \*\*\* .*Error 111$", done.stderr, re.MULTILINE), (
        done.stderr
    )
    assert done.stderr.count("fatal: ") == 1, done.stderr
    assert done.stdout == ""
    return done


@pytest.fixture(scope="module")
def fresh() -> Iterator[GuideServer]:
    """A machine with the source; no user, no program."""
    server = GuideServer()
    try:
        server.unpack()
        yield server
    finally:
        server.close()


@pytest.fixture
def bare(fresh: GuideServer) -> GuideServer:
    """The machine without the users."""
    if fresh.run("id alias", check=False).returncode == 0:
        remove_users(fresh)
    return fresh


@pytest.fixture
def peopled(fresh: GuideServer) -> Iterator[GuideServer]:
    """The machine with the users; every test on it fails to install anything."""
    if fresh.run("id alias", check=False).returncode != 0:
        fresh.create_users()
    yield fresh
    left = fresh.run("ls -A /usr/local/lib/pyqmail 2>/dev/null", check=False).stdout
    assert left == ""
    fresh.run("ls /command /var/qmail/bin/qmail-send && false || true")
    assert not fresh.path("/var/qmail/bin/qmail-send").exists()
    assert not fresh.path("/usr/local/bin/tcpserver").exists()


def remove_users(server: GuideServer) -> None:
    """Take the users of INSTALL.ids away again."""
    server.run(
        "for u in alias qmaild qmaill qmailp qmailq qmailr qmails; do userdel $u; done;"
        " groupdel qmail; groupdel nofiles",
        check=False,
    )


def test_setup_by_another_than_root_says_so(peopled: GuideServer) -> None:
    done = setup(peopled, as_user="nobody")
    assert "setup: fatal: must be run by root\n" in done.stderr
    assert "...try: " in done.stderr


def test_setup_without_the_users_names_them_and_install_ids(bare: GuideServer) -> None:
    done = setup(bare)
    for name in ("alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails"):
        assert f"no user {name}" in done.stderr
    assert "no group nofiles" in done.stderr
    assert "INSTALL.ids" in done.stderr


def test_setup_with_one_user_missing_names_that_one(peopled: GuideServer) -> None:
    peopled.run("userdel qmailr")
    try:
        done = setup(peopled)
    finally:
        remove_users(peopled)
    assert "setup: fatal: no user qmailr on this machine\n" in done.stderr


def test_setup_with_an_interpreter_below_root_refuses_it(peopled: GuideServer) -> None:
    peopled.run(
        "mkdir -p /root/py && chmod 700 /root"
        " && cp $(readlink -f /usr/bin/python3) /root/py/python3"
    )
    try:
        done = setup(peopled, PYTHON="/root/py/python3")
    finally:
        peopled.run("rm -r /root/py")
    assert "other users cannot use /root\n" in done.stderr
    assert "PYTHON=/usr/bin/python3" in done.stderr


def test_setup_with_no_usable_interpreter_at_all_says_so(peopled: GuideServer) -> None:
    hide = "for f in /usr/bin/python3*; do chmod o-x $(readlink -f $f); done"
    peopled.run(hide)
    try:
        done = setup(peopled)
    finally:
        peopled.run(hide.replace("o-x", "o+x"))
    assert "no Python 3.11 or later that every user can execute" in done.stderr
    assert "...try: " in done.stderr


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_setup_without_the_venv_module_names_the_package(
    peopled: GuideServer, module: str
) -> None:
    place = peopled.run(
        "python3 -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))'"
    ).stdout.strip()
    peopled.run(f"mv {place}/{module} {place}/{module}.away")
    try:
        done = setup(peopled, WHEELS=str(WHEELS))
    finally:
        peopled.run(f"mv {place}/{module}.away {place}/{module}")
    assert "no working venv module\n" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


def test_setup_with_empty_wheels_says_where_they_come_from(
    peopled: GuideServer,
) -> None:
    peopled.run("mkdir -p /tmp/empty")
    done = setup(peopled, WHEELS="/tmp/empty")
    assert "unable to install the libraries from /tmp/empty: " in done.stderr
    assert "WHEELS=DIRECTORY" in done.stderr


def test_setup_without_a_network_says_so(peopled: GuideServer) -> None:
    done = setup(peopled)
    assert "unable to install the libraries from the package index: " in done.stderr
    assert "WHEELS=DIRECTORY" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [("ro", "Read-only file system"), ("nr_inodes=8", "No space left on device")],
    ids=["read-only", "full"],
)
@pytest.mark.parametrize("place", ["/var/qmail", "/usr/local/lib/pyqmail"])
def test_setup_on_a_file_system_that_takes_nothing_names_it(
    peopled: GuideServer, place: str, options: str, words: str
) -> None:
    peopled.run(f"mkdir -p {place} && mount -t tmpfs -o {options} tmpfs {place}")
    try:
        done = setup(peopled, WHEELS=str(WHEELS))
    finally:
        peopled.run(f"umount {place}")
    assert place in done.stderr
    assert words in done.stderr


def test_package_install_before_setup_says_what_to_do(peopled: GuideServer) -> None:
    done = peopled.run(f"cd {SOURCE} && package/install", check=False)
    assert done.returncode == 111
    assert "package/install: fatal: no /command/svscanboot\n" in done.stderr
    assert "make setup check" in done.stderr
    assert not peopled.path("/service").exists()
