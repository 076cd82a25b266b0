"""The doctor on scripts, logs, services, port 25 and the rules."""

from __future__ import annotations

import os
import pwd
import struct
import subprocess
import time
from pathlib import Path

import pytest

from pytools.process import launcher
from qmail.operator.doctor.network import check_ip6, check_port
from qmail.operator.doctor.rules import check_rules
from qmail.operator.doctor.services import check_services
from qmail.operator.doctor.tree import (
    check_home,
    check_logs,
    check_queue,
    check_scripts,
)
from qmail.operator.places import Owners
from qmail.operator.processes import Holder
from tests.unit.operator.doctor.scene import Check, Scene

S = "/service"
V = "/var/qmail/supervise"


@pytest.mark.parametrize(
    "check",
    [
        check_home,
        check_scripts,
        check_logs,
        check_services,
        check_port,
        check_ip6,
        check_rules,
    ],
)
def test_nothing_is_wrong_at_first(scene: Scene, check: Check) -> None:
    assert scene.found(check) == []


def test_home_is_compared_with_what_setup_makes(scene: Scene) -> None:
    (scene.home / "queue/mess/5").chmod(0o777)
    (scene.home / "bin/qmail-send").chmod(0o600)
    assert scene.found(check_home) == [
        ("wrong-mode", "chmod 750 /var/qmail/queue/mess/5"),
        ("wrong-mode", "chmod 755 /var/qmail/bin/qmail-send"),
    ]


@pytest.mark.usefixtures("as_root")
def test_foreign_owner_and_group_are_not_followed_through_links(scene: Scene) -> None:
    os.chown(scene.home / "queue/intd", 12345, 23456)
    os.chown(scene.home / "control", 12345, -1)
    assert scene.found(check_home) == [
        ("wrong-owner", "chown root /var/qmail/control"),
        ("wrong-owner", "chown -h qmailq /var/qmail/queue/intd"),
        ("wrong-group", "chgrp -h qmail /var/qmail/queue/intd"),
    ]


def test_many_neighbours_share_a_finding(scene: Scene) -> None:
    for number in range(23):
        (scene.home / f"queue/mess/{number}").chmod(0o777)
    (scene.home / "queue/info/7").chmod(0o777)
    assert sorted(scene.found(check_home)) == [
        ("wrong-mode", "cd /src && make setup check"),
        ("wrong-mode", "chmod 700 /var/qmail/queue/info/7"),
    ]
    whats = [one.what for one in check_home(scene.machine)]
    assert any("mess/0 has" in w and "(and 22 more beside it)" in w for w in whats)


BACKQUOTED = '"`cat /var/qmail/control/defaultdelivery`"'


@pytest.mark.parametrize(
    "quoted",
    [
        "'cat /var/qmail/control/defaultdelivery'",
        "\"'cat /var/qmail/control/defaultdelivery'\"",
        "'`cat /var/qmail/control/defaultdelivery`'",
        '"cat /var/qmail/control/defaultdelivery"',
        '"\u00b4cat /var/qmail/control/defaultdelivery\u00b4"',
    ],
)
def test_default_delivery_that_is_a_command_is_found(scene: Scene, quoted: str) -> None:
    rc = scene.home / "rc"
    good = (
        f"#!/bin/sh\n# 'cat'\nexec env - PATH=\"$PATH\" \\\nqmail-start {BACKQUOTED}\n"
    )
    rc.write_text(good)
    assert scene.found(check_scripts) == []
    rc.write_text(good.replace(BACKQUOTED, quoted))
    (finding,) = check_scripts(scene.machine)
    assert finding.code == "rc-literal-cat"
    change, _, restart = finding.remedy.partition(" && ")
    assert restart == "svc -t /service/qmail-send"
    subprocess.run(change, shell=True, check=True)
    assert rc.read_text() == good


