"""The guide from its first command: the three tarballs, unpacked and installed as printed.

Every line in ``PRINTED`` is the guide's, in its order, typed into the shell that its
``su`` starts; what the guide says in words (edit, then run) is done between the blocks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail.operator.tarballs import TREES
from tests.conftest import CHECKOUT, cannot_run
from tests.guide.server import GUIDE, HOST, SOURCE, WHEELS, GuideServer, user_commands

UNPACK = """\
umask 022
mkdir -p /usr/local/src
mv netqmail-1.06.tar.gz ucspi-tcp-0.88.tar.gz /usr/local/src
mkdir -p /package
mv daemontools-0.76.tar.gz /package
chmod 1755 /package
cd /usr/local/src
gunzip netqmail-1.06.tar.gz
tar xpf netqmail-1.06.tar
gunzip ucspi-tcp-0.88.tar.gz
tar xpf ucspi-tcp-0.88.tar
rm *.tar # optional, unless space is very tight
cd /package
gunzip daemontools-0.76.tar.gz
tar xpf daemontools-0.76.tar
rm *.tar # optional, again
mkdir /var/qmail
cd /usr/local/src/netqmail-1.06
cp INSTALL.ids IDS
"""
USERS = """\
chmod 700 IDS
./IDS
"""
BUILD = """\
cd /usr/local/src/netqmail-1.06
make setup check
"""
CONFIG = "./config\n"
CONFIG_FAST = "./config-fast foobar.example.com\n"
UCSPI = """\
cd /usr/local/src/ucspi-tcp-0.88
patch < /usr/local/src/netqmail-1.06/other-patches/ucspi-tcp-0.88.errno.patch
make
make setup check
"""
DAEMONTOOLS = """\
cd /package/admin/daemontools-0.76
cd src
patch < /usr/local/src/netqmail-1.06/other-patches/daemontools-0.76.errno.patch
cd ..
package/install
"""
PRINTED = "su\n" + UNPACK + USERS + BUILD + CONFIG + CONFIG_FAST + UCSPI + DAEMONTOOLS
DIGEST = "383cfbbbdb99702b"

DOWNLOADED = "/root/downloaded"
UCSPI_TREE = "/usr/local/src/ucspi-tcp-0.88"
DAEMONTOOLS_TREE = "/package/admin/daemontools-0.76"
MAKE = "make --no-print-directory"


def type_in(
    server: GuideServer, lines: str, directory: str = "/"
) -> subprocess.CompletedProcess[str]:
    """Type lines into the shell of the guide's ``su``; the first that fails ends it."""
    return server.run(
        f"cd {directory} && exec su",
        stdin=f"set -e\n{lines}",
        env={"WHEELS": str(WHEELS), "MAKEFLAGS": "--no-print-directory"},
        seconds=300,
    )


def installed_files(server: GuideServer) -> str:
    """Every program with its time stamps and inode: what a second setup leaves alone."""
    return server.run(
        "ls -li --time-style=full-iso /command /usr/local/bin /var/qmail/bin;"
        " ls -l --time-style=full-iso /service /package/admin; pgrep -x svscan",
        check=False,
    ).stdout


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make tarballs`` writes."""
    if shutil.which("patch") is None:
        cannot_run("needs the Debian package patch")
    place = tmp_path_factory.mktemp("tarballs")
    subprocess.run(
        ["sh", "package/python", "-m", "qmail.operator.tarballs", str(place)],
        cwd=CHECKOUT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return place


def download(server: GuideServer, tarballs: Path) -> None:
    """Have the tarballs in a directory of root's."""
    server.run(f"mkdir -p {DOWNLOADED}")
    for tree in TREES:
        name = f"{tree.name}.tar.gz"
        server.root.write(f"{DOWNLOADED}/{name}", (tarballs / name).read_bytes())


@pytest.fixture(scope="module")
def unpacked(tarballs: Path) -> Iterator[GuideServer]:
    """A bare machine on which the guide was followed as far as IDS."""
    server = GuideServer()
    try:
        download(server, tarballs)
        # Whoever extracts with a umask of his own still gets the modes of the tarball.
        type_in(server, UNPACK, DOWNLOADED)
        server.root.write(f"{SOURCE}/IDS", user_commands())
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def followed(unpacked: GuideServer) -> GuideServer:
    """The machine after the guide's "Install daemontools"."""
    server = unpacked
    type_in(server, USERS, SOURCE)
    done = type_in(server, BUILD)
    assert (done.stdout, done.stderr) == ("", "")
    done = server.run(f"cd {SOURCE} && ./config", check=False)
    # A system's own resolver may know the name of the machine even here.
    assert done.returncode == 0 or "try: ./config-fast " in done.stdout
    type_in(server, CONFIG_FAST, SOURCE)
    before = installed_files(server)
    done = type_in(server, UCSPI)
    assert (done.stdout, done.stderr) == ("patching file error.h\n", "")
    assert installed_files(server) == before
    done = type_in(server, DAEMONTOOLS)
    assert done.stdout.startswith("patching file error.h\n")
    assert "Making /service...\n" in done.stdout
    assert done.stderr == ""
    # With its services: a child of svscan is another svscan for a moment.
    server.wait_up("qmail-queued", "qmail-queued/log")
    return server


def test_these_are_the_commands_of_the_guide() -> None:
    # Found to be the guide's, where it is at hand; elsewhere: unchanged since then.
    assert hashlib.sha256(PRINTED.encode()).hexdigest()[:16] == DIGEST
    if GUIDE.is_dir():
        text = (GUIDE / "guide.txt").read_text()
        text = text.split("Unpack the distribution\n")[1].split("\nStart Qmail\n")[0]
        lines = iter(text.splitlines())
        for printed in PRINTED.splitlines():
            assert printed in lines, printed


