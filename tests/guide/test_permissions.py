"""Who runs as whom, and what may be written or entered by whom, on the installed server.

The comparison is with the original: the tables are what compat.md says of its install.
"""

from __future__ import annotations

import stat

import pytest

from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Load, send_one
from tests.guide.test_load import ENDLESS, queue_files

ROOT_PROCESSES = {"svscan", "supervise", "readproctitle", "qmail-lspawn"}
"""What stays and runs as root in the original."""
AT_REST = {
    *("qmail-send", "qmail-rspawn", "qmail-clean"),
    *("tcpserver", "multilog", "qmail-queued"),
}
ROOT_FOR_A_MOMENT = {"qmail-lspawn", "qmail-local", "qmail-getpw"}
"""A child of qmail-lspawn between its fork and its setuid, whatever it is called."""
OWN_USERS = {
    "tcpserver": ("qmaild",),
    "qmail-smtpd": ("qmaild",),
    "resolver": ("qmaild", "qmailr"),
    "qmail-send": ("qmails",),
    "qmail-rspawn": ("qmailr",),
    "qmail-remote": ("qmailr",),
    "qmail-clean": ("qmailq",),
    "qmail-queued": ("qmailq",),
    "multilog": ("qmaill",),
}
WRITABLE = {
    "queue/lock/trigger": 0o022,
    "run/queued": 0o022,
}
"""What others than its owner may write to, and the bits: the trigger in the original,
and the one thing that is new, the socket."""
OWNERS = {
    "alias": "alias",
    "run": "qmailq",
    "queue/bounce": "qmails",
    "queue/info": "qmails",
    "queue/local": "qmails",
    "queue/remote": "qmails",
    "queue/lock/tcpto": "qmailr",
    "queue/lock/tcpto6": "qmailr",
    "queue/lock/sendmutex": "qmails",
    "queue/lock/trigger": "qmails",
    "queue": "qmailq",
}
"""Who owns what: the first that is the path or lies above it; else root."""
LOOKS = 10
STRANGERS = ("dave", "nobody", "alias", "qmaild", "qmaill", "qmailp")
QUEUE_USERS = ("qmailq", "qmailr", "qmails")


def processes(server: GuideServer) -> list[tuple[str, str, int, int]]:
    """(comm, user, pid, parent) of everything that was started by svscan."""
    text = server.run("ps -eo pid=,ppid=,user:20=,comm=").stdout
    rows = [line.split(None, 3) for line in text.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, _, _ in rows}
    (scanner,) = [int(pid) for pid, _, _, comm in rows if comm.strip() == "svscan"]

    def is_below(pid: int) -> bool:
        while pid not in (0, scanner):
            pid = parents.get(pid, 0)
        return pid == scanner

    return [
        (comm.strip(), user, int(pid), int(parent))
        for pid, parent, user, comm in rows
        if is_below(int(pid))
    ]


def at_rest(server: GuideServer) -> list[tuple[str, str, int, int]]:
    """The processes, once all that the fixture may have started have begun."""
    found: list[tuple[str, str, int, int]] = []

    def are_at_rest() -> bool:
        found[:] = processes(server)
        roots = {comm for comm, user, _, _ in found if user == "root"}
        others = {comm for comm, user, _, _ in found if user != "root"}
        return roots == ROOT_PROCESSES and AT_REST <= others <= OWN_USERS.keys()

    server.until(are_at_rest, "only these of root's")
    return found


def test_nothing_else_runs_as_root_than_in_the_original(server: GuideServer) -> None:
    found = at_rest(server)
    assert {comm for comm, user, _, _ in found if user == "root"} == ROOT_PROCESSES
    for comm, user, pid, _ in found:
        if user != "root":
            assert user in OWN_USERS[comm], (comm, user, pid)
    assert {comm for comm, _, _, _ in found} >= AT_REST


def test_under_load_nothing_else_runs_as_root(server: GuideServer) -> None:
    at_rest(server)
    looks = 0
    seen: set[str] = set()

    def look() -> bool:
        nonlocal looks
        looks += 1
        found = processes(server)
        lspawn = {pid for comm, _, pid, _ in found if comm == "qmail-lspawn"}
        for comm, user, _, parent in found:
            seen.add(comm)
            if user == "root" and comm not in ROOT_PROCESSES:
                assert comm in ROOT_FOR_A_MOMENT, comm
                assert parent in lspawn, comm
        return looks >= LOOKS and "qmail-smtpd" in seen

    with Load(server, ENDLESS, sessions=5, a_second=40) as load:
        server.until(look, "sessions seen")
    assert load.troubles == []
    sent = len(load.accepted)
    server.until(lambda: len(server.new_messages()) == sent, "the messages")