@pytest.mark.parametrize(
    "command",
    [
        'qmail-start "$(cat x)"',
        "qmail-start '|cat >> x'",
        "qmail-start ./Maildir/",
        "sh -c \"qmail-start '`cat x`'\"",
        "# qmail-start 'cat x'",
    ],
)
def test_default_delivery_of_another_kind_is_right(scene: Scene, command: str) -> None:
    (scene.home / "rc").write_text(f"#!/bin/sh\n{command}\n")
    assert scene.found(check_scripts) == []


def test_log_that_is_no_file_is_not_read(scene: Scene) -> None:
    scene.supervised("qmail-smtpd", pid=0, seconds=0.1)
    log = scene.root / "var/log/qmail/smtpd/current"
    os.mkfifo(log)
    ls = [("service-loops", "ls -la /var/log/qmail/smtpd/current")]
    assert scene.found(check_services) == ls
    log.unlink()
    log.symlink_to("/dev/null")
    assert scene.found(check_services) == ls


def test_missing_directory_is_one_finding(scene: Scene) -> None:
    for number in range(23):
        (scene.home / f"queue/mess/{number}").rmdir()
    (scene.home / "queue/mess").rmdir()
    assert scene.found(check_home) == [("path-missing", "cd /src && make setup check")]


def test_link_in_a_place_of_the_queue_is_no_directory(scene: Scene) -> None:
    (scene.home / "queue/todo").rmdir()
    (scene.home / "queue/todo").symlink_to("/etc")
    todo = "/var/qmail/queue/todo"
    assert scene.found(check_home) == [
        ("wrong-type", f"mv -T {todo} {todo}.wrong && cd /src && make setup check")
    ]


def test_scripts_are_looked_at(scene: Scene) -> None:
    (scene.home / "rc").chmod(0o644)
    run = scene.home / "supervise/qmail-smtpd/run"
    run.write_bytes(run.read_bytes().replace(b"\n", b"\r\n"))
    (scene.home / "supervise/qmail-send/run").write_text("exec /var/qmail/rc\n")
    (scene.home / "supervise/qmail-send/log/run").unlink()
    scene.put("service/pop3d/run", "#!/bin/sh\n", 0o644)
    (scene.root / "service/pop3d/log").mkdir()
    found = scene.found(check_scripts)
    code, remedy = found.pop(2)
    assert code == "script-missing"
    assert remedy.startswith("install -D -m 755 ")
    assert remedy.endswith(f"/qmail-send/log/run {V}/qmail-send/log/run")
    assert found == [
        ("script-not-executable", "chmod 755 /var/qmail/rc"),
        ("script-no-interpreter", f"sed -i '1i #!/bin/sh' {V}/qmail-send/run"),
        ("script-cr", f"sed -i 's/\\r$//' {V}/qmail-smtpd/run"),
        ("script-not-executable", f"chmod 755 {S}/pop3d/run"),
        ("script-missing", f"ls -la {S}/pop3d/log"),
    ]


def test_log_directories_are_looked_at(scene: Scene) -> None:
    (scene.root / "var/log/qmail-queued").rmdir()
    name = "/var/log/qmail-queued"
    assert scene.found(check_logs) == [
        ("log-missing", f"mkdir -p {name} && chown qmaill {name}")
    ]


