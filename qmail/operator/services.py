"""``package/install``: /service, and svscanboot started now and at every boot.

It uses what the machine has: systemd, /etc/inittab, /etc/rc.local; where no init runs,
as in a container, svscanboot is just started. A systemd that is installed but does not
run, as in the root of an image that is made, is told for the next boot.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from qmail.operator import runtime
from qmail.operator.places import Places, SetupError
from qmail.operator.setup import link_queue_service

UNIT_NAME = "svscanboot.service"
UNIT = """\
[Unit]
Description=svscan, which supervises the services in /service
After=local-fs.target
# Never give up: without svscan no supervise comes back.
StartLimitIntervalSec=0

[Service]
ExecStart={command}/svscanboot -k
# When the machine goes down, and only then, the services end before file systems do:
# svscan first, which would start them again, and each log after what it logs.
ExecStop=/bin/sh -c '[ "$$(systemctl is-system-running)" = stopping ] || exit 0; \\
    kill $$MAINPID; cd /service || exit 0; \\
    {command}/svc -dx -w D -T 10 */; {command}/svc -x -w D -T 2 */log; :'
TimeoutStopSec=20
Restart=always
RestartSec=1
# One delivery that the kernel kills for memory is no reason to restart this.
OOMPolicy=continue
# A restart of svscanboot leaves the services alone: the old supervise processes go on,
# and their locks keep the new svscan from starting second ones.
KillMode=process

[Install]
WantedBy=multi-user.target
"""
INITTAB_LINE = "SV:123456:respawn:{svscanboot}\n"
BUSYBOX_LINE = "::respawn:{svscanboot}\n"
"""BusyBox takes the first field for a terminal: a process on /dev/SV never starts."""
INIT = "/sbin/init"
RUNNING_SYSTEMD = "/run/systemd/system"
"""Is there while systemd runs: what its sd_booted looks for."""
UNIT_DIRECTORIES = ("/lib/systemd/system", "/usr/lib/systemd/system")


def main() -> int:
    """Make /service and have it scanned."""
    os.umask(0o022)
    places = Places()
    try:
        if os.environ.get("PREFIX"):
            # What is started at boot scans /service, and takes programs from /command.
            raise SetupError(
                "svscanboot knows no PREFIX\n...try: package/install without it"
            )
        if os.geteuid() != 0:
            raise SetupError("must be run by root\n...try: sudo package/install")
        svscanboot = os.path.join(places.command, "svscanboot")
        if not os.path.exists(svscanboot):
            raise SetupError(f"no {svscanboot}\n...try: make setup check")
        install(places, svscanboot)
    except SetupError as error:
        print(f"package/install: fatal: {error}", file=sys.stderr)
        return 111
    except OSError as error:
        print(f"package/install: fatal: {error}", file=sys.stderr)
        return 111
    return 0


def install(places: Places, svscanboot: str) -> None:
    """Make /service if it is missing, then see that somebody scans it."""
    if os.path.isdir(places.service):
        print(f"{places.service} exists; its services are left as they are.")
    else:
        print(f"Making {places.service}...")
        os.mkdir(places.service, 0o755)
    for home in {places.home, *runtime.homes(places.runtimes)}:
        link_queue_service(Places(home, places.prefix))
    etc = Path(places.prefix + "/etc")
    is_running = is_scanned(places.service)
    other = other_unit(etc) if is_running else None
    if other is not None:
        # Debian's daemontools-run, say. Ours beside it would stop all its services at
        # each boot, and then both would start them.
        print(f"svscan is running already; it is started by {other}.")
        return
    started_by_init = arrange_boot(etc, svscanboot, now=not is_running)
    if is_running:
        print("svscan is running already.")
    elif not started_by_init:
        print("Starting svscanboot...")
        start([svscanboot, places.service])


def is_scanned(service: str) -> bool:
    """True if some svscan has ``service`` as its working directory."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as comm:
                name = comm.read().strip()
            if name == "svscan" and os.path.samefile(f"/proc/{pid}/cwd", service):
                return True
        except OSError:
            continue
    return False


def other_unit(etc: Path, elsewhere: tuple[str, ...] = UNIT_DIRECTORIES) -> Path | None:
    """A unit for systemd, not ours, that starts an svscan."""
    for directory in (etc / "systemd/system", *map(Path, elsewhere)):
        for unit in sorted(directory.glob("*.service")):
            try:
                lines = unit.read_text(errors="replace").splitlines()
            except OSError:
                continue
            if unit.name != UNIT_NAME and any(
                line.startswith("ExecStart=") and "svscan" in line for line in lines
            ):
                return unit
    return None


