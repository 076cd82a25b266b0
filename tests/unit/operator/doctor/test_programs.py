"""The doctor on interpreter, runtime, sendmail, PATH, softlimit, users, disk and clock."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytools.process import launcher
from qmail.operator import interpreter
from qmail.operator.doctor.disk import check_clock, check_disk, of_file_system
from qmail.operator.doctor.people import check_aliases, check_users
from qmail.operator.doctor.programs import (
    check_interpreter,
    check_path,
    check_running,
    check_sendmail,
    check_softlimit,
)
from qmail.operator.doctor.tree import check_programs
from qmail.operator.places import Owners
from qmail.operator.running import Process
from tests.unit.operator.doctor.scene import Check, Scene

SETUP = "cd /src && make setup check"
SVC = "/usr/local/bin/svc"


@pytest.fixture(autouse=True)
def _public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter of the tests may lie in anybody's home."""
    monkeypatch.setattr(interpreter, "hidden_by", lambda path: None)
    monkeypatch.setattr(interpreter, "changeable_at", lambda path: None)


ONLY_ROOT = "#!/bin/sh\n[ `id -u` = 0 ] || { echo no libpython >&2; exit 127; }\n"


class Nobodies(Owners):
    """Those of a real installation, as far as this machine has such users."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self.trial = False

    def uid(self, name: str) -> int:
        return 65534 if name == "qmaild" else self._owners.uid(name)

    def gid(self, name: str) -> int:
        return 65534 if name == "nofiles" else self._owners.gid(name)


def install(
    scene: Scene, name: str, python: str = sys.executable, code: str | None = None
) -> Path:
    """A launcher in /usr/local/bin."""
    path = scene.root / "usr/local/bin" / name
    path.write_bytes(
        launcher.render(
            name.encode(), b"/var/qmail", python, None if code is None else [code]
        )
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "check",
    [check_interpreter, check_sendmail, check_path, check_softlimit, check_clock]
    + [check_aliases],
)
def test_nothing_is_wrong_at_first(scene: Scene, check: Check) -> None:
    install(scene, "svc")
    install(scene, "softlimit")
    assert scene.found(check) == []


def test_interpreter_is_gone(scene: Scene) -> None:
    install(scene, "svc", "/usr/bin/python3.99")
    install(scene, "svok", "/usr/bin/python3.99")
    assert scene.found(check_interpreter) == [("interpreter-missing", SETUP)]


@pytest.mark.parametrize(
    ("part", "remedy"),
    [
        ("/opt/py", "chmod o+rx /opt/py"),
        ("/root", "cd /src && PYTHON=/usr/bin/python3 make setup check"),
        ("/home/joe", "cd /src && PYTHON=/usr/bin/python3 make setup check"),
    ],
)
def test_interpreter_or_code_is_private(
    scene: Scene, part: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(scene, "svc")
    for is_code, code in ((False, "interpreter-private"), (True, "runtime-private")):
        monkeypatch.setattr(
            interpreter,
            "hidden_by",
            lambda path, is_code=is_code: (
                part * (path.endswith("/.") == is_code) or None
            ),
        )
        assert scene.found(check_interpreter) == [(code, remedy)]


def test_interpreter_can_be_changed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(scene, "svc")
    monkeypatch.setattr(interpreter, "changeable_at", lambda path: "/opt/x y")
    assert scene.found(check_interpreter) == [
        ("interpreter-changeable", "chown root '/opt/x y' && chmod go-w '/opt/x y'")
    ]


def test_interpreter_does_not_run(scene: Scene) -> None:
    python = scene.put("usr/bin/python", "#!/bin/sh\necho no libpython >&2\nexit 3\n")
    python.chmod(0o755)
    install(scene, "svc", str(python))
    (finding,) = check_interpreter(scene.machine)
    assert (finding.code, finding.remedy) == ("interpreter-broken", f"ldd {python}")
    assert finding.what.endswith("which does not run: no libpython")
    # Setup may take the same again, so it is told of another.
    system = scene.root / "usr/bin/python3"
    system.symlink_to(sys.executable)
    assert scene.found(check_interpreter) == [
        ("interpreter-broken", "cd /src && PYTHON=/usr/bin/python3 make setup check")
    ]
    for script in ("exit 1", "exec no-such-program"):
        system.unlink()
        scene.put("usr/bin/python3", f"#!/bin/sh\n{script}\n", 0o755)
        assert scene.found(check_interpreter) == [
            ("interpreter-broken", "ldd /usr/bin/python")
        ]
    system.unlink()
    system.symlink_to(python)
    assert scene.found(check_interpreter) == [
        ("interpreter-broken", "ldd /usr/bin/python")
    ]


@pytest.mark.usefixtures("as_root")
def test_interpreter_that_only_root_can_start(scene: Scene) -> None:
    assert scene.machine.owners is not None
    scene.change(owners=Nobodies(scene.machine.owners))
    python = scene.put("usr/bin/python", ONLY_ROOT, 0o755)
    install(scene, "svc", str(python))
    ((code, remedy),) = scene.found(check_interpreter)
    assert code == "interpreter-broken"
    assert remedy == "su qmaild -s /bin/sh -c 'ldd /usr/bin/python'"
    (finding,) = check_interpreter(scene.machine)
    assert " which does not run as qmaild: " in finding.what


def test_runtime_is_gone_or_broken(scene: Scene) -> None:
    code = scene.root / "usr/local/lib/pyqmail/1/lib"
    install(scene, "svc", code=str(code))
    assert scene.found(check_interpreter) == [("runtime-missing", SETUP)]
    broken = "/usr/local/lib/pyqmail/1"
    code.parent.mkdir(parents=True)
    assert scene.found(check_interpreter) == [
        ("runtime-missing", f"mv {broken} {broken}.broken && {SETUP}")
    ]
    code.mkdir()
    assert scene.found(check_interpreter) == [
        ("runtime-broken", f"mv {broken} {broken}.broken && {SETUP}")
    ]


def test_launcher_of_garbage_is_no_crash(scene: Scene) -> None:
    path = install(scene, "svc")
    path.write_bytes(b"#!/x y\nimport sys\nsys.path[:0] = [oops]\n")
    assert scene.found(check_interpreter) == []


def test_programs_of_two_versions(scene: Scene) -> None:
    for name in ("svc", "svok", "svstat"):
        install(scene, name)
    install(scene, "tcpserver", code="/elsewhere")
    found = scene.found(check_programs)
    assert ("program-version", SETUP) in found
    assert ("path-missing", SETUP) in found


def test_many_programs_of_another_version_are_one_finding(scene: Scene) -> None:
    names = ("svc", "svok", "svstat", "svscan", "supervise", "setlock", "fghack")
    for name in names:
        install(scene, name)
    others = ("tcpserver", "tcpclient", "tcprules", "recordio", "fixcrio")
    for name in others:
        install(scene, name, code="/elsewhere")
    (one,) = (x for x in check_programs(scene.machine) if x.code == "program-version")
    assert one.what.startswith(f"{scene.root}/usr/local/bin/")
    assert one.what.endswith(" (and 1 more) are of another version")
    assert one.what.count("/usr/local/bin/") == 4


def test_sendmail_of_another(scene: Scene) -> None:
    link = "/usr/sbin/sendmail"
    (scene.root / link[1:]).unlink()
    scene.put(link[1:], "")
    ((code, remedy),) = scene.found(check_sendmail)
    assert code == "sendmail-foreign"
    make = f"ln -s /var/qmail/bin/sendmail {link}"
    assert remedy == f"mv -T {link} {link}.old && {make}"
    (scene.root / link[1:]).unlink()
    assert scene.found(check_sendmail) == [("sendmail-missing", make)]


def test_sendmail_that_dangles(scene: Scene) -> None:
    (scene.root / "usr/lib").mkdir()
    (scene.root / "usr/lib/sendmail").symlink_to("/etc/alternatives/gone")
    assert scene.codes(check_sendmail) == ["sendmail-foreign"]


def test_programs_before_ours_in_path(scene: Scene) -> None:
    for name in ("svc", "tcpserver"):
        install(scene, name)
        scene.put(f"usr/bin/{name}", "", 0o755)
    # The guide's qmailctl has /usr/bin before /usr/local/bin.
    assert scene.codes(check_path) == ["path-foreign"]
    qmailctl = scene.home / "bin/qmailctl"
    qmailctl.write_text(qmailctl.read_text().replace("\nPATH=", "\nNO_PATH="))
    assert scene.found(check_path) == []
    scene.change(search_path=f"{scene.root}/usr/bin:{scene.root}/usr/local/bin")
    ((code, remedy),) = scene.found(check_path)
    assert code == "path-foreign"
    assert remedy.startswith("cd /usr/bin && for p in ")
    info = "var/lib/dpkg/info"
    base = scene.root / "usr/bin"
    scene.put(f"{info}/daemontools.list", f"/.\n{base}/svc\n{base}/svstat\n")
    scene.put(f"{info}/ucspi-tcp:amd64.list", f"{base}/tcpserver\n")
    assert scene.found(check_path) == [
        ("path-foreign", "apt-get remove daemontools ucspi-tcp")
    ]


def test_softlimit_of_another_kind(scene: Scene) -> None:
    run = scene.home / "supervise/qmail-smtpd/run"
    text = run.read_text()
    own = f"{scene.root}/usr/local/bin/softlimit"
    assert own in text
    foreign = scene.put("usr/bin/softlimit", b"\x7fELF", 0o755)
    install(scene, "softlimit")
    run.write_text(text.replace(own, str(foreign)))
    ((code, remedy),) = scene.found(check_softlimit)
    assert code == "softlimit-foreign"
    change = "s,/usr/bin/softlimit,/usr/local/bin/softlimit,"
    assert f"sed -i {change} /service/qmail-smtpd/run && svc -t " in remedy
    for enough in ("50000000", "9" * 12):
        run.write_text(
            text.replace(own, str(foreign)).replace("-m 5000000", f"-m {enough}")
        )
        assert scene.found(check_softlimit) == []


def test_original_below_a_limit_is_found(scene: Scene) -> None:
    service = os.path.realpath(scene.root / "service/qmail-smtpd")
    server = Process(
        551,
        f"{scene.root}/usr/local/bin/tcpserver",
        service,
        ("tcpserver", "0", "smtp", f"{scene.home}/bin/qmail-smtpd"),
        5_000_000,
    )
    scene.change(every_process=lambda: [server])
    (finding,) = check_running(scene.machine)
    assert (finding.code, finding.remedy) == ("softlimit-original", "qmailctl restart")
    assert finding.what.startswith("tcpserver (551) of the original: ")
    for limit in (None, 1 << 30):
        enough = replace(server, limit=limit)
        scene.change(every_process=lambda enough=enough: [enough])
        assert scene.found(check_running) == []


def dave(scene: Scene, **fields: object) -> None:
    """dave, with another uid than the test's where that is asked for."""
    user = {"name": "dave", "uid": scene.uid or 1000, "shell": "/bin/sh", **fields}
    scene.dave = pwd.struct_passwd(
        (user["name"], "x", user["uid"], 1000, "", "/home/dave", user["shell"])
    )