@pytest.mark.usefixtures("as_root")
def test_log_of_another_owner_is_found(scene: Scene) -> None:
    current = scene.put("var/log/qmail/current", "")
    for path in (current, scene.root / "var/log/qmail/smtpd"):
        os.chown(path, 12345, -1)
    assert scene.found(check_logs) == [
        ("log-owner", "chown -h qmaill /var/log/qmail/current"),
        ("log-owner", "chown qmaill /var/log/qmail/smtpd"),
    ]


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("target", ["/etc", "/nowhere"])
def test_link_of_qmaills_leads_root_nowhere(scene: Scene, target: str) -> None:
    log = scene.root / "var/log/qmail"
    os.chown(log, 12345, -1)
    # What qmaill is in this scene has the log of another.
    scene.change(owners=AnotherLogger(scene.machine.owners))
    (scene.root / "etc").chmod(0o755)
    (log / "smtpd").rmdir()
    (log / "smtpd").symlink_to(target.replace("/etc", f"{scene.root}/etc"))
    os.chown(log / "smtpd", 12345, -1, follow_symlinks=False)
    os.chown(scene.root / "var/log/qmail-queued", 12345, -1)
    assert scene.found(check_logs) == [("log-link", "namei -l /var/log/qmail/smtpd")]
    (finding,) = check_logs(scene.machine)
    if os.path.isdir(log / "smtpd"):
        real = os.path.realpath(log / "smtpd")
        assert f"is a link, and what it leads to, {real}, does not" in finding.what


class AnotherLogger(Owners):
    """The owners of a scene, but for qmaill."""

    def __init__(self, owners: Owners | None) -> None:
        assert owners is not None
        self._owners = owners

    def uid(self, name: str) -> int:
        return 12345 if name == "qmaill" else self._owners.uid(name)

    def gid(self, name: str) -> int:
        return self._owners.gid(name)


@pytest.mark.usefixtures("as_root")
def test_log_file_with_two_names_or_a_link_is_not_given_away(scene: Scene) -> None:
    log = scene.root / "var/log/qmail"
    os.link(scene.put("etc/shadow", ""), log / "current")
    (log / "state").symlink_to(scene.root / "etc/shadow")
    os.chown(log / "current", 12345, -1)
    os.chown(log / "state", 12345, -1, follow_symlinks=False)
    assert scene.codes(check_logs) == ["log-link"] * 2


@pytest.mark.usefixtures("as_root")
def test_links_of_roots_are_meant(scene: Scene) -> None:
    log = scene.root / "var/log/qmail/smtpd"
    big = scene.root / "big"
    log.rename(big)
    log.symlink_to(big)
    assert scene.found(check_logs) == []
    os.chown(big, 12345, -1)
    assert scene.found(check_logs) == [
        ("log-owner", "chown qmaill /var/log/qmail/smtpd")
    ]


@pytest.mark.usefixtures("as_root")
def test_script_that_a_user_can_replace_is_only_shown(scene: Scene) -> None:
    theirs = scene.put("home/dave/pop3d/run", "exec x\r\n", 0o644)
    os.chown(theirs.parent, 1000, -1)
    (scene.root / "service/pop3d").symlink_to(theirs.parent)
    run = theirs.rename(theirs.parent / "real")
    theirs.symlink_to(run)
    assert {remedy for _, remedy in scene.found(check_scripts)} == {
        f"namei -l {S}/pop3d/run"
    }
    theirs.unlink()
    run.rename(theirs)
    assert {remedy for _, remedy in scene.found(check_scripts)} == {
        f"namei -l {S}/pop3d/run"
    }


def test_empty_script_is_as_good_as_none(scene: Scene) -> None:
    (scene.home / "rc").write_bytes(b"")
    scene.put("service/pop3d/run", "", 0o755)
    os.mkfifo(scene.root / "service/fifo")
    os.mkdir(scene.root / "service/x")
    os.mkfifo(scene.root / "service/x/run")
    found = list(check_scripts(scene.machine))
    assert [one.code for one in found] == ["script-missing"] * 3
    assert found[0].remedy.startswith("install -D -m 755 ")
    assert [one.what.rpartition("/")[2] for one in found] == [
        *("rc is empty", "run is empty", "run is no file")
    ]


def test_log_directory_of_any_service_is_looked_at(scene: Scene) -> None:
    scene.put("service/pop3d/log/run", "#!/bin/sh\nexec multilog t /nowhere/pop3d\n")
    assert scene.found(check_logs) == [
        ("log-missing", "mkdir -p /nowhere/pop3d && chown qmaill /nowhere/pop3d")
    ]


