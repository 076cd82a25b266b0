"""pyqmail doctor: each mistake is made for real, is found, and the doctor's own command
mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.guide.server import SOURCE, WHEELS, GuideServer, guide_script

CONTROL = "/var/qmail/control"
QUEUE = "/var/qmail/queue"
ADDRESS = "1.2.3.4"
ADDRESS6 = "2600::1"
DOCTOR = "pyqmail doctor --json"
FROM_SOURCE = f"sh {SOURCE}/package/python -m qmail.operator.doctor --json"
"""The way in where no program of the installation can start."""
ROUNDS = 5
"""One mistake may hide another, and a mended file may have to be read again."""
PRECIOUS = "stat -c '%n %a %u %g' /etc /etc/shadow /etc/cron.d; ls /etc/cron.d"
"""What links are laid to, and no command may touch."""
CODE = "/usr/local/lib/pyqmail/*/lib"

NAME_SERVER = """
import socket, struct, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
open("/tmp/named", "w").close()
while True:
    query, peer = server.recvfrom(4096)
    at = 12
    while query[at]:
        at += 1 + query[at]
    question = query[12 : at + 5]
    is_known = b"\\3ip6\\4arpa" in question
    record = b"\\xc0\\x0c" + struct.pack("!HHIH", 12, 1, 60, 3) + b"\\1x\\0"
    flags = 0x8180 if is_known else 0x8183
    head = query[:2] + struct.pack("!5H", flags, 1, is_known, 0, 0)
    server.sendto(head + question + record * is_known, peer)
