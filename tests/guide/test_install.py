"""What the installer says when something is in its way, and what it finds at boot."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import ORIGINALS
from tests.guide.server import SOURCE, WHEELS, GuideServer

UNIT = "/etc/systemd/system/svscanboot.service"
NO_NETWORK_SECONDS = 100


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


# What package/install does, on the server that runs.


def package_install(server: GuideServer) -> str:
    """Run it once more; its output."""
    done = server.run(f"cd {SOURCE} && package/install")
    assert done.stderr == ""
    return done.stdout


def everything(server: GuideServer) -> str:
    """What a second package/install must leave as it is."""
    return server.run(
        "ls -l --time-style=full-iso /service /command /usr/local/bin;"
        " svstat /service/* | cut -d' ' -f1-4; pgrep -x svscan"
    ).stdout


@contextlib.contextmanager
def present(server: GuideServer, path: str, text: str, mode: str) -> Iterator[None]:
    """A file of the machine's that is not there otherwise."""
    assert not server.path(path).exists()
    server.root.write(path, text)
    server.run(f"chmod {mode} {path}")
    try:
        yield
    finally:
        server.run(f"rm -f {path}")


def test_package_install_again_changes_nothing(server: GuideServer) -> None:
    before = everything(server)
    out = package_install(server)
    assert "/service exists" in out
    assert "svscan is running already" in out
    assert everything(server) == before


def test_package_install_elsewhere_says_wrong_working_directory(
    server: GuideServer,
) -> None:
    done = server.run(f"cd / && sh {SOURCE}/package/install", check=False)
    assert done.returncode == 111
    assert done.stderr == "Wrong working directory.\n"


def test_package_install_by_another_than_root_says_so(server: GuideServer) -> None:
    done = server.run(f"su dave -c 'cd {SOURCE} && package/install'", check=False)
    assert done.returncode == 111
    assert "package/install: fatal: must be run by root\n" in done.stderr


def test_package_install_before_setup_says_what_to_do(peopled: GuideServer) -> None:
    done = peopled.run(f"cd {SOURCE} && package/install", check=False)
    assert done.returncode == 111
    assert "package/install: fatal: no /command/svscanboot\n" in done.stderr
    assert "make setup check" in done.stderr
    assert not peopled.path("/service").exists()


def test_package_install_with_inittab_adds_the_originals_line_once(
    server: GuideServer,
) -> None:
    text = "id:2:initdefault:\n"
    with present(server, "/etc/inittab", text, "640"):
        assert "/etc/inittab" in package_install(server)
        assert "/etc/inittab" not in package_install(server)
        assert server.read("/etc/inittab") == (
            text + "SV:123456:respawn:/command/svscanboot\n"
        )
        assert server.run("stat -c %a /etc/inittab").stdout == "640\n"


def test_package_install_with_rc_local_adds_a_line_before_exit(
    server: GuideServer,
) -> None:
    text = "#!/bin/sh\necho up\nexit 0\n"
    with present(server, "/etc/rc.local", text, "755"):
        assert "/etc/rc.local" in package_install(server)
        package_install(server)
        assert server.read("/etc/rc.local") == (
            "#!/bin/sh\necho up\n/command/svscanboot &\nexit 0\n"
        )
        assert server.run("stat -c %a /etc/rc.local").stdout == "755\n"