def test_fifo_is_not_waited_for(scene: Scene) -> None:
    status = scene.root / "service/qmail-smtpd/supervise/status"
    run = scene.home / "supervise/qmail-smtpd/log/run"
    for path in (status, run):
        path.unlink()
        os.mkfifo(path)
    assert scene.codes(check_services) == ["service-unsupervised"]
    assert scene.found(check_port) == []
    assert scene.found(check_logs) == []


@pytest.mark.parametrize("is_link", [False, True])
def test_file_in_the_place_of_the_service_directory(
    scene: Scene, is_link: bool
) -> None:
    service = scene.root / "service"
    service.rename(scene.root / "away")
    service.symlink_to("nowhere") if is_link else service.touch()
    (finding,) = check_services(scene.machine)
    said = "leads nowhere" if is_link else "is no directory"
    assert finding.what == f"{service} {said}"
    assert scene.found(check_services) == [
        (
            "service-directory-missing",
            "mv -T /service /service.wrong && cd /src && package/install",
        )
    ]


def test_no_service_directory(scene: Scene) -> None:
    (scene.root / "service").rename(scene.root / "away")
    assert scene.found(check_services) == [
        ("service-directory-missing", "cd /src && package/install")
    ]


@pytest.mark.parametrize(
    ("has_systemd", "has_unit", "remedy"),
    [
        (False, False, "setsid /command/svscanboot </dev/null >/dev/null 2>&1 &"),
        (False, True, "setsid /command/svscanboot </dev/null >/dev/null 2>&1 &"),
        # That a boot starts it is part of the remedy.
        (True, False, "cd /src && package/install"),
        (True, True, "systemctl restart svscanboot"),
    ],
)
def test_no_svscan(
    scene: Scene, has_systemd: bool, has_unit: bool, remedy: str
) -> None:
    scene.put("proc/55/comm", "svscanboot\n")
    if has_systemd:
        (scene.root / "run/systemd/system").mkdir(parents=True)
    if has_unit:
        scene.put("etc/systemd/system/svscanboot.service", "")
    assert scene.found(check_services) == [("svscan-missing", remedy)]


def test_svscan_of_another_directory_does_not_count(scene: Scene) -> None:
    (scene.proc / "55/cwd").unlink()
    (scene.proc / "55/cwd").symlink_to("/")
    assert scene.codes(check_services) == ["svscan-missing"]


def test_service_that_is_not_linked_or_leads_nowhere(scene: Scene) -> None:
    (scene.root / "service/qmail-smtpd").unlink()
    (scene.root / "service/qmail-send").unlink()
    (scene.root / "service/qmail-send").symlink_to("/nowhere")
    assert scene.found(check_services) == [
        ("service-missing", f"ln -sfn {V}/{name} {S}/{name}")
        for name in ("qmail-send", "qmail-smtpd")
    ]


def test_down_file(scene: Scene) -> None:
    scene.put("service/qmail-send/down", "")
    expected = [
        ("service-down-file", f"rm {S}/qmail-send/down && svc -u {S}/qmail-send")
    ]
    assert scene.found(check_services) == expected
    scene.supervised("qmail-send", pid=0, want=b"d")
    assert scene.found(check_services) == expected


def test_unsupervised_services(scene: Scene) -> None:
    scene.unsupervised()
    assert scene.codes(check_services) == ["service-unsupervised"] * 6


def test_broken_status_is_found(scene: Scene) -> None:
    scene.put("service/qmail-send/supervise/status", b"short")
    assert scene.codes(check_services) == ["service-unsupervised"]
    scene.put("service/qmail-send/supervise/status", b"\xff" * 18)
    assert scene.codes(check_services) == ["service-paused"]