@pytest.fixture
def home(scene: Scene) -> Path:
    """dave's home, his own."""
    path = scene.root / "home/dave"
    if os.geteuid() == 0:
        os.chown(path, 1000, 1000)
    dave(scene)
    return path


def give(path: Path) -> None:
    """Make it dave's."""
    if os.geteuid() == 0:
        os.chown(path, 1000, 1000, follow_symlinks=False)


def maildir(home: Path, parts: tuple[str, ...] = ("tmp", "new", "cur")) -> Path:
    path = home / "Maildir"
    path.mkdir()
    give(path)
    for part in parts:
        (path / part).mkdir()
        give(path / part)
    return path


def test_user_with_a_maildir(scene: Scene, home: Path) -> None:
    maildir(home)
    assert scene.found(check_users) == []


def test_user_without_a_maildir(scene: Scene, home: Path) -> None:
    assert scene.found(check_users) == [
        (
            "maildir-missing",
            "su dave -s /bin/sh -c '/var/qmail/bin/maildirmake ~/Maildir'",
        )
    ]
    dave(scene, shell="/usr/sbin/nologin")
    assert scene.found(check_users) == []
    dave(scene)
    scene.put("home/dave/.qmail", "&ann@example.org\n")
    assert scene.found(check_users) == []


@pytest.mark.usefixtures("home")
def test_accounts_of_qmail_get_no_mail(scene: Scene) -> None:
    assert scene.codes(check_users) == ["maildir-missing"]
    dave(scene, name="alias")
    assert scene.codes(check_users) == []