def arrange_boot(etc: Path, svscanboot: str, now: bool) -> bool:
    """Have it started at boot, and ``now``; True if the init system starts it now."""
    if os.path.isdir(RUNNING_SYSTEMD) and shutil.which("systemctl"):
        if is_in_rc_local(etc / "rc.local"):
            # The original's way. Two svscans would fight for each service.
            print(f"{etc / 'rc.local'} starts svscanboot at boot.")
            return False
        return arrange_systemd(etc / "systemd/system", svscanboot, now)
    if (etc / "inittab").exists():
        return arrange_inittab(etc / "inittab", svscanboot, now)
    if (etc / "rc.local").exists():
        arrange_rc_local(etc / "rc.local", svscanboot)
        return False
    if is_systemd(INIT) and shutil.which("systemctl"):
        arrange_systemd_offline(etc / "systemd/system", svscanboot)
        return False
    print("No init system found; start svscanboot yourself at the next boot.")
    return False


def arrange_systemd(directory: Path, svscanboot: str, now: bool) -> bool:
    """Write the unit if it is not there, enable it, and start it if it is wanted."""
    add_unit(directory, svscanboot)
    start_too = ["--now"] if now else []
    for words in (["daemon-reload"], ["enable", *start_too, UNIT_NAME]):
        done = subprocess.run(["systemctl", *words], check=False)
        if done.returncode != 0:
            print(f"systemctl {' '.join(words)} failed; starting svscanboot here.")
            return False
    return True


def is_systemd(init: str) -> bool:
    """True if the machine's init, which may not run now, is systemd."""
    return os.path.basename(os.path.realpath(init)) == "systemd"


def is_in_rc_local(rc_local: Path) -> bool:
    """True if systemd's rc-local.service runs it, and svscanboot by it."""
    if not os.access(rc_local, os.X_OK):
        return False
    lines = rc_local.read_text(errors="surrogateescape").splitlines()
    return any("svscanboot" in line.partition("#")[0] for line in lines)


def arrange_systemd_offline(directory: Path, svscanboot: str) -> None:
    """The same where systemd does not run, as in the root of an image that is made."""
    root = directory.parents[2]
    add_unit(directory, svscanboot)
    done = subprocess.run(
        ["systemctl", "--quiet", f"--root={root}", "enable", UNIT_NAME], check=False
    )
    if done.returncode == 0:
        print("systemd does not run here; it starts svscanboot at the next boot.")
    else:
        print("systemctl enable failed; start svscanboot yourself at the next boot.")


def add_unit(directory: Path, svscanboot: str) -> None:
    """Write the unit if it is not there."""
    unit = directory / UNIT_NAME
    if not unit.exists():
        print(f"Adding {unit}...")
        directory.mkdir(parents=True, exist_ok=True)
        replace(unit, UNIT.format(command=os.path.dirname(svscanboot)))


def arrange_inittab(
    inittab: Path, svscanboot: str, now: bool, init: str = INIT
) -> bool:
    """Add the line of the original to /etc/inittab, and tell init if it is wanted."""
    text = inittab.read_text(errors="surrogateescape")
    if "svscanboot" not in text:
        print(f"Adding svscanboot to {inittab}...")
        if text and not text.endswith("\n"):
            text += "\n"
        is_busybox = os.path.basename(os.path.realpath(init)) == "busybox"
        line = BUSYBOX_LINE if is_busybox else INITTAB_LINE
        replace(inittab, text + line.format(svscanboot=svscanboot))
    if now and os.path.exists("/proc/1/comm"):
        name = Path("/proc/1/comm").read_text().strip()
        if name in ("init", "busybox"):
            os.kill(1, 1)
            return True
    return False


def arrange_rc_local(rc_local: Path, svscanboot: str) -> None:
    """Add a line to /etc/rc.local, before a final ``exit`` that is in no ``if``."""
    text = rc_local.read_text(errors="surrogateescape")
    lines = text.splitlines(keepends=True)
    if any("svscanboot" in line for line in lines):
        return
    print(f"Adding svscanboot to {rc_local}...")
    at = len(lines)
    for number, line in enumerate(lines):
        if line.split()[:1] == ["exit"] and not line[0].isspace():
            at = number
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    lines.insert(at, f"{svscanboot} &\n")
    replace(rc_local, "".join(lines))


def replace(path: Path, text: str) -> None:
    """Give a file of /etc new text at once, with the mode it had."""
    new = path.with_name(path.name + ".pyqmail-new")
    with new.open("w", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copystat(path, new)
    new.rename(path)


def start(command: list[str]) -> None:
    """Start it in a session of its own, with nothing of ours open."""
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")},
    )


if __name__ == "__main__":
    sys.exit(main())