def test_services_that_are_down_or_paused(scene: Scene) -> None:
    scene.supervised("qmail-send", pid=0, want=b"d")
    scene.supervised("qmail-smtpd", paused=True)
    scene.supervised("qmail-queued", pid=0, want=b"\0")
    assert scene.found(check_services) == [
        ("service-stopped", f"svc -u {S}/qmail-send"),
        ("service-paused", f"svc -c {S}/qmail-smtpd"),
    ]


def test_service_that_does_not_stay_up_is_found_with_its_last_words(
    scene: Scene,
) -> None:
    scene.supervised("qmail-smtpd", pid=0, seconds=0.1)
    scene.put("var/log/qmail/smtpd/current", "@4000000037c219bf2ef02e94 unable to\n")
    (finding,) = check_services(scene.machine)
    assert finding.code == "service-loops"
    said = finding.as_dict()["what"]
    assert said.endswith("qmail-smtpd does not stay up: unable to")
    assert finding.what.endswith("qmail-smtpd does not stay up")
    assert finding.remedy.endswith("/var/log/qmail/smtpd/current")


SHOW_TITLES = "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep readproctitle"


def test_log_that_does_not_stay_up_is_found_with_the_words_of_readproctitle(
    scene: Scene,
) -> None:
    scene.supervised("qmail-smtpd/log", pid=0, seconds=0.1)
    assert scene.found(check_services) == [("service-loops", SHOW_TITLES)]
    title = "readproctitle service errors: ...g: no\nmultilog: fatal: no\n\nmulti"
    scene.put("proc/66/cmdline", f"{title}\0\0")
    scene.put("var/log/qmail/smtpd/current", "@4000000037c219bf2ef02e94 unable to\n")
    (finding,) = check_services(scene.machine)
    assert finding.detail == "multilog: fatal: no"
    for nothing in ("." * 400, "...g: no", ""):
        scene.put("proc/66/cmdline", f"readproctitle service errors: {nothing}\0")
        (finding,) = check_services(scene.machine)
        assert finding.detail == ""


def test_service_that_never_logged_is_shown_by_readproctitle(scene: Scene) -> None:
    scene.supervised("qmail-smtpd", pid=0, seconds=0.1)
    assert scene.found(check_services) == [("service-loops", SHOW_TITLES)]


@pytest.mark.parametrize(
    ("modes", "uid", "remedy"),
    [
        ((0o700, 0o700), 12345, "chmod 755 {0} {0}/log"),
        ((0o755, 0o750), 12345, "chmod 755 {0}/log"),
        ((0o755, 0o711), 12345, "chmod 755 {0}/log"),
        ((0o700, 0o755), 12345, None),
        ((0o700, 0o700), 0, None),
    ],
)
def test_directory_that_multilog_cannot_enter(
    scene: Scene, modes: tuple[int, int], uid: int, remedy: str | None
) -> None:
    user = pwd.struct_passwd(("qmaill", "x", uid, 12345, "", "/", "/bin/false"))
    scene.change(getpwnam=lambda name: user)
    service = scene.home / "supervise/qmail-smtpd"
    service.chmod(modes[0])
    (service / "log").chmod(modes[1])
    assert scene.found(check_services) == []
    scene.supervised("qmail-smtpd/log", pid=0, seconds=0.1)
    expected = ("service-loops", SHOW_TITLES)
    if remedy:
        expected = (
            "service-private",
            remedy.format("/var/qmail/supervise/qmail-smtpd"),
        )
    assert scene.found(check_services) == [expected]


@pytest.mark.usefixtures("as_root")
def test_directory_in_the_hands_of_others_is_only_shown(scene: Scene) -> None:
    user = pwd.struct_passwd(("qmaill", "x", 12345, 12345, "", "/", "/bin/false"))
    scene.change(getpwnam=lambda name: user)
    service = scene.home / "supervise/qmail-smtpd"
    os.chown(service, 1000, -1)
    (service / "log").chmod(0o700)
    scene.supervised("qmail-smtpd/log", pid=0, seconds=0.1)
    assert scene.found(check_services) == [
        ("service-private", f"namei -l {S}/qmail-smtpd/log")
    ]


