"""What an installation may not have: a file by which a user becomes another one."""

from __future__ import annotations

from tests.guide.server import GuideServer

PROGRAMS = "/var/qmail/bin /var/qmail/boot /command /usr/local/lib/pyqmail"


def test_nothing_installed_is_setuid(server: GuideServer) -> None:
    found = server.run(f"find {PROGRAMS} /usr/local/bin -type f -perm /6000").stdout
    assert found == ""


def test_only_root_can_change_what_runs(server: GuideServer) -> None:
    installed = server.run(f"find {PROGRAMS} ! -type l").stdout.splitlines()
    assert len(installed) > 100
    writable = server.run(
        f"find {PROGRAMS} ! -type l '(' ! -user root -o -perm /022 ')'"
    )
    assert writable.stdout == ""
    way = "/ /var /var/qmail /usr /usr/local /usr/local/bin /usr/local/lib"
    found = server.run(f"find {way} -maxdepth 0 '(' ! -user root -o -perm /002 ')'")
    assert found.stdout == ""


def test_every_user_can_read_what_it_runs(server: GuideServer) -> None:
    hidden = server.run(
        "find /usr/local/lib/pyqmail '(' -type d ! -perm -755 -o -type f ! -perm -644 ')'"
    )
    assert hidden.stdout == ""


def test_queue_is_closed_to_ordinary_users(server: GuideServer) -> None:
    done = server.run("su dave -c 'ls /var/qmail/queue'", check=False)
    assert done.returncode != 0
    assert server.run("su dave -c 'echo x > /var/qmail/run/x'", check=False).returncode


def test_queue_server_runs_as_qmailq(server: GuideServer) -> None:
    each = "for c in $(grep -slx qmail-queued /proc/[0-9]*/comm); do"
    # An idle worker may end between the two looks.
    found = server.run(f"{each} grep -s ^Uid: ${{c%comm}}status; done; true").stdout
    uid = server.run("id -u qmailq").stdout.strip()
    assert {tuple(line.split()) for line in found.splitlines()} == {
        ("Uid:", uid, uid, uid, uid)
    }
