"""The doctor on accounts and control files: found with its command, else silent."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

import pytest

from qmail.operator.doctor.accounts import check_accounts
from qmail.operator.doctor.checks import CHECKS, examine
from qmail.operator.doctor.control import check_control, check_domains, check_reread
from tests.unit.operator.doctor.scene import HOST, Scene

C = "/var/qmail/control"
STRIP = (
    "sed -i -e 's/^[[:blank:]]*//' -e 's/[[:blank:]]*$//' -e '/^#/b'"
    " -e 's/^\\([^:[:blank:]]*\\)[[:blank:]][[:blank:]]*#.*/\\1/'"
)
RESTART = "svc -t /service/qmail-send"
EDIT = "${EDITOR:-vi} "
REREAD = "svc -h /service/qmail-send"


@pytest.mark.parametrize("check", [check_accounts, check_control, check_domains])
def test_nothing_is_wrong_at_first(scene: Scene, check: object) -> None:
    assert scene.found(check) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["alias", "qmailq"])
def test_missing_user_is_found(scene: Scene, user: str) -> None:
    def account(name: str) -> object:
        if name == user:
            raise KeyError(name)
        return scene.account(name)

    scene.change(getpwnam=account)
    group = {"alias": "nofiles", "qmailq": "qmail"}[user]
    ((code, remedy),) = scene.found(check_accounts)
    assert code == "user-missing"
    assert remedy.startswith(f"useradd {user} -g {group} -d /var/qmail")


def test_missing_groups_are_found(scene: Scene) -> None:
    def no_group(name: str) -> object:
        raise KeyError(name)

    scene.change(getgrnam=no_group)
    assert scene.found(check_accounts) == [
        ("group-missing", "groupadd qmail"),
        ("group-missing", "groupadd nofiles"),
    ]


def test_user_in_another_group_is_found(scene: Scene) -> None:
    import pwd

    def account(name: str) -> pwd.struct_passwd:
        gid = scene.gid + (name == "qmails")
        return pwd.struct_passwd((name, "x", 1, gid, "", "/", "/bin/false"))

    scene.change(getpwnam=account)
    assert scene.found(check_accounts) == [
        ("user-wrong-group", "usermod -g qmail qmails")
    ]


@pytest.mark.parametrize(
    ("name", "content", "code", "remedy"),
    [
        ("me", "", "me-missing", None),
        ("me", None, "me-missing", None),
        ("me", "foobar\n", "me-no-domain", None),
        (
            "concurrencyincoming",
            None,
            "concurrencyincoming-missing",
            f"echo 20 > {C}/concurrencyincoming",
        ),
        *(
            (
                "concurrencyincoming",
                f"{bad}\n",
                "concurrencyincoming-bad",
                f"echo 20 > {C}/concurrencyincoming && svc -t /service/qmail-smtpd",
            )
            for bad in ("many", "0", "-1", "2 0", "9" * 40)
        ),
        (
            "defaultdelivery",
            None,
            "defaultdelivery-missing",
            f"echo ./Maildir/ > {C}/defaultdelivery && {RESTART}",
        ),
        (
            "defaultdelivery",
            "./Maildir\n",
            "defaultdelivery-mbox",
            f"sed -i 's,^\\./Maildir[[:space:]]*$,./Maildir/,' {C}/defaultdelivery"
            f" && {RESTART}",
        ),
        ("rcpthosts", f"{HOST}\r\n", "control-cr", f"sed -i 's/\\r$//' {C}/rcpthosts"),
        (
            "queuelifetime",
            "100 # short\n",
            "control-comment",
            f"sed -i -e 's/[[:blank:]]*#.*//' -e '/^$/d' {C}/queuelifetime",
        ),
        *(
            ("databytes", f"{bad}\n", "control-no-number", f"{EDIT}{C}/databytes")
            for bad in ("many", "-1", " 5", "# 5")
        ),
        (
            "helohost",
            " a.example\n",
            "control-blank",
            f"sed -i -e 's/^[[:blank:]]*//' -e 's/[[:blank:]]*$//' {C}/helohost",
        ),
        (
            "me",
            f"{HOST} \n",
            "control-blank",
            f"sed -i -e 's/^[[:blank:]]*//' -e 's/[[:blank:]]*$//' {C}/me",
        ),
        (
            "rcpthosts",
            f"{HOST} # ours\n",
            "control-blank",
            f"{STRIP} {C}/rcpthosts",
        ),
        (
            "rcpthosts",
            f"{HOST}\n # x\n\tb.example\n",
            "control-blank",
            f"{STRIP} {C}/rcpthosts",
        ),
        *(
            (
                "rcpthosts",
                f"{HOST}\n{line}\n",
                "control-blank",
                "grep -n '^[[:blank:]]*[^#:[:blank:]][^:[:blank:]]*[[:blank:]]'"
                f" {C}/rcpthosts",
            )
            for line in ("a.example b.example", "  a.example\tb.example # x")
        ),
    ],
)
def test_control_file_is_found(
    scene: Scene, name: str, content: str | None, code: str, remedy: str | None
) -> None:
    if content is None:
        (scene.control / name).unlink()
    else:
        scene.put(f"var/qmail/control/{name}", content)
    ((found, command),) = scene.found(check_control)
    assert found == code
    if remedy is None:
        # It depends on the host name of this machine.
        known = f"echo {os.uname().nodename} > " if "." in os.uname().nodename else ""
        assert command.startswith(f"{known or EDIT}{C}/{name}")
    else:
        assert command == remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("defaultdelivery", "./Mailbox\n"),
        ("defaultdelivery", "|dot-forward .forward\n./Mailbox\n"),
        ("defaultdelivery", "./Maildir/  \n"),
        ("defaultdelivery", "&dave\n"),
        ("smtpgreeting", f" {HOST} # hello\n"),
        ("bouncefrom", "a#b \n"),
        ("rcpthosts", f"# a comment\n{HOST}  \n"),
        ("signatures", " a file of the operator's # own\n"),
        ("virtualdomains", "a.example:dave with blanks\n"),
        ("concurrencyincoming", "1"),
        ("databytes", "5\n"),
        ("databytes", ""),
    ],
)
def test_what_is_right_is_not_found(scene: Scene, name: str, content: str) -> None:
    scene.put(f"var/qmail/control/{name}", content)
    assert scene.found(check_control) == []


def test_any_mailbox_that_is_a_directory_is_found(scene: Scene) -> None:
    (scene.root / "home/dave/mail").mkdir()
    scene.put("var/qmail/control/defaultdelivery", "|prog\n./mail\n")
    ((code, remedy),) = scene.found(check_control)
    assert code == "defaultdelivery-mbox"
    assert "'s,^\\./mail[[:space:]]*$,./mail/,'" in remedy


def test_blanks_are_stripped_and_no_name_is_lost(scene: Scene) -> None:
    path = scene.put(
        "var/qmail/control/rcpthosts", f" {HOST} # ours\n# a b\n\ta.example \n"
    )
    ((_, remedy),) = scene.found(check_control)
    subprocess.run(remedy.replace(C, str(scene.control)), shell=True, check=True)
    assert path.read_text() == f"{HOST}\n# a b\na.example\n"
    assert scene.found(check_control) == []


def test_line_with_two_names_is_shown(scene: Scene) -> None:
    scene.put("var/qmail/control/rcpthosts", f"{HOST}\n a.example b.example\n# a b\n")
    ((_, remedy),) = scene.found(check_control)
    done = subprocess.run(
        remedy.replace(C, str(scene.control)), shell=True, capture_output=True
    )
    assert done.stdout == b"2: a.example b.example\n"


def test_key_of_tls_is_not_published(scene: Scene) -> None:
    scene.put("var/qmail/control/servercert.pem", "KEY \r\n", 0o640)
    scene.put("var/qmail/control/rcpthosts.old", " x y\n", 0o600)
    assert scene.found(check_control) == []


def test_unreadable_file_is_found(scene: Scene) -> None:
    (scene.control / "locals").chmod(0o600)
    assert scene.found(check_control) == [
        ("control-unreadable", f"chmod 644 {C}/locals")
    ]


@pytest.mark.parametrize("name", ["defaultdelivery", "concurrencyincoming"])
def test_what_the_scripts_read_as_root_may_be_roots_alone(
    scene: Scene, name: str
) -> None:
    (scene.control / name).chmod(0o600)
    assert scene.found(check_control) == []


@pytest.mark.parametrize("garbage", [b"\xff\0" * 500, b"", b"\r", b"\n\n#", b" "])
@pytest.mark.parametrize(
    "name", ["me", "locals", "virtualdomains", "defaultdelivery", "rcpthosts"]
)
def test_garbage_is_no_crash(scene: Scene, name: str, garbage: bytes) -> None:
    scene.put(f"var/qmail/control/{name}", garbage)
    for check in (check_control, check_domains):
        for code, remedy in scene.found(check):
            assert code
            assert remedy.isprintable()


def test_fifo_is_not_waited_for(scene: Scene) -> None:
    (scene.control / "me").unlink()
    os.mkfifo(scene.control / "me")
    (scene.control / "concurrencyincoming").write_text("0\n")
    scene.put("var/qmail/control/rcpthosts", f"{HOST}\r\n")
    assert scene.found(check_control) == [
        (
            "concurrencyincoming-bad",
            f"echo 20 > {C}/concurrencyincoming && svc -t /service/qmail-smtpd",
        ),
        ("unreadable", f"namei -l {C}/me"),
        ("control-cr", f"sed -i 's/\\r$//' {C}/rcpthosts"),
    ]


@pytest.mark.parametrize("name", ["me", "locals", "databytes"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_found_once(
    scene: Scene, name: str, make: Callable[[str], None]
) -> None:
    (scene.control / name).unlink(missing_ok=True)
    make(f"{scene.control}/{name}")
    every = tuple(one for one in CHECKS if one.name != "dns")
    report = examine(scene.machine, every)
    assert report.failures == []
    found = [one.what for one in report.findings if one.code == "unreadable"]
    assert [what.split(" cannot")[0] for what in found] == [f"{scene.control}/{name}"]


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("Maildir/", "./Maildir/"),
        ("&Maildir/", "./Maildir/"),
        ("Maildir", "./Maildir/"),
        ("mailbox", "./Mailbox"),
        ("~/Maildir/", "./Maildir/"),
        ("$HOME/Mail/in/", "./Mail/in/"),
        (" ./Maildir/", "./Maildir/"),
    ],
)
def test_default_delivery_that_is_an_address_is_found(
    scene: Scene, line: str, becomes: str
) -> None:
    path = scene.put("var/qmail/control/defaultdelivery", f"|prog\n{line} \n")
    ((code, remedy),) = scene.found(check_control)
    assert code == "defaultdelivery-forward"
    change, _, restart = remedy.partition(" && ")
    assert restart == RESTART
    subprocess.run(change.replace(C, str(scene.control)), shell=True, check=True)
    assert path.read_text() == f"|prog\n{becomes}\n"
    assert scene.found(check_control) == []


def test_carriage_return_within_a_line_is_shown(scene: Scene) -> None:
    path = scene.put("var/qmail/control/rcpthosts", f"{HOST}\ra.example\r\n")
    (finding,) = check_control(scene.machine)
    assert finding.what == f"{path} has CR within a line"
    assert finding.remedy == f"cat -A {path}"
    path.write_bytes(f"{HOST}\r\r\n".encode())
    (finding,) = check_control(scene.machine)
    subprocess.run(finding.remedy, shell=True, check=True)
    assert path.read_text() == f"{HOST}\n"


def test_no_file_is_put_in_the_place_of_a_link(scene: Scene) -> None:
    real = scene.put("etc/rcpthosts", f"{HOST}\r\n")
    (scene.control / "rcpthosts").unlink()
    (scene.control / "rcpthosts").symlink_to(real)
    assert scene.found(check_control) == [("control-cr", f"{EDIT}{C}/rcpthosts")]


def write_domains(scene: Scene, locals_: str, virtual: str, rcpthosts: str) -> None:
    scene.put("var/qmail/control/locals", locals_)
    scene.put("var/qmail/control/virtualdomains", virtual)
    scene.put("var/qmail/control/rcpthosts", rcpthosts)


@pytest.mark.parametrize(
    ("locals_", "virtual", "rcpthosts", "expected"),
    [
        (
            "other.example\n",
            "",
            "other.example\n",
            [("locals-lack-me", f"echo {HOST} >> {C}/locals && {REREAD}")],
        ),
        (
            f"{HOST}\n",
            "v.example:dave\n",
            HOST,
            [
                (
                    "rcpthosts-incomplete",
                    f"{{ echo; echo v.example; }} >> {C}/rcpthosts",
                )
            ],
        ),
        (
            f"{HOST}\nV.example\n",
            "v.example:dave\n",
            f"{HOST}\nv.example\n",
            [
                (
                    "local-and-virtual",
                    f"sed -i '/^v\\.example[[:space:]]*$/Id' {C}/locals && {REREAD}",
                )
            ],
        ),
        (
            f"{HOST}\n",
            f"{HOST}:dave\n",
            f"{HOST}\n",
            [
                (
                    "local-and-virtual",
                    f"sed -i '/^foobar\\.example\\.com:/Id' {C}/virtualdomains"
                    f" && {REREAD}",
                )
            ],
        ),
        (
            f"{HOST}\n",
            "v.example:dave\nann@w.example:ann\n.x.example:x\nno.example:\n",
            f"{HOST}\n",
            [
                ("rcpthosts-incomplete", f"echo {name} >> {C}/rcpthosts")
                for name in ("v.example", "w.example", ".x.example")
            ],
        ),
        (f"{HOST}\n", "a.v.example:dave\n", f"{HOST}\n.v.example\n", []),
        (f"{HOST}\nlocalhost\n", "", f"{HOST.upper()}\n", []),
        # The server's own name is virtual, as a whole or as a part.
        ("localhost\n", f"{HOST}:dave\n", f"{HOST}\n", []),
        ("localhost\n", ".example.com:dave\n", f"{HOST}\n.example.com\n", []),
        ("localhost\n", ":dave\n", f"{HOST}\n", []),
        (
            "localhost\n",
            f"{HOST}:\n.example.com:dave\n",
            f"{HOST}\n.example.com\n",
            [("locals-lack-me", f"echo {HOST} >> {C}/locals && {REREAD}")],
        ),
    ],
)
def test_domains_contradict_each_other(
    scene: Scene,
    locals_: str,
    virtual: str,
    rcpthosts: str,
    expected: list[tuple[str, str]],
) -> None:
    write_domains(scene, locals_, virtual, rcpthosts)
    assert scene.found(check_domains) == expected


def test_domain_with_a_slash_is_removed(scene: Scene) -> None:
    write_domains(
        scene, f"{HOST}\na/b,c.[x\n", "a/b,c.[x:dave\n", f"{HOST}\na/b,c.[x\n"
    )
    ((code, remedy),) = scene.found(check_domains)
    assert code == "local-and-virtual"
    change = remedy.partition(" && ")[0].replace(C, str(scene.control))
    subprocess.run(change, shell=True, check=True)
    assert (scene.control / "locals").read_text() == f"{HOST}\n"


@pytest.mark.parametrize("name", ["\udcff.example", "a\x1b.example", "a\\n.example"])
def test_name_that_no_shell_can_say_is_the_editors(scene: Scene, name: str) -> None:
    write_domains(scene, f"{HOST}\n", "", f"{HOST}\n")
    domain = os.fsencode(name)
    (scene.control / "virtualdomains").write_bytes(domain + b":dave\n")
    assert scene.found(check_domains) == [
        ("rcpthosts-incomplete", f"{EDIT}{C}/rcpthosts")
    ]
    (scene.control / "rcpthosts").unlink()
    assert scene.found(check_domains) == [("rcpthosts-missing", f"{EDIT}{C}/rcpthosts")]


def test_missing_rcpthosts_is_made_of_the_local_domains(scene: Scene) -> None:
    write_domains(scene, f"{HOST}\nlocalhost\n", "v.example:dave\n", "")
    (scene.control / "rcpthosts").unlink()
    assert scene.found(check_domains) == [
        (
            "rcpthosts-missing",
            f"printf '%s\\n' {HOST} v.example > {C}/rcpthosts",
        )
    ]


def test_morercpthosts_counts(scene: Scene) -> None:
    write_domains(scene, f"{HOST}\n", "v.example:dave\n", f"{HOST}\n")
    scene.put("var/qmail/control/morercpthosts", "v.example\n")
    assert scene.found(check_domains) == []
    (scene.control / "morercpthosts").unlink()
    scene.put("var/qmail/control/morercpthosts.cdb", b"")
    assert scene.found(check_domains) == []


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("defaultdelivery", "qmail-send"),
        ("bouncefrom", "qmail-send"),
        ("concurrencyincoming", "qmail-smtpd"),
        ("locals", None),
        ("rcpthosts", None),
    ],
)
def test_file_that_is_newer_than_its_service_is_found(
    scene: Scene, name: str, service: str | None
) -> None:
    for path in scene.control.iterdir():
        os.utime(path, (0, time.time() - 5000))
    assert scene.found(check_reread) == []
    scene.put(f"var/qmail/control/{name}", "1\n")
    expected = [("control-not-reread", f"svc -t /service/{service}")]
    assert scene.found(check_reread) == (expected if service else [])
    scene.unsupervised()
    assert scene.found(check_reread) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("example.com relay.example", True),
        ("example.com", True),
        ("example.com: relay.example", True),
        ("example.com:relay.example:smtp", True),
        ("example.com:[2001:db8::1]:", True),
        ("example.com:", False),
        (":relay.example", False),
        (".example.com:[2001:db8::1]:26 \t", False),
        ("example.com:192.0.2.1:26", False),
        ("# example.com relay", False),
        ("", False),
    ],
)
def test_line_that_is_no_route_is_found(
    scene: Scene, line: str, is_found: bool
) -> None:
    scene.put("var/qmail/control/smtproutes", f"a.example:b.example\n{line}\n")
    expected = [("smtproutes-bad", f"{EDIT}{C}/smtproutes")]
    assert scene.found(check_control) == is_found * expected
