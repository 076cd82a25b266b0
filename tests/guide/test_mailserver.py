"""``make mailserver``: the guide in one command, twice, and what it says in trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.guide.server import HOST, SOURCE, WHEELS, GuideServer
from tests.guide.test_mail import send, wait_for_mail

MAKE = "make --no-print-directory mailserver"
KEPT = (
    "/etc/tcp.smtp /usr/bin/qmailctl /var/qmail/rc /var/qmail/bin/qmailctl"
    " /var/qmail/control /var/qmail/alias /var/qmail/supervise/*/run"
    " /var/qmail/supervise/*/log/run"
)
"""What is the operator's: a second run must leave all of it alone."""


def make(
    server: GuideServer,
    variables: str = f"HOST={HOST}",
    env: dict[str, str] | None = None,
) -> tuple[int, str, str]:
    """Run make mailserver; (exit status, standard output, standard error)."""
    done = server.run(
        f"cd {SOURCE} && {MAKE} {variables}",
        check=False,
        env={"WHEELS": str(WHEELS)} if env is None else env,
        seconds=300,
    )
    return done.returncode, done.stdout, done.stderr


def fingerprint(server: GuideServer) -> str:
    """Names, modes, owners, times and content of what must be kept."""
    find = f"find {KEPT} -not -type d -printf '%p %m %U %G %T@ %i %l\\n' | sort"
    sums = f"find {KEPT} -type f -exec cksum {{}} + | sort"
    return server.run(f"{find}; {sums}").stdout


def pids_of(server: GuideServer) -> list[str]:
    """The pid of every service."""
    return re.findall(r"pid \d+", server.run("svstat /service/*").stdout)


def bare_machine() -> GuideServer:
    """A machine with the source and nothing else."""
    server = GuideServer()
    server.unpack()
    return server


@pytest.fixture(scope="module")
def bare() -> Iterator[GuideServer]:
    """A machine on which nothing gets installed: every test on it fails to."""
    server = bare_machine()
    yield server
    server.close()


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[GuideServer, str]]:
    """A server by make mailserver, and what that printed."""
    server = bare_machine()
    try:
        server.add_user("dave", maildir=False)
        code, out, err = make(server, f"HOST={HOST} ADMIN=dave")
        assert code == 0, out + err + server.logs()
        yield server, out
    finally:
        server.close()


def test_mailserver_ends_with_congratulations_and_four_services_up(
    made: tuple[GuideServer, str],
) -> None:
    _, out = made
    assert "Congratulations, your Qmail installation looks good!" in out
    assert "! /" not in out
    stat = out.split("Congratulations")[1]
    for service in ("qmail-send", "qmail-send/log", "qmail-smtpd", "qmail-smtpd/log"):
        assert f"/service/{service}: up (pid " in stat
    assert "messages in queue: 0\n" in stat


def test_mailserver_says_that_delivery_is_to_a_maildir(
    made: tuple[GuideServer, str],
) -> None:
    server, out = made
    assert "./Maildir/ in each user's home: a Maildir, by the slash" in out
    assert server.read("/var/qmail/control/defaultdelivery") == "./Maildir/\n"