@pytest.mark.parametrize("name", ["23/1", "5/7"])
def test_queue_of_another_split_is_found(scene: Scene, name: str) -> None:
    assert scene.found(check_queue) == []
    scene.put("var/qmail/queue/mess/5/28", "")
    assert scene.found(check_queue) == []
    scene.put(f"var/qmail/queue/mess/{name}", "")
    pair = f"{S}/qmail-send {S}/qmail-queued"
    repair = "pyqmail queue check --repair"
    expected = f"svc -d -w D -T 300 {pair} && {repair} && svc -u {pair}"
    assert scene.found(check_queue) == [("queue-split", expected)]
    (scene.root / "service").rename(scene.root / "elsewhere")
    assert scene.found(check_queue) == [("queue-split", "pyqmail queue check")]


def test_young_service_is_given_its_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.change(settle_seconds=60.0)
    scene.supervised("qmail-send", pid=0, seconds=0)

    def pause(seconds: float) -> None:
        scene.supervised("qmail-send", pid=9, seconds=1000)

    monkeypatch.setattr(time, "sleep", pause)
    assert scene.found(check_services) == []


def test_no_socket_of_the_queue_server(scene: Scene) -> None:
    (scene.home / "run/queued").unlink()
    assert scene.found(check_services) == [
        ("queued-socket-missing", f"svc -t {S}/qmail-queued")
    ]


def test_port_is_taken(scene: Scene) -> None:
    scene.change(listener=lambda port: Holder(99, "thing", "root"))
    assert scene.found(check_port) == [("port-taken", "kill 99")]
    scene.change(listener=lambda port: Holder(0, "?", "joe"))
    assert scene.found(check_port) == [("port-taken", "ss -ltnp sport = :25")]
    scene.change(listener=lambda port: Holder(98, "inetd", "root"))
    ((_, remedy),) = scene.found(check_port)
    assert remedy == "sed -i 's/^smtp/#&/' /etc/inetd.conf && kill -HUP 98"


def test_what_a_service_has_started_is_its_own(scene: Scene) -> None:
    # A run without exec: supervise knows the shell.
    scene.put("proc/99/stat", "99 (tcp) server) S 98 1 1 0\n")
    scene.put("proc/98/stat", "98 (sh) S 77 1 1 0\n")
    scene.change(listener=lambda port: Holder(99, "tcpserver", "root"))
    assert scene.found(check_port) == []
    scene.put("proc/98/stat", "98 (sh) S 1 1 1 0\n")
    assert scene.found(check_port) == [("port-taken", "kill 99")]
    scene.put("proc/98/stat", "98 (sh) S 99 1 1 0\n")
    assert scene.found(check_port) == [("port-taken", "kill 99")]


def test_port_is_taken_by_what_systemd_started(scene: Scene) -> None:
    (scene.root / "run/systemd/system").mkdir(parents=True)
    scene.put("proc/99/cgroup", "0::/system.slice/postfix@-.service\n")
    scene.change(listener=lambda port: Holder(99, "master", "root"))
    assert scene.found(check_port) == [
        ("port-taken", "systemctl disable --now postfix@-.service")
    ]
    scene.put("proc/99/cgroup", "0::/system.slice/svscanboot.service\n")
    assert scene.found(check_port) == [("port-taken", "kill 99")]


def test_another_mailer_runs(scene: Scene) -> None:
    scene.put("proc/98/comm", "exim4\n")
    scene.put("proc/97/comm", b"\xff\n")
    assert scene.found(check_port) == [("other-mailer", "kill 98")]


def test_name_of_a_mailer_alone_is_no_mailer(scene: Scene) -> None:
    scene.put("proc/98/comm", "master\n")
    (scene.proc / "98/exe").symlink_to("/opt/jobs/master")
    assert scene.found(check_port) == []
    (scene.proc / "98/exe").unlink()
    (scene.proc / "98/exe").symlink_to("/usr/lib/postfix/sbin/master")
    assert scene.found(check_port) == [("other-mailer", "kill 98")]


