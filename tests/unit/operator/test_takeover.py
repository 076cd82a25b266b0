"""What setup says when it has taken over a server of the original."""

from __future__ import annotations

import fcntl
import itertools
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qmail.operator import hier, ownership, running, takeover
from qmail.operator.places import Owners, Places
from qmail.operator.running import Process
from tests.support.until import until_executed

OF_NETQMAIL = (
    "bouncesaying condredirect datemail elq except forward maildir2mbox maildirmake"
    " maildirwatch mailsubj pinq predate preline qail qbiff qmail-clean qmail-getpw"
    " qmail-inject qmail-local qmail-lspawn qmail-newmrh qmail-newu qmail-pop3d"
    " qmail-popup qmail-pw2u qmail-qmqpc qmail-qmqpd qmail-qmtpd qmail-qread qmail-qstat"
    " qmail-queue qmail-remote qmail-rspawn qmail-send qmail-showctl qmail-smtpd"
    " qmail-start qmail-tcpok qmail-tcpto qreceipt qsmhook sendmail splogger tcp-env"
)
"""What netqmail 1.06 installs in bin/."""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An installation with an empty queue, and nothing that runs."""
    home = tmp_path / "var/qmail"
    for entry in (*hier.directories(), *hier.queue_files()):
        ownership.make(str(home), entry, Owners(trial=True))
    (home / "run/queued.lock").touch()
    return Places(str(home), str(tmp_path))


def test_every_program_of_the_original_is_replaced() -> None:
    assert set(OF_NETQMAIL.split()) <= set(hier.qmail_programs())


def test_new_or_stopped_server_needs_nothing(places: Places) -> None:
    assert list(takeover.notices(places)) == []


def test_old_qmail_send_that_still_runs_is_to_be_restarted(places: Places) -> None:
    with open(f"{places.home}/queue/lock/sendmutex") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (notice,) = takeover.notices(places)
        assert notice.startswith("qmail-send has been running since before; ")
        assert "root alone can queue mail\n...try: end it" in notice
        with open(f"{places.home}/run/queued.lock") as ours:
            fcntl.flock(ours, fcntl.LOCK_EX)
            assert list(takeover.notices(places)) == []
        Path(places.service).mkdir()
        assert list(takeover.notices(places)) == []


def test_queue_of_another_split_is_to_be_mended(places: Places) -> None:
    Path(places.home, "queue/mess/23").mkdir()
    (notice,) = takeover.notices(places)
    assert "not split by 23" in notice
    assert "...try: stop qmail-send, then: pyqmail queue check --repair" in notice
    Path(places.service).mkdir()
    (notice,) = takeover.notices(places)
    scan = places.service
    assert notice.endswith(
        f"try: svc -d -w D -T 300 {scan}/qmail-send {scan}/{places.queued}"
        " && pyqmail queue check --repair"
    )


@pytest.mark.parametrize("split", [1, 7, 22, 24, 101])
def test_messages_of_another_split_are_seen_when_setup_has_made_its_directories(
    places: Places, split: int
) -> None:
    mess = Path(places.home, "queue/mess")
    for n in range(1000, 1030):
        (mess / str(n % split)).mkdir(exist_ok=True)
        (mess / str(n % split) / str(n)).touch()
    assert takeover.is_split_otherwise(places)
    (notice,) = takeover.notices(places)
    assert notice.startswith("the queue is not split by 23; ")


def test_queue_of_our_split_is_seen_to_be_one_at_little_cost(places: Places) -> None:
    mess = Path(places.home, "queue/mess")
    for n in range(1000, 1100):
        (mess / str(n % 23) / str(n)).touch()
    (mess / "5/x").touch()
    (mess / "x").mkdir()
    assert not takeover.is_split_otherwise(places)
    shutil.rmtree(mess)
    assert not takeover.is_split_otherwise(places)
    mess.touch()
    assert not takeover.is_split_otherwise(places)


@pytest.mark.parametrize("part", ["16", "23"])
def test_second_file_of_a_message_is_no_queue_of_another_split(
    places: Places, part: str
) -> None:
    """A repair leaves it, so the word of a repair would be said for ever."""
    mess = Path(places.home, "queue/mess")
    n = 15 + 23 * 40
    (mess / "15" / str(n)).touch()
    (mess / part).mkdir(exist_ok=True)
    second = mess / part / str(n)
    os.link(mess / "15" / str(n), second)
    assert not takeover.is_split_otherwise(places)
    (mess / part / str(n + 23)).touch()
    assert takeover.is_split_otherwise(places)
    (mess / part / str(n + 23)).unlink()
    (mess / "15" / str(n)).unlink()
    assert takeover.is_split_otherwise(places)


def test_no_more_names_than_needed_are_read(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def endless(directory: str) -> Iterator[str]:
        part = directory.rpartition("/")[2]
        if part == "mess":
            yield from map(str, range(23))
            return
        for n in itertools.count(int(part), 23):
            read.append(part)
            yield str(n)

    monkeypatch.setattr(takeover, "_names", endless)
    assert not takeover.is_split_otherwise(places)
    assert len(read) == 23 * takeover.LOOK


def tcpserver(places: Places, service: str, limit: int | None = None) -> Process:
    """A tcpserver as the guide's run script starts it in the service's directory."""
    directory = Path(places.home, "supervise", service)
    directory.mkdir(parents=True, exist_ok=True)
    link = Path(places.service, service)
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(directory)
    program = f"{places.home}/bin/qmail-smtpd"
    words = ("tcpserver", "-v", "-R", "0", "smtp", program)
    exe = f"{places.local_bin}/tcpserver"
    return Process(551, exe, os.path.realpath(directory), words, limit)


def test_tcpserver_that_starves_what_it_starts_is_to_be_restarted(
    places: Places,
) -> None:
    server = tcpserver(places, "qmail-smtpd", 5_000_000)
    (notice,) = takeover.of_processes(places, [server])
    assert notice.startswith(
        "tcpserver (551) of the original: every connection is closed, "
    )
    assert notice.endswith("\n...try: qmailctl restart")
    packaged = replace(server, exe="/usr/bin/tcpserver")
    (notice,) = takeover.of_processes(places, [packaged])
    assert notice.endswith("\n...try: qmailctl restart; then: pyqmail doctor")
    other = tcpserver(places, "pop3d", 5_000_000)
    (notice,) = takeover.of_processes(places, [server, other])
    assert notice.endswith(
        f"\n...try: qmailctl restart && svc -t {places.service}/pop3d"
    )


def test_limit_of_what_starts_nothing_of_ours_is_its_affair(places: Places) -> None:
    server = Process(7, "/bin/tcpserver", "/", ("tcpserver", "0", "53", "axfrdns"), 300)
    assert list(takeover.of_processes(places, [server])) == []
    # Ours is run by an interpreter; its softlimit has counted that in.
    ours = tcpserver(places, "qmail-smtpd", 20_000_000)
    ours = Process(7, "/usr/bin/python3.11", ours.cwd, ours.words, ours.limit)
    assert list(takeover.of_processes(places, [ours])) == []


def test_keepers_of_the_original_that_have_room_go_on(places: Places) -> None:
    server = tcpserver(places, "qmail-smtpd")
    scan = Process(
        5, "/command/svscan", os.path.realpath(places.service), ("svscan", "/service")
    )
    notices = list(takeover.of_processes(places, [scan, server]))
    assert [notice.partition(":")[0] for notice in notices] == [
        "tcpserver (551) of the original",
        "svscan (5) of the original",
    ]
    assert notices[0].endswith("\n...try: qmailctl restart")
    packaged = Process(5, "/usr/bin/svscan", scan.cwd, ("svscan", "/service"))
    assert list(takeover.of_processes(places, [packaged])) == []
    elsewhere = Process(5, "/command/svscan", "/elsewhere", ("svscan", "/elsewhere"))
    assert list(takeover.of_processes(places, [elsewhere])) == []


def test_running_server_that_was_replaced_is_found(places: Places) -> None:
    """A program of that name whose file is gone, below a limit, as /proc shows it."""
    directory = tcpserver(places, "qmail-smtpd").cwd
    exe = Path(places.local_bin, "tcpserver")
    exe.parent.mkdir(parents=True)
    shutil.copy("/bin/cat", exe)
    with subprocess.Popen(
        [exe, "-", f"{places.home}/bin/qmail-smtpd"],
        stdin=subprocess.PIPE,
        cwd=directory,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, (20_000_000, resource.RLIM_INFINITY)
        ),
    ) as process:
        exe.unlink()
        try:
            until_executed(process.pid)
            (found,) = running.starved(places, running.every())
            assert (found.pid, found.limit) == (process.pid, 20_000_000)
            (notice,) = takeover.notices(places)
            assert notice.startswith(f"tcpserver ({process.pid}) of the original: ")
        finally:
            process.kill()