def test_tarballs_unpack_to_the_directories_that_the_guide_names(
    unpacked: GuideServer,
) -> None:
    listing = unpacked.run(
        f"stat -c '%U:%G %a %n' {SOURCE} {UCSPI_TREE} {DAEMONTOOLS_TREE} /package"
        f" {DAEMONTOOLS_TREE}/package/install {SOURCE}/config {SOURCE}/Makefile"
    ).stdout
    assert listing == (
        f"root:root 755 {SOURCE}\nroot:root 755 {UCSPI_TREE}\n"
        f"root:root 755 {DAEMONTOOLS_TREE}\nroot:root 1755 /package\n"
        f"root:root 755 {DAEMONTOOLS_TREE}/package/install\n"
        f"root:root 755 {SOURCE}/config\nroot:root 644 {SOURCE}/Makefile\n"
    )
    assert not unpacked.run(
        "ls /usr/local/src/*.tar* /package/*.tar*", check=False
    ).stdout


def test_the_guide_from_its_first_command_delivers_a_message(
    followed: GuideServer,
) -> None:
    server = followed
    server.start_qmail()
    server.finish()
    server.wait_up()
    server.wait_port()
    # As printed, defaultdelivery says ./Maildir, and that is an mbox.
    server.add_user("dave", maildir=False)
    server.run(
        "/var/qmail/bin/qmail-inject dave", stdin="Subject: from the first\n\nhello\n"
    )
    box = server.path("/home/dave/Maildir")
    server.until(lambda: box.exists() and box.stat().st_size, "a message in the mbox")
    server.until(server.queue_is_empty, "an empty queue")
    assert "\nSubject: from the first\n" in box.read_text()
    assert f"for dave@{HOST}" not in box.read_text()
    assert f"\nDelivered-To: dave@{HOST}\n" in box.read_text()


def test_every_step_again_changes_nothing(followed: GuideServer) -> None:
    server = followed
    before = installed_files(server)
    for name, tree in (("ucspi-tcp", UCSPI_TREE), ("daemontools", DAEMONTOOLS_TREE)):
        patch = f"{SOURCE}/other-patches/{name}-0.{'88' if 'u' in name[:1] else '76'}"
        where = f"{tree}/src" if name == "daemontools" else tree
        again = server.run(f"cd {where} && patch < {patch}.errno.patch", check=False)
        assert "previously applied" in again.stdout
    done = type_in(server, "make\nmake setup check\n", UCSPI_TREE)
    assert (done.stdout, done.stderr) == ("", "")
    done = type_in(server, "package/install\n", DAEMONTOOLS_TREE)
    assert "svscan is running already" in done.stdout
    assert installed_files(server) == before
    done = type_in(server, BUILD)
    assert (done.stdout, done.stderr) == ("", "")


def test_daemontools_has_the_names_of_a_package(followed: GuideServer) -> None:
    run = followed.run
    assert run("readlink /package/admin/daemontools").stdout == "daemontools-0.76\n"
    here = "/package/admin/daemontools/command/svok"
    assert run(f"{here} /service/qmail-queued", check=False).returncode == 0


def test_the_other_order_without_users_or_qmail(
    followed: GuideServer, tarballs: Path
) -> None:
    runtimes = "/usr/local/lib/pyqmail"
    server = GuideServer()
    try:
        download(server, tarballs)
        server.root.run("mkdir -p /usr/local/lib")
        # The libraries need not be installed twice to see this.
        shutil.copytree(followed.path(runtimes), server.path(runtimes), symlinks=True)
        type_in(server, UNPACK, DOWNLOADED)
        out = type_in(server, DAEMONTOOLS).stdout
        assert "Making /service...\n" in out
        server.until(
            lambda: server.run("pgrep -x svscan", check=False).stdout, "svscan"
        )
        assert not server.path("/usr/local/bin/tcpserver").exists()
        done = type_in(server, UCSPI)
        assert done.stderr == ""
        assert server.run("tcprulescheck 2>&1", check=False).returncode == 100
        assert not os.listdir(server.path("/var/qmail"))
        before = server.run("ls -i /command /usr/local/bin").stdout
        assert "tcprulescheck" in before
        server.root.write(f"{SOURCE}/IDS", user_commands())
        type_in(server, USERS, SOURCE)
        done = type_in(server, BUILD)
        assert (done.stdout, done.stderr) == ("", "")
        server.wait_up("qmail-queued")
    finally:
        server.close()


def test_a_part_by_another_than_root_is_refused(followed: GuideServer) -> None:
    command = f"cd {UCSPI_TREE} && {MAKE} setup"
    done = followed.run(f"su nobody -s /bin/sh -c '{command}'", check=False)
    assert "ucspi-tcp: fatal: must be run by root\n" in done.stderr
    done = followed.run(f"cd / && sh {DAEMONTOOLS_TREE}/package/install", check=False)
    assert (done.returncode, done.stderr) == (111, "Wrong working directory.\n")


def test_check_of_a_part_finds_what_is_missing(followed: GuideServer) -> None:
    followed.run("mv /usr/local/bin/tcpclient /usr/local/bin/away")
    try:
        done = followed.run(f"cd {UCSPI_TREE} && {MAKE} check")
        assert done.stdout == (
            "instcheck: warning: /usr/local/bin/tcpclient does not exist\n"
        )
        done = type_in(followed, "make setup check\n", UCSPI_TREE)
        assert (done.stdout, done.stderr) == ("", "")
        followed.run("cmp /usr/local/bin/away /usr/local/bin/tcpclient")
    finally:
        followed.run("mv /usr/local/bin/away /usr/local/bin/tcpclient")