def test_package_install_with_systemd_writes_and_starts_a_unit(
    server: GuideServer,
) -> None:
    fake = '#!/bin/sh\necho "$@" >> /tmp/systemctl\n'
    server.run("mkdir -p /run/systemd/system; rm -f /tmp/systemctl")
    try:
        with present(server, "/usr/local/sbin/systemctl", fake, "755"):
            assert UNIT in package_install(server)
            assert server.read("/tmp/systemctl") == (
                "daemon-reload\nenable svscanboot.service\n"
            )
            unit = server.read(UNIT)
            assert re.search(
                r"^ExecStart=/command/svscanboot( -k)?$", unit, re.MULTILINE
            )
            assert "\nRestart=always\n" in unit
            assert "\nKillMode=process\n" in unit
            # An operator's changes to it stay.
            server.root.write(UNIT, unit + "# mine\n")
            assert UNIT not in package_install(server)
            assert server.read(UNIT) == unit + "# mine\n"
            # Where nothing scans yet, systemd starts it now.
            server.run(
                "rm /tmp/systemctl; mkdir -p /tmp/other/command;"
                " mkdir -p /tmp/other/etc/systemd/system;"
                " ln -s /command/svscanboot /tmp/other/command"
            )
            out = server.run(f"cd {SOURCE} && PREFIX=/tmp/other package/install").stdout
            assert "Making /tmp/other/service..." in out
            assert "Starting" not in out
            assert server.read("/tmp/systemctl") == (
                "daemon-reload\nenable --now svscanboot.service\n"
            )
    finally:
        server.run(f"rm -rf /run/systemd {UNIT} /tmp/systemctl /tmp/other")


def test_package_install_uses_a_service_directory_that_is_scanned(
    server: GuideServer, originals: str
) -> None:
    # As Debian's daemontools-run has it.
    assert originals.startswith(ORIGINALS)
    server.run("mkdir -p /tmp/deb/service /tmp/deb/command /tmp/deb/etc")
    server.run("ln -s /command/svscanboot /tmp/deb/command/svscanboot")
    theirs = server.run(f"readlink -f {originals}/svscan").stdout.strip()
    path = f"PATH={theirs.rpartition('/')[0]}:$PATH"
    running = server.root.start(f"cd /tmp/deb/service; {path} exec {theirs}")
    try:
        server.until(
            lambda: server.run("pgrep -x svscan").stdout.count("\n") == 2, "it"
        )
        done = server.run(f"cd {SOURCE} && PREFIX=/tmp/deb package/install")
        assert "/tmp/deb/service exists" in done.stdout
        assert "svscan is running already" in done.stdout
        link = "/tmp/deb/service/qmail-queued"
        server.until(
            lambda: server.run(f"svok {link}", check=False).returncode == 0,
            "a supervise of theirs for our service",
        )
    finally:
        server.run("rm /tmp/deb/service/qmail-queued", check=False)
        server.run("kill $(pgrep -xn svscan)")
        running.wait(20)


def test_svscanboot_as_process_1_runs_services_and_reaps_orphans(
    server: GuideServer,
) -> None:
    server.run("mkdir -p /tmp/one/s")
    orphans = "(true & true & exec sh -c 'sleep 0.1 & exec sleep 0.2') & sleep 0.4"
    server.root.write(
        "/tmp/one/s/run", f"#!/bin/sh\n{orphans}\necho done > made\nexec sleep 1000\n"
    )
    server.run("chmod 755 /tmp/one/s/run")
    running = server.root.start(
        "exec unshare --pid --fork --mount-proc --kill-child"
        " /command/svscanboot /tmp/one"
    )
    try:
        server.until(lambda: server.path("/tmp/one/s/made").exists(), "the service")
        first = server.run("pgrep -xf 'svscan /tmp/one'").stdout.strip()
        status = server.read(f"/proc/{first}/status")
        assert re.search(r"^NSpid:\s+\d+\s+(\d+\s+)?1$", status, re.MULTILINE), status

        def zombies() -> str:
            listing = server.run(f"ps -o stat=,comm= --ppid {first}", check=False)
            return "".join(
                line for line in listing.stdout.splitlines() if line.startswith("Z")
            )

        server.until(lambda: not zombies(), "every orphan reaped", 15)
        assert "up (pid " in server.run("svstat /tmp/one/s").stdout
    finally:
        server.run("kill -9 $(pgrep -xf 'svscan /tmp/one'); true", check=False)
        running.wait(20)
        server.run("rm -r /tmp/one")