def test_mailer_in_a_container_is_its_own_matter(scene: Scene) -> None:
    scene.put("proc/98/comm", "exim4\n")
    for place, number in (("98", 2), ("self", 1)):
        (scene.proc / place / "ns").mkdir(parents=True)
        for kind in ("pid", "net"):
            (scene.proc / place / "ns" / kind).symlink_to(f"{kind}:[{number}]")
    assert scene.found(check_port) == []


def test_unit_of_a_user_is_none_of_the_systems(scene: Scene) -> None:
    # SECURITY: root is not to stop ssh because a user calls his own unit that.
    (scene.root / "run/systemd/system").mkdir(parents=True)
    scene.put("proc/99/cgroup", "0::/user.slice/user-1.slice/app.slice/ssh.service\n")
    scene.change(listener=lambda port: Holder(99, "x", "joe"))
    assert scene.found(check_port) == [("port-taken", "kill 99")]


V4_LISTENER = "0: 00000000:0019 00000000:0000 0A 0 0 0 0 0 1\n"
V6_LISTENER = f"0: {'0' * 32}:0019 {'0' * 32}:0000 0A 0 0 0 0 0 1\n"
LOOPBACK_LISTENER = V6_LISTENER.replace(f"{'0' * 32}:0019", f"{'0' * 24}01000000:0019")
GLOBAL = "26000000000000000000000000000001 02 40 00 80 eth0\n"
LINK_LOCAL = "fe800000000000000000000000000001 02 40 20 80 eth0\n"


@pytest.mark.parametrize(
    ("addresses", "listeners", "is_found"),
    [
        (GLOBAL, "", True),
        (GLOBAL, LOOPBACK_LISTENER, True),
        (GLOBAL, V6_LISTENER.replace("0019", "0050"), True),
        (GLOBAL, V6_LISTENER.replace(" 0A ", " 01 "), True),
        (GLOBAL, V6_LISTENER, False),
        (LINK_LOCAL, "", False),
        ("", "", False),
    ],
)
def test_ipv6_has_a_listener(
    scene: Scene, addresses: str, listeners: str, is_found: bool
) -> None:
    scene.put("proc/net/if_inet6", addresses)
    scene.put("proc/net/tcp6", "heading\n" + listeners)
    found = scene.found(check_ip6)
    assert found == is_found * [
        (
            "ipv6-no-listener",
            f"sed -i 's/ 0 smtp / :: smtp /' {V}/qmail-smtpd/run && "
            f"svc -t {S}/qmail-smtpd",
        )
    ]


def test_no_listener_at_all_is_no_matter_of_ipv6(scene: Scene) -> None:
    scene.put("proc/net/if_inet6", GLOBAL)
    scene.change(listener=lambda port: None)
    assert scene.found(check_ip6) == []


CDB = (
    "/usr/local/bin/tcprules /etc/tcp.smtp.cdb /etc/tcp.smtp.tmp < /etc/tcp.smtp"
    " && chmod 644 /etc/tcp.smtp.cdb"
)


def test_rules_that_are_no_file_are_not_read(scene: Scene) -> None:
    (scene.root / "etc/tcp.smtp").unlink()
    os.mkfifo(scene.root / "etc/tcp.smtp")
    with pytest.raises(OSError, match="not a regular file"):
        scene.found(check_rules)


def test_cdb_is_missing(scene: Scene) -> None:
    (scene.root / "etc/tcp.smtp.cdb").unlink()
    assert scene.found(check_rules) == [("rules-cdb-missing", CDB)]
    (scene.root / "etc/tcp.smtp").unlink()
    first = """echo '127.:allow,RELAYCLIENT=""' >> /etc/tcp.smtp && """
    assert scene.found(check_rules) == [("rules-cdb-missing", first + CDB)]


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 2047, b"\xff" * 2048, b"\0" * 2048, b"\0\x08\0\0\1\0\0\0" * 256],
)
def test_cdb_is_broken(scene: Scene, data: bytes) -> None:
    scene.put("etc/tcp.smtp.cdb", data)
    assert scene.found(check_rules) == [("rules-cdb-broken", CDB)]