def test_assigned_users_are_the_operators(scene: Scene, home: Path) -> None:
    scene.put("var/qmail/users/cdb", b"")
    assert scene.found(check_users) == []


@pytest.mark.parametrize("default", ["./Mailbox\n", "|procmail\n", ""])
def test_no_maildir_is_asked_for(scene: Scene, home: Path, default: str) -> None:
    scene.put("var/qmail/control/defaultdelivery", default)
    assert scene.found(check_users) == []


def test_many_users_share_a_finding(scene: Scene, home: Path) -> None:
    scene.change(getpwall=lambda: [scene.dave] * 20)
    found = scene.found(check_users)
    assert [code for code, _ in found] == ["maildir-missing"] * 3
    assert found[0][1] == (
        f'for u in {"dave " * 7}dave; do su "$u" -s /bin/sh -c'
        " '/var/qmail/bin/maildirmake ~/Maildir'; done"
    )


def test_half_a_maildir(scene: Scene, home: Path) -> None:
    maildir(home, ("new",))
    ((code, remedy),) = scene.found(check_users)
    assert code == "maildir-broken"
    place = "/home/dave/Maildir"
    assert remedy == (f"su dave -s /bin/sh -c 'mkdir -m 700 {place}/tmp {place}/cur'")


def test_mbox_in_the_place_of_a_maildir(scene: Scene, home: Path) -> None:
    give(scene.put("home/dave/Maildir", "From \n"))
    ((code, remedy),) = scene.found(check_users)
    assert code == "maildir-broken"
    assert (
        "mv -T --backup=numbered /home/dave/Maildir /home/dave/Maildir.mbox && "
        in remedy
    )