def test_no_file_is_writable_by_more_than_in_the_original(server: GuideServer) -> None:
    send_one(server)
    server.until(server.new_messages, "a message")
    server.until(lambda: not queue_files(server), "an empty queue")
    listing = server.run(
        "find /var/qmail -ignore_readdir_race -printf '%P\\t%m\\t%u\\t%y\\n'"
    ).stdout
    seen = 0
    for line in listing.splitlines():
        path, mode, owner, kind = line.split("\t")
        if kind == "l":
            continue
        seen += 1
        bits = int(mode, 8)
        others = bits & (stat.S_IWGRP | stat.S_IWOTH)
        assert others == WRITABLE.get(path, 0), line
        assert not bits & (stat.S_ISUID | stat.S_ISVTX), line
        assert bool(bits & stat.S_ISGID) == (path == "alias"), line
        expected = next(
            (
                user
                for top, user in OWNERS.items()
                if path == top or path.startswith(top + "/")
            ),
            "root",
        )
        # The operator wrote the .qmail files of alias as root.
        assert owner == expected or (path.startswith("alias/") and owner == "root"), (
            line
        )
    assert seen > 150


def test_everything_installed_elsewhere_belongs_to_root_alone(
    server: GuideServer,
) -> None:
    found = server.run(
        "find /command /usr/local/lib/pyqmail /usr/local/bin /service /etc/tcp.smtp*"
        " /package 2>/dev/null -not -type l \\( -not -user root -o -perm /6022 \\)"
        " -not -path '*/supervise/*'",
        check=False,
    ).stdout
    assert found == ""


@pytest.mark.parametrize("user", STRANGERS)
def test_queue_cannot_be_entered_by_strangers(server: GuideServer, user: str) -> None:
    for command in ("ls", "cd", "stat -t"):
        for path in ("queue/.", "queue/mess", "queue/lock/trigger", "queue/todo"):
            line = f"{command} /var/qmail/{path}"
            done = server.run(f"su {user} -s /bin/sh -c '{line}'", check=False)
            assert done.returncode != 0, (user, line)
            assert done.stdout == ""


@pytest.mark.parametrize("user", QUEUE_USERS)
def test_queue_can_be_entered_by_its_owners(server: GuideServer, user: str) -> None:
    server.run(f"su {user} -s /bin/sh -c 'cd /var/qmail/queue && ls mess >/dev/null'")
    for name in ("pid", "intd", "bounce", "info", "local", "remote"):
        done = server.run(
            f"su {user} -s /bin/sh -c 'ls /var/qmail/queue/{name}'", check=False
        )
        owner = server.run(f"stat -c %U /var/qmail/queue/{name}").stdout.strip()
        assert (done.returncode == 0) == (owner == user), (user, name)


def test_user_cannot_look_into_a_qmail_local_that_runs_as_him(
    server: GuideServer,
) -> None:
    with server.user("spy") as home:
        server.run(
            f"su spy -s /bin/sh -c 'mkfifo {home}/fifo; cat > {home}/.qmail'",
            stdin=f"|echo $PPID > {home}/pid.new; mv {home}/pid.new {home}/pid;"
            f" cat {home}/fifo\n./Maildir/\n",
        )
        assert send_one(server, f"spy@{HOST}").startswith("250 ok ")
        server.until(lambda: server.path(f"{home}/pid").exists(), "a delivery")
        pid = int(server.read(f"{home}/pid"))
        try:
            status = server.read(f"/proc/{pid}/status")
            uid = server.run("id -u spy").stdout.strip()
            assert f"\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status
            assert server.read(f"/proc/{pid}/comm") == "qmail-local\n"
            for look in (
                f"ls /proc/{pid}/fd/",
                f"cat /proc/{pid}/fd/0",
                f"cat /proc/{pid}/environ",
                f"cat /proc/{pid}/maps",
                f"head -c 1 /proc/{pid}/mem",
                f"ls /proc/{pid}/cwd/",
                f"readlink /proc/{pid}/exe",
            ):
                done = server.run(f"su spy -s /bin/sh -c '{look}'", check=False)
                assert done.returncode != 0, look
                assert done.stdout == "", look
        finally:
            server.run(f"su spy -s /bin/sh -c 'echo > {home}/fifo'")
        server.until(lambda: server.new_messages(f"{home}/Maildir"), "its end")


def test_process_of_a_delivery_holds_nothing_of_its_parent(server: GuideServer) -> None:
    with server.user("spy") as home:
        server.run(
            f"su spy -s /bin/sh -c 'cat > {home}/.qmail'",
            stdin=f"|ls -l /proc/self/fd > {home}/fds.new; mv fds.new fds\n",
        )
        assert send_one(server, f"spy@{HOST}").startswith("250 ok ")
        server.until(lambda: server.path(f"{home}/fds").exists(), "a delivery")
        lines = server.read(f"{home}/fds").splitlines()[1:]
        open_ = {int(line.split()[8]): line.split()[10] for line in lines}
        del open_[max(open_)]  # ls has /proc/self/fd itself open
        assert set(open_) == {0, 1, 2}
        assert open_[0].startswith("/var/qmail/queue/mess/")
