"""What setup says when it has taken over a server of the original."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from qmail.operator import hier, ownership, takeover
from qmail.operator.places import Owners, Places

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
        with open(f"{places.home}/run/queued.lock") as ours:
            fcntl.flock(ours, fcntl.LOCK_EX)
            assert list(takeover.notices(places)) == []
        Path(places.service).mkdir()
        assert list(takeover.notices(places)) == []


def test_queue_of_another_split_is_to_be_mended(places: Places) -> None:
    Path(places.home, "queue/mess/23").mkdir()
    (notice,) = takeover.notices(places)
    assert "not split by 23" in notice
    assert "pyqmail queue check --repair" in notice