M = "/home/dave/Maildir"


@pytest.mark.usefixtures("as_root")
def test_maildir_of_roots(scene: Scene, home: Path) -> None:
    # SECURITY: the user does it; he may lay out links while the operator reads.
    os.chown(maildir(home) / "new", 0, 0)
    assert scene.found(check_users) == [
        (
            "maildir-owner",
            f"su dave -s /bin/sh -c 'mv -T --backup=numbered {M}/new {M}/new.old"
            f" && mkdir -m 700 {M}/new'",
        )
    ]
    os.chown(home / "Maildir", 0, 0)
    assert scene.found(check_users) == [
        (
            "maildir-owner",
            f"su dave -s /bin/sh -c 'mv -T --backup=numbered {M} {M}.old &&"
            f" /var/qmail/bin/maildirmake {M}'",
        )
    ]


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("target", ["/home/victim/Maildir", "/", "/nowhere", "/etc"])
@pytest.mark.parametrize("at", ["Maildir", "Maildir/new"])
def test_link_of_a_user_leads_root_nowhere(
    scene: Scene, home: Path, target: str, at: str
) -> None:
    for part in ("tmp", "new", "cur"):
        (scene.root / "home/victim/Maildir" / part).mkdir(parents=True)
    if "victim" in target:
        target = f"{scene.root}{target}"
    if "/" in at:
        maildir(home, ("tmp", "cur"))
    (home / at).symlink_to(target)
    give(home / at)
    assert scene.found(check_users) == [
        ("maildir-link", f"namei -l {M}/tmp {M}/new {M}/cur")
    ]


def test_link_to_a_maildir_of_the_users_own_is_right(scene: Scene, home: Path) -> None:
    maildir(home).rename(home / "kept")
    (home / "Maildir").symlink_to("kept")
    assert scene.found(check_users) == []


def test_link_above_the_maildir_is_a_link_too(scene: Scene, home: Path) -> None:
    scene.put("var/qmail/control/defaultdelivery", "./mail/in/\n")
    (scene.root / "home/other/in").mkdir(parents=True)
    (home / "mail").symlink_to("../other")
    assert scene.codes(check_users) == ["maildir-link"]


@pytest.mark.parametrize(
    ("default", "made"),
    [("./.maildir/", ".maildir"), ("./in box/", "'in box'"), ("./a//b/", "a/b")],
)
def test_maildir_has_the_name_that_was_asked_for(
    scene: Scene, home: Path, default: str, made: str
) -> None:
    scene.put("var/qmail/control/defaultdelivery", f"{default}\n")
    ((code, remedy),) = scene.found(check_users)
    assert code == "maildir-missing"
    script = shlex.split(remedy)[-1].replace(str(scene.root), "")
    assert script == f"/var/qmail/bin/maildirmake ~/{made}"


@pytest.mark.parametrize("default", ["./", "./../mail/", "././"])
def test_home_itself_is_no_maildir(scene: Scene, home: Path, default: str) -> None:
    scene.put("var/qmail/control/defaultdelivery", f"{default}\n")
    assert scene.found(check_users) == []


@pytest.mark.usefixtures("as_root")
def test_home_of_roots_and_home_for_all(scene: Scene, home: Path) -> None:
    maildir(home)
    home.chmod(0o777)
    assert scene.found(check_users) == [("home-writable", "chmod o-w /home/dave")]
    os.chown(home, 0, 0)
    assert scene.found(check_users) == [("home-owner", "chown dave /home/dave")]
    dave(scene, name="bin")
    assert scene.found(check_users) == []