def test_mailserver_has_the_guides_rule_and_scripts(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    assert server.read("/etc/tcp.smtp") == '127.:allow,RELAYCLIENT=""\n'
    templates = f"{SOURCE}/service-templates"
    for name in ("qmail-send/run", "qmail-send/log/run"):
        server.run(f"cmp /var/qmail/supervise/{name} {templates}/{name}")
    for name in ("qmail-smtpd/run", "qmail-smtpd/log/run"):
        server.run(f"cmp /var/qmail/supervise/{name} {templates}/{name}")
    server.run(f"cmp /var/qmail/rc {templates}/rc")
    server.run(f"cmp /var/qmail/bin/qmailctl {templates}/qmailctl")


def test_mail_for_a_new_user_is_delivered(made: tuple[GuideServer, str]) -> None:
    server, _ = made
    server.add_user("zoe")
    send(server, "ann@example.org", f"zoe@{HOST}")
    message = wait_for_mail(server, "/home/zoe/Maildir")
    assert f"Delivered-To: zoe@{HOST}\n" in message


def test_mail_for_postmaster_reaches_the_admin(made: tuple[GuideServer, str]) -> None:
    server, _ = made
    send(server, "ann@example.org", f"abuse@{HOST}")
    assert f"Delivered-To: abuse@{HOST}\n" in wait_for_mail(server)
    assert server.run("stat -c %U /home/dave/Maildir").stdout == "dave\n"


def test_second_run_changes_nothing_of_the_operators(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    server.run("echo 7 > /var/qmail/control/concurrencyincoming")
    server.run("echo ./Mailbox > /var/qmail/control/defaultdelivery")
    server.run("echo '# mine' >> /etc/tcp.smtp; touch -d 2020-01-01 /etc/tcp.smtp")
    server.run("echo '# mine' >> /var/qmail/supervise/qmail-smtpd/run")
    server.run("rm /var/qmail/control/locals")
    before = fingerprint(server)
    pids = pids_of(server)
    try:
        code, out, err = make(server)
        assert code == 0, out + err
        assert fingerprint(server) == before
        assert pids_of(server) == pids
        assert "Creating" not in out
    finally:
        server.run("echo 20 > /var/qmail/control/concurrencyincoming")
        server.run("echo ./Maildir/ > /var/qmail/control/defaultdelivery")
        server.run(
            "sed -i '/# mine/d' /etc/tcp.smtp; touch -d 2020-01-01 /etc/tcp.smtp"
        )
        server.run("sed -i '/# mine/d' /var/qmail/supervise/qmail-smtpd/run")


def test_second_run_with_another_host_keeps_the_name(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    before = fingerprint(server)
    code, out, _ = make(server, "HOST=other.example.net")
    assert code == 0
    assert f"Keeping control/me: this server's name is {HOST}." in out
    assert fingerprint(server) == before


def test_second_run_starts_what_was_stopped(made: tuple[GuideServer, str]) -> None:
    server, _ = made
    server.run("qmailctl stop")
    server.wait_down()
    code, out, err = make(server)
    assert code == 0, out + err
    assert server.pid_of("qmail-smtpd")
    server.wait_up()
    server.wait_port()


def test_pyqmail_status_of_the_server_is_plain_and_readable(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    # A server that has just been started may not have logged more.
    logs = "cat /var/log/qmail/current /var/log/qmail/smtpd/current"
    server.until(
        lambda: server.run(logs, check=False).stdout.count("\n") >= 2, "its lines"
    )
    out = server.run("pyqmail status -n 3").stdout
    assert "\x1b" not in out
    assert re.search(r"\nqmail-smtpd +up +\d+ +\w.* up\b", out)
    assert "messages in queue: " in out
    *_, last = out.split("\n\n")
    lines = last.splitlines()
    assert 2 <= len(lines) <= 3
    moment = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d qmail-\w+ +[^@]"
    assert all(re.match(moment, line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line[:19])


def test_pyqmail_checks_agree_with_the_installation(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    assert "as setup makes it" in server.run("pyqmail check").stdout
    server.run("pyqmail inst-check")
    server.run("chmod 700 /var/qmail/bin/qmail-inject")
    try:
        done = server.run("pyqmail check", check=False)
        assert done.returncode == 1
        assert "/var/qmail/bin/qmail-inject has wrong permissions" in done.stdout
        assert server.run("pyqmail inst-check", check=False).returncode == 1
    finally:
        server.run("chmod 755 /var/qmail/bin/qmail-inject")


def test_pyqmail_setup_of_an_installation_names_the_checkout(
    made: tuple[GuideServer, str],
) -> None:
    server, _ = made
    for command in ("setup", "run"):
        done = server.run(f"pyqmail {command}", check=False)
        assert done.returncode == 111
        assert "needs the source" in done.stderr
    assert server.run("pyqmail version").stdout.startswith("pyqmail ")
    assert server.run("pyqmail nonsense", check=False).returncode == 100


TAKEN = (
    'echo $$ > /tmp/pid; exec /usr/bin/python3 -c "import socket, time;'
    " s = socket.socket(); s.bind(('', 25)); s.listen(); open('/tmp/bound', 'w');"
    ' time.sleep(100)"'
)
PRIVATE_PYTHON = "mkdir -p /root/py/bin && cp /usr/bin/python3.11 /root/py/bin/python3"
NO_VENV = "mount -t tmpfs none /usr/lib/python3.11/ensurepip"
FULL_VAR = "mkdir -p /var/qmail && mount -t tmpfs -o size=512k none /var/qmail"
READ_ONLY = f"{FULL_VAR} && mount -o remount,ro /var/qmail"
UNWRITABLE = "mount --bind /etc/group /etc/group && mount -o remount,ro,bind /etc/group"

TROUBLE: dict[str, tuple[str, str, str, str]] = {
    # name: (before, make's variables and environment, expected, after)
    "no host": ("", "", "no HOST given", ""),
    "short host": ("", "HOST=mail", "not a full host name: 'mail'", ""),
    "bad host": ("", "HOST=-x.example.com", "not a full host name", ""),
    "address as host": ("", "HOST=192.0.2.1", "not a full host name", ""),
    "admin unknown": ("", f"HOST={HOST} ADMIN=nix", "ADMIN=nix is no user", ""),
    "admin root": ("", f"HOST={HOST} ADMIN=root", "ADMIN=root is no user", ""),
    "private interpreter": (
        PRIVATE_PYTHON,
        f"HOST={HOST} PYTHON=/root/py/bin/python3",
        "other users cannot use /root",
        "rm -r /root/py",
    ),
    "no venv": (
        NO_VENV,
        f"HOST={HOST}",
        "no venv module\n...try: apt-get install python3-venv",
        "umount /usr/lib/python3.11/ensurepip",
    ),
    "full file system": (
        FULL_VAR,
        f"HOST={HOST}",
        "the file system of /var/qmail is full",
        "umount /var/qmail",
    ),
    "read-only file system": (
        READ_ONLY,
        f"HOST={HOST}",
        "unable to write below /var/qmail: Read-only file system",
        "umount /var/qmail",
    ),
    "no network": (
        "",
        f"HOST={HOST} WHEELS=",
        "unable to install the libraries from the package index",
        "",
    ),
    "no users": (
        UNWRITABLE,
        f"HOST={HOST}",
        "unable to create group qmail: ",
        "umount /etc/group",
    ),
}


@pytest.mark.parametrize("case", TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_named_with_a_remedy_and_nothing_is_installed(
    bare: GuideServer, case: tuple[str, str, str, str]
) -> None:
    before, variables, expected, after = case
    bare.run(before or "true")
    try:
        code, out, err = make(bare, variables)
    finally:
        bare.run(after or "true")
        # The libraries come first, so a later trouble leaves them; the next case that
        # must not find them would.
        bare.run("rm -rf /usr/local/lib/pyqmail")
    assert code != 0
    assert "mailserver: fatal: " in err
    assert expected in err
    assert "\n...try: " in err
    assert "Traceback" not in out + err
    assert bare.run("ls -A /var/qmail /service 2>/dev/null", check=False).stdout in (
        "",
        "/var/qmail:\n",
    )
    assert "qmailq" not in bare.read("/etc/passwd")


def test_taken_port_is_named_with_its_process(bare: GuideServer) -> None:
    holder = bare.root.start(TAKEN)
    try:
        bare.until(
            lambda: bare.run("ls /tmp/bound", check=False).returncode == 0, "a holder"
        )
        code, _, err = make(bare)
    finally:
        bare.run("kill `cat /tmp/pid`", check=False)
        holder.wait(60)
    assert code != 0
    assert "port 25 is taken by python3 (pid " in err


def test_user_who_is_not_root_is_told_so(bare: GuideServer) -> None:
    command = f"cd {SOURCE} && {MAKE} HOST={HOST}"
    done = bare.run(f"setpriv --reuid 65534 sh -c '{command}'", check=False)
    assert "must be run by root" in done.stderr