"""
"""Every IPv6 address has a name, and nothing else is known."""


@dataclass(frozen=True)
class Mistake:
    """What the operator did, what the doctor says at first, and what tidies up after."""

    made_by: str
    codes: set[str]
    tidied_by: str = "true"
    mended_by: str = ""
    """For what no command on this machine can mend, or only one with a choice."""
    doctor: str = DOCTOR


def as_dave(command: str) -> str:
    return f"su dave -c '{command}'"


HOLD_PORT = (
    "svc -d /service/qmail-smtpd; while svstat /service/qmail-smtpd | grep -q ': up';"
    " do sleep 0.1; done; rm -f /tmp/held; (setsid python3 -c 'import signal, socket; s ="
    ' socket.create_server(("0.0.0.0", 25)); open("/tmp/held", "w"); signal.pause()\''
    " </dev/null >/dev/null 2>&1 &) ; while [ ! -e /tmp/held ]; do sleep 0.1; done;"
    " svc -u -w u -T 100 /service/qmail-smtpd"
)
END_ALL = (
    "for p in /proc/[0-9]*; do if [ `cat $p/comm` = svscan ]; then kill ${p#/proc/}; fi;"
    " done 2>/dev/null; svc -dx /service/* /service/*/log;"
    " for s in /service/* /service/*/log; do while svok $s; do sleep 0.1; done; done"
)
NO_LOG = (
    "svc -d /service/qmail-smtpd/log; while svstat /service/qmail-smtpd/log |"
    " grep -q ': up'; do sleep 0.1; done; rm -r /var/log/qmail/smtpd"
)
RESTART = (
    "svc -t -w R -T 100 /service/qmail-smtpd;"
    " until ss -Hltn sport = 25 | grep -q .; do sleep 0.1; done"
)
READ_ONLY = (
    f"cp -a {CONTROL} /tmp/control && mount -t tmpfs -o mode=755 tmpfs {CONTROL} &&"
    f" chgrp qmail {CONTROL} && cp -a /tmp/control/. {CONTROL} &&"
    f" mount -o remount,ro {CONTROL}"
)
NO_PYTHON = (
    "grep -l pytools.process.launch /command/* /usr/local/bin/* /var/qmail/bin/* |"
    " xargs sed -i --follow-symlinks '1s,^#![^ ]*,#!/usr/bin/python3.99,'"
)

ONLY_ROOTS_PYTHON = (
    "mkdir -p /opt/py && printf '#!/bin/sh\n[ `id -u` = 0 ] || { echo no libpython >&2;"
    ' exit 127; }\nexec /usr/bin/python3 "$@"\n\' > /opt/py/python3 &&'
    " chmod 755 /opt/py/python3 &&"
    " grep -l pytools.process.launch /command/* /usr/local/bin/* /var/qmail/bin/* |"
    " xargs sed -i --follow-symlinks '1s,^#![^ ]*,#!/opt/py/python3,'"
)
"""As one that finds its library below /root."""
UMASK = (
    "for s in qmail-send qmail-smtpd; do d=/var/qmail/supervise/$s;"
    " chmod 700 $d $d/log; svc -t -w R -T 100 /service/$s/log; done; true"
)
"""As the guide makes them with the umask 077."""

NOTHING_BROKEN = (
    "rm -r /usr/local/lib/pyqmail/*.broken;"
    " svc -t -w R -T 100 /service/*/log /service/*"
)
"""What runs has its libraries from there."""

MISTAKES = {
    # The guide's own words.
    "missing slash": Mistake(
        f"echo ./Maildir > {CONTROL}/defaultdelivery",
        {"defaultdelivery-mbox", "control-not-reread"},
    ),
    "no defaultdelivery": Mistake(
        f"rm {CONTROL}/defaultdelivery", {"defaultdelivery-missing"}
    ),
    "no concurrencyincoming": Mistake(
        f"rm {CONTROL}/concurrencyincoming", {"concurrencyincoming-missing"}
    ),
    "no number": Mistake(
        f"echo many > {CONTROL}/concurrencyincoming",
        {"concurrencyincoming-bad", "control-not-reread"},
    ),
    "comment": Mistake(
        f"echo '20 # at once' > {CONTROL}/concurrencyincoming",
        {"control-comment", "concurrencyincoming-bad", "control-not-reread"},
    ),
    "no me": Mistake(f"rm {CONTROL}/me", {"me-missing"}),
    "me without a domain": Mistake(
        f"echo foobar > {CONTROL}/me", {"me-no-domain", "control-not-reread"}
    ),
    "no rcpthosts": Mistake(f"rm {CONTROL}/rcpthosts", {"rcpthosts-missing"}),
    "blank before a name": Mistake(
        f"sed -i 's/^/ /' {CONTROL}/rcpthosts",
        {"control-blank", "rcpthosts-incomplete"},
    ),
    "CRLF": Mistake(f"sed -i 's/$/\\r/' {CONTROL}/locals", {"control-cr"}),
    "unreadable control file": Mistake(
        f"chmod 600 {CONTROL}/rcpthosts", {"control-unreadable"}
    ),
    "empty locals": Mistake(f": > {CONTROL}/locals", {"locals-lack-me"}),
    "virtual domain not in rcpthosts": Mistake(
        f"echo virt.example:dave > {CONTROL}/virtualdomains",
        {"rcpthosts-incomplete"},
        f"rm {CONTROL}/virtualdomains; sed -i /virt/d {CONTROL}/rcpthosts",
    ),
    "local and virtual": Mistake(
        f"echo virt.example:dave > {CONTROL}/virtualdomains; for f in locals rcpthosts;"
        f" do echo virt.example >> {CONTROL}/$f; done",
        {"local-and-virtual"},
        f"rm {CONTROL}/virtualdomains; sed -i /virt/d {CONTROL}/rcpthosts",
    ),
    # Rules.
    "no cdb": Mistake("rm /etc/tcp.smtp.cdb", {"rules-cdb-missing"}),
    "no rules at all": Mistake("rm /etc/tcp.smtp*", {"rules-cdb-missing"}),
    "unreadable cdb": Mistake("chmod 600 /etc/tcp.smtp.cdb", {"rules-cdb-unreadable"}),
    "old cdb": Mistake(
        "echo 10.:allow >> /etc/tcp.smtp",
        {"rules-cdb-old"},
        "sed -i /^10/d /etc/tcp.smtp; qmailctl cdb",
    ),
    "broken cdb": Mistake(
        "head -c 3000 /dev/urandom > /etc/tcp.smtp.cdb", {"rules-cdb-broken"}
    ),
    "bad rule": Mistake(
        "echo 10.:perhaps >> /etc/tcp.smtp",
        {"rules-bad-line", "rules-cdb-old"},
        "sed -i /10/d /etc/tcp.smtp; qmailctl cdb",
    ),
    "relay for all": Mistake(
        "echo ':allow,RELAYCLIENT=\"\"' >> /etc/tcp.smtp; qmailctl cdb",
        {"relay-for-all"},
        "sed -i /:allow,R.*:allow/d /etc/tcp.smtp; sed -i '/^# :/d' /etc/tcp.smtp;"
        " qmailctl cdb",
    ),
    "SMTP without a word": Mistake(
        "mkdir -p /opt/own; ln -sf /bin/true /opt/own/qmail-smtpd;"
        " sed -i 's,/var/qmail/bin/qmail-smtpd,/opt/own/qmail-smtpd,'"
        f" /var/qmail/supervise/qmail-smtpd/run; {RESTART}",
        {"smtpd-silent"},
        mended_by="sed -i 's,/opt/own/qmail-smtpd,/var/qmail/bin/qmail-smtpd,'"
        f" /var/qmail/supervise/qmail-smtpd/run; {RESTART}",
    ),
    "bad route": Mistake(
        f"echo 'example.com relay.example' > {CONTROL}/smtproutes",
        {"smtproutes-bad"},
        mended_by=f"rm {CONTROL}/smtproutes",
    ),
    # Owners and modes.
    "queue directory of root's": Mistake(f"chown root {QUEUE}/mess/5", {"wrong-owner"}),
    "queue of another split": Mistake(
        f"mkdir {QUEUE}/mess/23 && chown qmailq:qmail {QUEUE}/mess/23", {"queue-split"}
    ),
    "wrong group": Mistake(f"chgrp root {QUEUE}/lock/tcpto", {"wrong-group"}),
    "wrong mode": Mistake("chmod 700 /var/qmail/bin/qmail-smtpd", {"wrong-mode"}),
    "chmod -R": Mistake("chmod -R 777 /var/qmail/queue", {"wrong-mode"}),
    "alias without its mode": Mistake("chmod g-s /var/qmail/alias", {"wrong-mode"}),
    "setgid where none is": Mistake("chmod g+s /var/qmail/queue/pid", {"wrong-mode"}),
    "no boot scripts": Mistake("rm -r /var/qmail/boot", {"path-missing"}),
    "no svstat": Mistake("rm /command/svstat", {"path-missing"}),
    "a directory for a file": Mistake(
        "rm /var/qmail/boot/home; mkdir /var/qmail/boot/home",
        {"wrong-type"},
        "rmdir /var/qmail/boot/home.wrong",
    ),
    "no user": Mistake("userdel qmailp", {"user-missing"}),
    "user in another group": Mistake("usermod -g qmail qmailp", {"user-wrong-group"}),
    # Scripts, logs, services.
    "run not executable": Mistake(
        "chmod 644 /var/qmail/supervise/qmail-smtpd/run", {"script-not-executable"}
    ),
    "run with CRLF": Mistake(
        "sed -i 's/$/\\r/' /var/qmail/supervise/qmail-send/log/run", {"script-cr"}
    ),
    "run without #!": Mistake("sed -i 1d /var/qmail/rc", {"script-no-interpreter"}),
    "no run": Mistake(
        "rm /var/qmail/supervise/qmail-smtpd/log/run", {"script-missing"}
    ),
    "log of root's": Mistake("chown root /var/log/qmail", {"log-owner"}),
    "current of root's": Mistake(
        "chown root /var/log/qmail/smtpd/current", {"log-owner"}
    ),
    "no log": Mistake(NO_LOG, {"log-missing", "service-stopped"}),
    "services that are root's alone": Mistake(UMASK, {"service-private"}),
    "not linked": Mistake("rm /service/qmail-smtpd", {"service-missing"}),
    "svscan not running": Mistake(END_ALL, {"svscan-missing", "service-unsupervised"}),
    "down file": Mistake("touch /service/qmail-smtpd/down", {"service-down-file"}),
    "qmailctl stop": Mistake(
        "qmailctl stop; svc -w D -T 100 /service/qmail-send /service/qmail-smtpd"
        " /service/qmail-send/log /service/qmail-smtpd/log",
        {"service-stopped"},
    ),
    "queue server down": Mistake(
        "svc -d -w D -T 100 /service/qmail-queued", {"service-stopped"}
    ),
    "qmailctl pause": Mistake(
        "qmailctl pause; for s in qmail-send qmail-smtpd; do"
        " until svstat /service/$s | grep -q paused; do sleep 0.1; done; done",
        {"service-paused"},
    ),
    "no socket": Mistake("rm /var/qmail/run/queued", {"queued-socket-missing"}),
    # Aliases and users.
    "no alias": Mistake("rm /var/qmail/alias/.qmail-postmaster", {"alias-missing"}),
    "unreadable alias": Mistake(
        "chmod 600 /var/qmail/alias/.qmail-root", {"alias-unreadable"}
    ),
    "alias that all may write": Mistake(
        "chmod 666 /var/qmail/alias/.qmail-root", {"alias-writable"}
    ),
    "no Maildir": Mistake(as_dave("rm -r ~/Maildir"), {"maildir-missing"}),
    "Maildir of root's": Mistake(
        "rm -r ~dave/Maildir; /var/qmail/bin/maildirmake ~dave/Maildir",
        {"maildir-owner"},
    ),
    "half a Maildir": Mistake(as_dave("rmdir ~/Maildir/tmp"), {"maildir-broken"}),
    "Maildir that is an mbox": Mistake(
        as_dave("rm -r ~/Maildir; : > ~/Maildir"),
        {"maildir-broken"},
        "rm ~dave/Maildir.mbox",
    ),
    "home that all may write": Mistake("chmod 777 ~dave", {"home-writable"}),
    "home of root's": Mistake("chown root ~dave", {"home-owner"}),
    # What others than root can lay out for him.
    "link of alias's": Mistake(
        "ln -sfn /etc/shadow /var/qmail/alias/.qmail-root", {"alias-link"}
    ),
    "link of qmaill's": Mistake(
        "mv /var/log/qmail/smtpd /tmp/smtpd; ln -s /etc /var/log/qmail/smtpd",
        {"log-link"},
        mended_by="if [ -d /tmp/smtpd ]; then rm /var/log/qmail/smtpd;"
        " mv /tmp/smtpd /var/log/qmail/smtpd; fi",
    ),
    "link of a user's": Mistake(
        as_dave("mv ~/Maildir ~/kept; ln -s /etc ~/Maildir"),
        {"maildir-link"},
        mended_by=as_dave("rm ~/Maildir; mv ~/kept ~/Maildir"),
    ),
    "two names in a line": Mistake(
        f"cp {CONTROL}/rcpthosts /tmp; sed -i 's/$/ two.example/' {CONTROL}/rcpthosts",
        {"control-blank", "rcpthosts-incomplete"},
        mended_by=f"cp /tmp/rcpthosts {CONTROL}",
    ),
    # Around it.
    "port taken": Mistake(HOLD_PORT, {"port-taken", "service-loops"}),
    "another mailer": Mistake(
        "cp /bin/sleep /tmp/exim4; (setsid /tmp/exim4 600 </dev/null >/dev/null 2>&1 &);"
        " until pgrep -x exim4 >/dev/null; do sleep 0.1; done",
        {"other-mailer"},
    ),
    "another sendmail": Mistake(
        "rm /usr/sbin/sendmail; cp /bin/true /usr/sbin/sendmail; cp /bin/true"
        " /usr/lib/sendmail",
        {"sendmail-foreign"},
        "rm /usr/sbin/sendmail.old /usr/lib/sendmail*",
    ),
    "another svc": Mistake(
        "cp /bin/true /usr/local/sbin/svc; cp /bin/true /usr/local/sbin/tcpserver",
        {"path-foreign"},
        "rm /usr/local/sbin/*.old",
    ),
    "Debian's programs": Mistake(
        "cp /bin/true /usr/bin/svok; cp /bin/true /usr/bin/tcprules",
        {"path-foreign"},
        "rm /usr/bin/*.old",
    ),
    "another softlimit": Mistake(
        "cp /bin/true /opt/softlimit; sed -i s,/usr/local/bin/softlimit,/opt/softlimit,"
        " /var/qmail/supervise/qmail-smtpd/run",
        {"softlimit-foreign"},
    ),
    "no resolver": Mistake(": > /etc/resolv.conf", {"resolver-not-configured"}),
    "dead resolver": Mistake(
        "sed -i '1i nameserver 127.0.0.9' /etc/resolv.conf", {"resolver-dead"}
    ),
    "no PTR": Mistake(
        f"ip addr add {ADDRESS}/32 dev lo",
        {"no-ptr"},
        mended_by=f"ip addr del {ADDRESS}/32 dev lo",
    ),
    "no IPv6": Mistake(
        f"ip -6 addr add {ADDRESS6}/128 dev lo nodad",
        {"ipv6-no-listener"},
        f"ip -6 addr del {ADDRESS6}/128 dev lo;"
        " sed -i 's/ :: smtp / 0 smtp /' /var/qmail/supervise/qmail-smtpd/run &&"
        " svc -t /service/qmail-smtpd",
    ),
    "read-only": Mistake(
        READ_ONLY, {"disk-read-only"}, f"umount {CONTROL}; rm -r /tmp/control"
    ),
    # The interpreter and the code.
    "interpreter that is private": Mistake(
        "chmod o-rx `realpath /usr/bin/python3`", {"interpreter-private"}
    ),
    "interpreter that is gone": Mistake(
        NO_PYTHON, {"interpreter-missing"}, doctor=FROM_SOURCE
    ),
    "interpreter that only root can start": Mistake(
        ONLY_ROOTS_PYTHON, {"interpreter-broken"}, "rm -r /opt/py", doctor=FROM_SOURCE
    ),
    "runtime that is private": Mistake(
        "chmod 750 /usr/local/lib/pyqmail", {"runtime-private"}
    ),
    "runtime that is gone": Mistake(
        "rm -r /usr/local/lib/pyqmail", {"runtime-missing"}, doctor=FROM_SOURCE
    ),
    "runtime without its code": Mistake(
        f"rm -r {CODE}",
        {"runtime-missing"},
        NOTHING_BROKEN,
        doctor=FROM_SOURCE,
    ),
    "runtime without a library": Mistake(
        f"rm -r {CODE}/dns",
        {"runtime-broken"},
        NOTHING_BROKEN,
    ),
}


TOGETHER = (
    ("missing slash", "no concurrencyincoming", "no rcpthosts", "no cdb"),
    ("no defaultdelivery", "no number", "blank before a name", "unreadable cdb"),
    ("comment", "empty locals", "old cdb", "no user"),
    ("bad route",),
    ("SMTP without a word",),
    (
        *("me without a domain", "CRLF", "unreadable control file"),
        *("no rules at all", "another svc"),
    ),
    ("no me", "virtual domain not in rcpthosts", "broken cdb", "dead resolver"),
    ("local and virtual", "bad rule", "no IPv6", "no PTR", "wrong group"),
    (
        *("relay for all", "queue directory of root's", "wrong mode"),
        *("user in another group", "home of root's"),
    ),
    (
        *("chmod -R", "no svstat", "a directory for a file", "run not executable"),
        "log of root's",
    ),
    (
        *("alias without its mode", "no boot scripts", "run with CRLF"),
        *("current of root's", "unreadable alias"),
    ),
    (
        *("setgid where none is", "run without #!", "no run", "half a Maildir"),
        "no resolver",
    ),
    ("not linked", "queue server down", "no alias", "link of alias's"),
    ("down file", "no socket", "alias that all may write", "Maildir of root's"),
    ("qmailctl stop", "home that all may write", "no Maildir", "link of qmaill's"),
    ("qmailctl pause", "Maildir that is an mbox", "another mailer"),
    ("svscan not running", "another sendmail", "link of a user's"),
    ("no log", "another softlimit"),
    ("services that are root's alone",),
    ("queue of another split",),
    ("port taken", "two names in a line"),
    ("read-only", "Debian's programs", "runtime that is private"),
    ("interpreter that is private",),
    ("interpreter that is gone",),
    ("interpreter that only root can start",),
    ("runtime that is gone",),
    ("runtime without its code",),
    ("runtime without a library",),
)
"""Mistakes that do not touch each other are made, found and mended at once."""


@pytest.fixture(scope="module")
def patient(installed_server: GuideServer) -> Iterator[GuideServer]:
    """A server with nothing wrong; the guide leaves DNS and sendmail to its reader."""
    server = installed_server
    server.root.write("/tmp/named.py", NAME_SERVER)
    named = server.root.start("exec python3 /tmp/named.py")
    server.until(lambda: server.path("/tmp/named").exists(), "the name server")
    server.run("cp /etc/resolv.conf /tmp/resolv.conf; rm /etc/resolv.conf")
    server.run("echo nameserver 127.0.0.1 > /etc/resolv.conf")
    # Users that the machine itself may have.
    server.run(
        "cp /etc/passwd /etc/shadow /tmp; sed -i '/^[^:]*:[^:]*:[1-9][0-9]\\{3\\}:"
        ".*sh$/{/^dave/!d}' /etc/passwd"
    )
    yield server
    server.run("cp /tmp/resolv.conf /etc/resolv.conf; rm -f /usr/sbin/sendmail")
    named.kill()
    named.wait(60)


@pytest.fixture
def healthy(server: GuideServer, patient: GuideServer) -> GuideServer:
    """Nothing is wrong before a mistake is made."""
    server.run("ln -sf /var/qmail/bin/sendmail /usr/sbin/sendmail")
    server.until(lambda: consult(server) == [], "a healthy server")
    return server


def consult(server: GuideServer, doctor: str = DOCTOR) -> list[dict[str, str]]:
    """What the doctor says; its exit status agrees."""
    done = server.run(doctor, check=False, seconds=300)
    assert done.stderr == "", done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    assert done.returncode == bool(found), done
    return found


def heal(
    server: GuideServer, found: list[dict[str, str]], doctor: str
) -> list[dict[str, str]]:
    """Do all that the doctor says, and ask again."""
    for each in dict.fromkeys(one["try"] for one in found):
        # Nobody types: an editor's work is done by ``mended_by``.
        env = {"WHEELS": str(WHEELS), "EDITOR": "false"}
        server.run(each, check=False, seconds=300, env=env)
    return consult(server, doctor)


def test_every_mistake_is_made_and_known_by_codes_of_its_own() -> None:
    made = [name for names in TOGETHER for name in names]
    assert sorted(made) == sorted(MISTAKES)
    for names in TOGETHER:
        codes = [code for name in names for code in MISTAKES[name].codes]
        assert len(codes) == len(set(codes)), names


@pytest.mark.parametrize("names", TOGETHER, ids=", ".join)
def test_mistakes_are_found_and_mended_by_their_own_commands(
    healthy: GuideServer, names: tuple[str, ...]
) -> None:
    server = healthy
    mistakes = [MISTAKES[name] for name in names]
    doctor = mistakes[0].doctor
    try:
        for mistake in mistakes:
            server.run(mistake.made_by)
        before = server.run(PRECIOUS).stdout
        found = consult(server, doctor)
        assert {each["code"] for each in found} == {
            code for mistake in mistakes for code in mistake.codes
        }, found
        said = list(found)
        for at in range(ROUNDS):
            if at == 1:
                for mistake in mistakes:
                    server.run(mistake.mended_by or "true")
            found = heal(server, found, doctor)
            said += found
            if not found:
                break
        assert found == [], said
        assert server.run(PRECIOUS).stdout == before
        if doctor != DOCTOR:
            assert consult(server) == []
    finally:
        for mistake in mistakes:
            server.run(mistake.tidied_by)


def test_guide_as_printed_has_a_trap_and_leaves_sendmail_out(
    healthy: GuideServer,
) -> None:
    server = healthy
    server.default_delivery("./Maildir")
    server.run("rm /usr/sbin/sendmail")
    found = consult(server)
    assert [each["code"] for each in found] == [
        "defaultdelivery-mbox",
        "sendmail-missing",
    ]
    assert heal(server, found, DOCTOR) == []
    assert server.read(f"{CONTROL}/defaultdelivery") == "./Maildir/\n"


def test_doctor_shows_three_lines_and_no_colour_in_a_pipe(healthy: GuideServer) -> None:
    healthy.run("chown root /var/log/qmail")
    try:
        done = healthy.run("pyqmail doctor", check=False)
    finally:
        healthy.run("chown qmaill /var/log/qmail")
    assert done.stdout == (
        "! /var/log/qmail has wrong owner, should be qmaill [log-owner]\n"
        "  multilog runs as qmaill and cannot write there.\n"
        "...try: chown qmaill /var/log/qmail\n"
    )
    assert done.returncode == 1
    done = healthy.run("pyqmail doctor")
    assert done.stdout == "The doctor finds nothing wrong.\n"


def test_doctor_of_the_source_says_the_same(healthy: GuideServer) -> None:
    assert consult(healthy, FROM_SOURCE) == []
    done = healthy.run(f"cd {SOURCE} && make --no-print-directory doctor")
    assert done.stdout == "The doctor finds nothing wrong.\n"


def test_not_root_is_told_what_only_root_can_see(healthy: GuideServer) -> None:
    done = healthy.run("su dave -c '/usr/local/bin/pyqmail doctor'", check=False)
    assert done.returncode == 111, done.stdout
    assert done.stdout == "The doctor finds nothing wrong in what it could look at.\n"
    assert "doctor: not root, so not looked at: home, " in done.stderr
    assert "sudo pyqmail doctor" in done.stderr


def test_what_is_odd_but_right_is_not_found(healthy: GuideServer) -> None:
    # A key of TLS, a run without exec, many rules, a server's name that is virtual.
    server, run = healthy, "/var/qmail/supervise/qmail-smtpd/run"
    with server.restarted("qmail-smtpd"):
        server.run(
            f"cp -a {run} /tmp/run; cp -a {CONTROL}/locals /etc/tcp.smtp /tmp;"
            f" sed -i 's/^exec //' {run}; svc -t /service/qmail-smtpd;"
            f" echo key > {CONTROL}/servercert.pem;"
            f" chmod 640 {CONTROL}/servercert.pem; : > {CONTROL}/locals;"
            f" echo `cat {CONTROL}/me`:dave > {CONTROL}/virtualdomains;"
            " seq -f '10.%.0f:allow' 300000 >> /etc/tcp.smtp; qmailctl cdb"
        )
    try:
        server.wait_port()
        assert consult(server) == []
    finally:
        with server.restarted("qmail-smtpd"):
            server.run(
                f"rm {CONTROL}/servercert.pem {CONTROL}/virtualdomains;"
                f" cp -a /tmp/run {run}; cp -a /tmp/locals {CONTROL};"
                " cp /tmp/tcp.smtp /etc; qmailctl cdb;"
                " shell=`svstat /service/qmail-smtpd | sed 's/.*(pid //; s/).*//'`;"
                " kill `pgrep -P $shell`;"
                " svc -h /service/qmail-send"
            )


def test_doctor_changes_nothing(healthy: GuideServer) -> None:
    look = (
        "find /var/qmail /etc /service/ /home /command -not -path '*/supervise/*'"
        " -printf '%p %m %U %G %T@ %C@ %i %l\\n' | sort"
    )
    before = healthy.run(look).stdout
    consult(healthy)
    assert healthy.run(look).stdout == before
    assert guide_script("rc") in healthy.read("/var/qmail/rc").encode()