def test_instructions_that_have_mail_wait(scene: Scene, home: Path) -> None:
    maildir(home)
    (home / ".qmail").write_text("./Maildir/\n")
    (home / ".qmail").chmod(0o666)
    home.chmod(0o1755)
    su = "su dave -s /bin/sh -c"
    assert scene.found(check_users) == [
        ("home-sticky", f"{su} 'chmod -t /home/dave'"),
        ("dot-qmail-writable", f"{su} 'chmod o-w /home/dave/.qmail'"),
    ]
    home.chmod(0o755)
    (home / ".qmail").chmod(0o600)
    assert scene.found(check_users) == []


def test_user_name_of_garbage_is_quoted(scene: Scene, home: Path) -> None:
    dave(scene, name="a;b'")
    ((_, remedy),) = scene.found(check_users)
    assert remedy.startswith("su 'a;b'\"'\"'' -s ")


A = "/var/qmail/alias/.qmail-"


def put_alias(name: str, fill: str) -> str:
    return (
        f'f=$(mktemp /var/qmail/alias.XXXXXX) && {fill} && chmod 644 "$f"'
        f' && mv -T "$f" {A}{name} || {{ rm -f "$f"; false; }}'
    )


def say(name: str) -> str:
    return put_alias(name, 'echo dave > "$f"')


def copy(name: str) -> str:
    return put_alias(name, f'dd if={A}{name} of="$f" iflag=nofollow status=none')


def heal(scene: Scene, remedy: str) -> None:
    """Do what was said, in the scene."""
    command = remedy.replace("/var/qmail", str(scene.home))
    subprocess.run(command, shell=True, check=True)


def test_aliases(scene: Scene) -> None:
    place = scene.home / "alias"
    (place / ".qmail-root").unlink()
    (place / ".qmail-abuse").unlink()
    (place / ".qmail-postmaster").chmod(0o000)
    (place / ".qmail-mailer-daemon").chmod(0o666)
    found = scene.found(check_aliases)
    assert found == [
        ("alias-missing", say("root")),
        ("alias-unreadable", copy("postmaster")),
        ("alias-writable", copy("mailer-daemon")),
        ("alias-missing", f"ln -sfn .qmail-postmaster {A}abuse"),
    ]
    asked = put_alias("root", '${EDITOR:-vi} "$f" && test -s "$f"')
    for name in ("é", "a;b", "-n x"):
        dave(scene, name=name)
        assert scene.found(check_aliases)[0][1] == asked
    scene.change(getpwall=list)
    assert scene.found(check_aliases)[0][1] == asked
    # Who writes nothing has made nothing.
    command = asked.replace("/var/qmail", str(scene.home))
    environ = {**os.environ, "EDITOR": "true"}
    assert subprocess.run(command, shell=True, env=environ, check=False).returncode == 1
    assert not (place / ".qmail-root").exists()
    assert not list(scene.home.glob("alias.*"))
    for _, remedy in found:
        heal(scene, remedy)
    assert scene.found(check_aliases) == []
    assert (place / ".qmail-mailer-daemon").read_text() == "dave\n"
    assert not list(scene.home.glob("alias.*"))


@pytest.mark.parametrize("name", ["root", "postmaster", "abuse"])
@pytest.mark.parametrize("target", ["../../../etc/shadow", "../../../etc/evil"])
def test_link_of_alias_leads_root_nowhere(scene: Scene, name: str, target: str) -> None:
    shadow = scene.put("etc/shadow", "secret\n", 0o600)
    path = scene.home / f"alias/.qmail-{name}"
    path.unlink()
    path.symlink_to(target)
    ((code, remedy),) = scene.found(check_aliases)
    assert code == "alias-link"
    heal(scene, remedy)
    assert scene.found(check_aliases) == []
    assert path.read_text() == "dave\n"
    assert shadow.stat().st_mode & 0o777 == 0o600
    assert shadow.read_text() == "secret\n"
    assert not (scene.root / "etc/evil").exists()


def test_links_within_the_directory_are_the_guides(scene: Scene) -> None:
    path = scene.home / "alias/.qmail-abuse"
    path.unlink()
    path.symlink_to(".qmail-nowhere")
    expected = [("alias-missing", f"ln -sfn .qmail-postmaster {A}abuse")]
    assert scene.found(check_aliases) == expected
    path.unlink()
    path.symlink_to(".qmail-postmaster")
    assert scene.found(check_aliases) == []


