"""package/install: what it adds to the files of an init, and when it starts nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from qmail.operator import runtime, services
from qmail.operator.places import Places

SVSCANBOOT = "/command/svscanboot"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    return tmp_path / "etc"


def test_other_unit_is_one_that_starts_svscan(etc: Path) -> None:
    unit = etc / "systemd/system/daemontools.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/svscanboot\n")
    assert services.other_unit(etc, ()) == unit


def test_other_unit_is_neither_ours_nor_any_unit(etc: Path) -> None:
    units = etc / "systemd/system"
    (units / services.UNIT_NAME).write_text(
        "[Service]\nExecStart=/command/svscanboot\n"
    )
    (units / "x.service").write_text("# svscan\n[Service]\nExecStart=/bin/true\n")
    assert services.other_unit(etc, ()) is None


@pytest.mark.parametrize("has_other", [True, False])
def test_install_starts_no_second_svscan(
    tmp_path: Path, etc: Path, monkeypatch: pytest.MonkeyPatch, has_other: bool
) -> None:
    other = etc / "systemd/system/daemontools.service"
    arranged: list[bool] = []

    def arrange(etc: Path, svscanboot: str, now: bool) -> bool:
        arranged.append(now)
        return False

    monkeypatch.setattr(services, "is_scanned", lambda service: True)
    monkeypatch.setattr(
        services, "other_unit", lambda etc: other if has_other else None
    )
    monkeypatch.setattr(services, "arrange_boot", arrange)
    monkeypatch.setattr(services, "start", lambda path: pytest.fail("started"))
    services.install(Places(prefix=str(tmp_path)), SVSCANBOOT)
    # Somebody else's unit: nothing is arranged. None: at the next boot, but not now.
    assert arranged == ([] if has_other else [False])


def test_install_links_the_queue_server_of_every_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(f"{tmp_path}/var/qmail", str(tmp_path))
    Path(places.runtimes).mkdir(parents=True)
    monkeypatch.setattr(services, "is_scanned", lambda service: True)
    monkeypatch.setattr(services, "other_unit", lambda etc: etc)
    for home in (places.home, f"{tmp_path}/opt/mail", f"{tmp_path}/gone"):
        runtime.register(places.runtimes, home)
        if not home.endswith("gone"):
            Path(home, "supervise/qmail-queued").mkdir(parents=True)
    for _ in range(2):
        services.install(places, SVSCANBOOT)
    second = Places(f"{tmp_path}/opt/mail", str(tmp_path))
    assert {
        path.name: str(path.readlink()) for path in Path(places.service).iterdir()
    } == {
        "qmail-queued": f"{places.home}/supervise/qmail-queued",
        second.queued: f"{second.home}/supervise/qmail-queued",
    }
    assert second.queued_log.endswith("opt-mail")


@pytest.mark.parametrize(("now", "words"), [(True, ["--now"]), (False, [])])
def test_systemd_unit_is_enabled_and_started_only_if_wanted(
    etc: Path, monkeypatch: pytest.MonkeyPatch, now: bool, words: list[str]
) -> None:
    calls: list[list[str]] = []

    def call(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", call)
    units = etc / "systemd/system"
    assert services.arrange_systemd(units, SVSCANBOOT, now)
    text = (units / services.UNIT_NAME).read_text()
    assert "ExecStart=/command/svscanboot -k\n" in text
    assert calls[1] == ["systemctl", "enable", *words, services.UNIT_NAME]
    assert [path.name for path in units.iterdir()] == [services.UNIT_NAME]


def test_systemd_that_does_not_run_is_told_for_the_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The root of an image: only the links of /etc say what its systemd will start.
    (tmp_path / "etc").mkdir()
    (tmp_path / "systemd").touch()
    (tmp_path / "init").symlink_to("systemd")
    calls: list[list[str]] = []

    def call(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, len(calls) - 1)

    monkeypatch.setattr(services, "INIT", str(tmp_path / "init"))
    monkeypatch.setattr(services, "RUNNING_SYSTEMD", str(tmp_path / "run"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", call)
    for words in (
        "it starts svscanboot at the next boot.",
        "start svscanboot yourself",
    ):
        # Nobody has started it yet: the caller does.
        assert not services.arrange_boot(tmp_path / "etc", SVSCANBOOT, now=True)
        assert words in capsys.readouterr().out
    enable = ["systemctl", "--quiet", f"--root={tmp_path}", "enable"]
    assert calls == [[*enable, services.UNIT_NAME]] * 2
    unit = tmp_path / "etc/systemd/system" / services.UNIT_NAME
    assert unit.read_text() == services.UNIT.format(command="/command")


@pytest.mark.parametrize(
    ("init", "systemctl"), [("sysvinit", "/bin/systemctl"), ("systemd", None)]
)
def test_no_unit_is_written_for_another_init(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    init: str,
    systemctl: str | None,
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(services, "INIT", str(tmp_path / init))
    monkeypatch.setattr(services, "RUNNING_SYSTEMD", str(tmp_path / "run"))
    monkeypatch.setattr(shutil, "which", lambda name: systemctl)
    assert not services.arrange_boot(tmp_path / "etc", SVSCANBOOT, now=True)
    assert "No init system found" in capsys.readouterr().out
    assert list((tmp_path / "etc").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "mode", "is_kept"),
    [
        ("#!/bin/sh\ncsh -cf '/command/svscanboot &'\n", 0o755, True),
        # systemd starts it only if it is executable.
        ("#!/bin/sh\ncsh -cf '/command/svscanboot &'\n", 0o644, False),
        ("#!/bin/sh\n#/command/svscanboot &\n", 0o755, False),
        ("#!/bin/sh\nexit 0\n", 0o755, False),
    ],
)
def test_systemd_gets_no_unit_beside_a_line_in_rc_local(
    etc: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    mode: int,
    is_kept: bool,
) -> None:
    arranged: list[bool] = []

    def arrange(directory: Path, svscanboot: str, now: bool) -> bool:
        arranged.append(now)
        return True

    (etc / "rc.local").write_text(text)
    (etc / "rc.local").chmod(mode)
    monkeypatch.setattr(services, "RUNNING_SYSTEMD", str(etc))
    monkeypatch.setattr(services, "arrange_systemd", arrange)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert services.arrange_boot(etc, SVSCANBOOT, now=True) is not is_kept
    assert arranged == ([] if is_kept else [True])
    said = capsys.readouterr().out
    assert said == (f"{etc}/rc.local starts svscanboot at boot.\n" if is_kept else "")
    assert (etc / "rc.local").read_text() == text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        # systemctl restart: nothing is told to end but svscan, by systemd.
        ("running", []),
        (
            "stopping",
            ["-dx -w D -T 10 qmail-send/ qmail-smtpd/", "-x -w D -T 2 qmail-send/log"],
        ),
    ],
)
def test_unit_takes_the_services_down_only_with_the_machine(
    tmp_path: Path, state: str, said: list[str]
) -> None:
    (tmp_path / "service/qmail-send/log").mkdir(parents=True)
    (tmp_path / "service/qmail-smtpd").mkdir()
    for name, script in (
        ("systemctl", f"echo {state}"),
        ("svc", 'echo "$*"; exit 111'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    unit = services.UNIT.format(command=tmp_path).replace("\\\n", "")
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStop=")]
    words = shlex.split(line.removeprefix("ExecStop=").replace("$$", "$"))
    words[-1] = words[-1].replace("cd /service ", f"cd {tmp_path}/service ")
    with subprocess.Popen(["sleep", "600"]) as svscan:
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": path, "MAINPID": str(svscan.pid)},
        )
        if not said:
            svscan.kill()
        assert svscan.wait() == (-signal.SIGTERM if said else -signal.SIGKILL)
    assert done.stdout.splitlines() == said


@pytest.mark.parametrize(
    ("init", "line"),
    [
        ("busybox", "::respawn:/command/svscanboot\n"),
        ("sysvinit", "SV:123456:respawn:/command/svscanboot\n"),
    ],
)
def test_inittab_gets_the_line_its_init_understands_once(
    tmp_path: Path, etc: Path, init: str, line: str
) -> None:
    (tmp_path / init).touch()
    (tmp_path / "init").symlink_to(init)
    inittab = etc / "inittab"
    inittab.write_bytes(b"# caf\xe9\nid:2:initdefault:")
    for _ in range(2):
        found = services.arrange_inittab(
            inittab, SVSCANBOOT, now=False, init=str(tmp_path / "init")
        )
        assert not found
    assert inittab.read_bytes() == b"# caf\xe9\nid:2:initdefault:\n" + line.encode()


def test_rc_local_gets_the_line_before_its_exit(etc: Path) -> None:
    rc_local = etc / "rc.local"
    rc_local.write_text("#!/bin/sh\nexit 0\n")
    rc_local.chmod(0o755)
    services.arrange_rc_local(rc_local, SVSCANBOOT)
    assert rc_local.read_text() == f"#!/bin/sh\n{SVSCANBOOT} &\nexit 0\n"
    assert rc_local.stat().st_mode & 0o777 == 0o755


def test_rc_local_whose_only_exit_is_conditional_gets_the_line_at_its_end(
    etc: Path,
) -> None:
    rc_local = etc / "rc.local"
    text = "#!/bin/sh\nif false; then\n  exit 1\nfi\n"
    rc_local.write_text(text)
    services.arrange_rc_local(rc_local, SVSCANBOOT)
    assert rc_local.read_text() == f"{text}{SVSCANBOOT} &\n"


def test_install_below_a_prefix_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_root: None
) -> None:
    monkeypatch.setenv("PREFIX", "/tmp/other")
    monkeypatch.setattr(services, "install", lambda *words: pytest.fail("installed"))
    assert services.main() == 111
    assert "svscanboot knows no PREFIX\n...try: " in capsys.readouterr().err
