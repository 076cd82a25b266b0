"""package/install again, and what it arranges with the init systems that it finds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from tests.conftest import ORIGINALS
from tests.guide.server import SOURCE, GuideServer

UNIT = "/etc/systemd/system/svscanboot.service"


def package_install(server: GuideServer) -> str:
    """Run it once more; its output."""
    done = server.run(f"cd {SOURCE} && package/install")
    assert done.stderr == ""
    return done.stdout


def install_below(prefix: str) -> str:
    """The command for what package/install does, on places that have another prefix."""
    return (
        f"cd {SOURCE} && sh package/python -c '"
        "from qmail.operator import services; "
        "from qmail.operator.places import Places; "
        f'services.install(Places(prefix="{prefix}"), "{prefix}/command/svscanboot")\''
    )


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


def test_package_install_below_a_prefix_is_refused(server: GuideServer) -> None:
    done = server.run(f"cd {SOURCE} && PREFIX=/tmp/other package/install", check=False)
    assert done.returncode == 111
    assert done.stderr.startswith("package/install: fatal: svscanboot knows no PREFIX")


def test_package_install_by_another_than_root_says_so(server: GuideServer) -> None:
    done = server.run(f"su dave -c 'cd {SOURCE} && package/install'", check=False)
    assert done.returncode == 111
    assert "package/install: fatal: must be run by root\n" in done.stderr


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
    # Where init is a systemd, the first package/install has left one for its boot.
    server.run(f"mkdir -p /run/systemd/system; rm -f /tmp/systemctl {UNIT}")
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
            out = server.run(install_below("/tmp/other")).stdout
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
        done = server.run(install_below("/tmp/deb"))
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
        running.wait(60)


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

        server.until(lambda: not zombies(), "every orphan reaped")
        assert "up (pid " in server.run("svstat /tmp/one/s").stdout
    finally:
        server.run("kill -9 $(pgrep -xf 'svscan /tmp/one'); true", check=False)
        running.wait(60)
        server.run("rm -r /tmp/one")