def test_alias_with_carriage_returns(scene: Scene) -> None:
    path = scene.home / "alias/.qmail-root"
    path.write_bytes(b"dave\r\n&ann@a.example\r\n")
    ((code, remedy),) = scene.found(check_aliases)
    assert code == "alias-cr"
    heal(scene, remedy)
    assert path.read_bytes() == b"dave\n&ann@a.example\n"
    assert scene.found(check_aliases) == []


@pytest.mark.parametrize("line", ["postmaster", "&Postmaster "])
def test_alias_that_forwards_to_itself(scene: Scene, line: str) -> None:
    (scene.home / "alias/.qmail-postmaster").write_text(f"{line}\n")
    ((code, remedy),) = scene.found(check_aliases)
    assert (code, remedy) == ("alias-loop", say("postmaster"))
    heal(scene, remedy)
    assert scene.found(check_aliases) == []
    (scene.home / "alias/.qmail-root").write_text("postmaster\n")
    # What else is there would be lost.
    (scene.home / "alias/.qmail-abuse").write_text("abuse\n|prog\n")
    assert scene.found(check_aliases) == []


def test_file_with_another_name_is_not_changed(scene: Scene) -> None:
    path = scene.home / "alias/.qmail-root"
    os.link(path, scene.root / "etc/other")
    path.chmod(0)
    assert scene.found(check_aliases) == [("alias-unreadable", f"ls -li {A}root")]


def test_mail_that_goes_elsewhere_needs_no_alias(scene: Scene) -> None:
    for path in (scene.home / "alias").iterdir():
        path.unlink()
    assert scene.codes(check_aliases) == ["alias-missing"] * 4
    scene.put("var/qmail/users/cdb", b"")
    scene.put("var/qmail/users/assign", "=root:x:1:1:/::\n+po:x:1:1:/::\n.\n")
    assert scene.codes(check_aliases) == ["alias-missing"] * 2
    (scene.home / "users/cdb").unlink()
    scene.put("var/qmail/alias/.qmail-default", "| fastforward /etc/aliases.cdb\n")
    assert scene.found(check_aliases) == []


@pytest.mark.usefixtures("as_root")
def test_user_abuse_gets_his_own_mail(scene: Scene) -> None:
    (scene.home / "alias/.qmail-abuse").unlink()
    os.chown(scene.root / "home/dave", 1000, 1000)

    def account(name: str) -> pwd.struct_passwd:
        uid = 1000 if name == "abuse" else 0
        return pwd.struct_passwd((name, "x", uid, 0, "", "/home/dave", "/bin/sh"))

    scene.change(getpwnam=account)
    assert scene.found(check_aliases) == []
    os.chown(scene.root / "home/dave", 0, 0)
    assert scene.codes(check_aliases) == ["alias-missing"]


def file_system(**fields: int) -> os.statvfs_result:
    names = (
        *("bsize", "frsize", "blocks", "bfree", "bavail"),
        *("files", "ffree", "favail", "flag", "namemax"),
    )
    usual = {"frsize": 4096, "blocks": 1 << 20, "bavail": 1 << 19, "files": 1 << 20}
    usual |= {"favail": 1 << 19}
    return os.statvfs_result([{**usual, **fields}.get(name, 0) for name in names])


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"bavail": 1000}, ["disk-full"]),
        ({"bavail": 10000}, ["disk-full"]),
        ({"blocks": 1 << 40, "bavail": 300000}, []),
        ({"blocks": 100000, "bavail": 8000}, ["disk-full"]),
        ({"blocks": 100000, "bavail": 9000}, []),
        ({"blocks": 150, "bavail": 50}, []),
        ({"blocks": 150, "bavail": 30}, ["disk-full"]),
        ({"favail": 10}, ["disk-no-inodes"]),
        # btrfs counts no inodes.
        ({"files": 0, "favail": 0}, []),
        ({"flag": os.ST_RDONLY, "bavail": 0}, ["disk-read-only"]),
    ],
)
def test_file_system(fields: dict[str, int], codes: list[str]) -> None:
    found = list(of_file_system("/a b", file_system(**fields)))
    assert [one.code for one in found] == codes
    assert all("'/a b'" in one.remedy for one in found)


def test_each_file_system_is_found_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = file_system(bavail=1)
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert scene.codes(check_disk) == ["disk-full"]


def test_clock(scene: Scene) -> None:
    scene.change(now=lambda: 1e9)
    assert scene.found(check_clock) == [("clock-behind", "timedatectl set-ntp true")]