def test_cdb_is_old_or_unreadable(scene: Scene) -> None:
    os.utime(scene.root / "etc/tcp.smtp.cdb", (0, time.time() - 100))
    assert scene.found(check_rules) == [("rules-cdb-old", CDB)]
    (scene.root / "etc/tcp.smtp.cdb").chmod(0o600)
    assert scene.found(check_rules) == [
        ("rules-cdb-unreadable", "chmod 644 /etc/tcp.smtp.cdb")
    ]


@pytest.mark.parametrize(
    ("rule", "is_found"),
    [
        (':allow,RELAYCLIENT=""', True),
        (':allow,A="b",RELAYCLIENT="@x"', True),
        ('=:allow,RELAYCLIENT=""', True),
        ('0.0.0.0/0:allow,RELAYCLIENT=""', True),
        ('[::]/0:allow,RELAYCLIENT=""', True),
        ('0-255.:allow,RELAYCLIENT=""', True),
        (':deny,RELAYCLIENT=""', False),
        ('#:allow,RELAYCLIENT=""', False),
        ('10.:allow,RELAYCLIENT=""', False),
        (":allow", False),
    ],
)
def test_relay_for_all(scene: Scene, rule: str, is_found: bool) -> None:
    rules = scene.put("etc/tcp.smtp", f"127.:allow\n{rule}\n")
    os.utime(rules, (0, 0))
    expected = f"sed -i '2s/^[^#]/# &/' /etc/tcp.smtp && {CDB}"
    assert scene.found(check_rules) == is_found * [("relay-for-all", expected)]


def install_tcprules(scene: Scene) -> None:
    program = scene.root / "usr/local/bin/tcprules"
    program.write_bytes(launcher.render(b"tcprules", b"/var/qmail"))
    program.chmod(0o755)


def test_large_rules_are_not_cut(scene: Scene) -> None:
    install_tcprules(scene)
    count = 300_000
    rules = b"".join(
        b"10.%d.%d.%d:allow\n" % (n >> 16, n >> 8 & 255, n & 255) for n in range(count)
    )
    os.utime(scene.put("etc/tcp.smtp", rules + b"10.: allow\n"), (0, 0))
    # The cdb's tables lie behind what any program reads whole.
    cdb = scene.root / "etc/tcp.smtp.cdb"
    with open(cdb, "r+b") as file:
        file.write(struct.pack("<II", 3 << 30, 1) * 256)
        file.truncate((3 << 30) + 8)
    expected = f"sed -i '{count + 1}s/^[^#]/# &/' /etc/tcp.smtp && {CDB}"
    assert scene.found(check_rules) == [("rules-bad-line", expected)]
    with open(cdb, "r+b") as file:
        file.truncate((3 << 30) + 7)
    assert scene.codes(check_rules) == ["rules-cdb-broken", "rules-bad-line"]


@pytest.mark.parametrize("rule", ["10.:perhaps", "10.: allow", "a: b: c"])
def test_bad_rule_is_found_by_asking_tcprules(scene: Scene, rule: str) -> None:
    install_tcprules(scene)
    rules = scene.put("etc/tcp.smtp", f"127.:allow\n# x\n{rule}\n:allow\n")
    os.utime(rules, (0, 0))
    expected = f"sed -i '3s/^[^#]/# &/' /etc/tcp.smtp && {CDB}"
    assert scene.found(check_rules) == [("rules-bad-line", expected)]
    assert sorted(os.listdir(Path(rules).parent)) == ["tcp.smtp", "tcp.smtp.cdb"]
