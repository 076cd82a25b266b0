"""Who may have how many messages on their way."""

from __future__ import annotations

from qmail.control.ids import Ids
from qmail.queue.config import WRITERS_MAX, Config
from qmail.queue.slots import Slots

IDS = Ids([1, 2, 3, 0, 5, 6, 7, 8, 9, 10])
ALIAS, QMAILD, ROOT, QMAILQ, QMAILS = 1, 2, 0, 6, 8


def small() -> Config:
    config = Config(b"/nowhere", IDS)
    config.per_uid = 3
    config.ordinary_slots = 5
    config.per_reserved_uid = 4
    return config


def taken(slots: Slots, uid: int, wanted: int = 50) -> int:
    return sum(slots.take(uid) for _ in range(wanted))


def test_slots_ordinary_uid_gets_its_own_limit() -> None:
    assert taken(Slots(small()), 1000) == 3


def test_slots_ordinary_uids_share_a_limit() -> None:
    slots = Slots(small())
    assert [taken(slots, uid) for uid in (1000, 1001, 1002)] == [3, 2, 0]


def test_slots_reserved_uids_have_their_own_whatever_others_hold() -> None:
    slots = Slots(small())
    for uid in range(1000, 1010):
        taken(slots, uid)
    for uid in (ALIAS, QMAILD, QMAILS, QMAILQ, ROOT):
        assert taken(slots, uid) == 4


def test_slots_released_are_free_again() -> None:
    slots = Slots(small())
    taken(slots, 1000)
    slots.release(1000)
    assert taken(slots, 1000) == 1
    for _ in range(3):
        slots.release(1000)
    assert slots.held == 0
    assert taken(slots, 1001) == 3


def test_config_reserved_uids_have_a_day() -> None:
    config = Config(b"/nowhere", IDS)
    assert config.seconds_for(QMAILD) == 86400
    assert config.seconds_for(1000) == 1200


def test_slots_of_all_uids_together_are_what_the_reserve_is_made_for() -> None:
    slots = Slots(Config(b"/nowhere", IDS))
    for uid in range(1020):
        taken(slots, uid, 300)
    assert slots.held == WRITERS_MAX
