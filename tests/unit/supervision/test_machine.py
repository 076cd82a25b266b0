"""The table of supervise: rows that the manual promises, and its shape."""

from __future__ import annotations

import pytest

from pytools.supervision import machine as m

ALIVE = [s for s in m.STATES if s[0] in (m.UP, m.PAUSED)]
BUSY = [s for s in m.STATES if s[0] in (m.FINISHING, m.ONCE_MORE)]
IDLE = [s for s in m.STATES if s[0] in (m.DOWN, m.BACKOFF)]


def test_table_every_state_defines_every_event() -> None:
    assert set(m.TABLE) == set(m.STATES)
    for row in m.TABLE.values():
        assert set(row) == set(m.EVENTS)


def test_table_every_next_state_has_a_row() -> None:
    for row in m.TABLE.values():
        for following, actions in row.values():
            assert following in m.TABLE
            assert len(set(actions)) == len(actions)


def test_table_every_state_but_ended_variants_is_reachable() -> None:
    reached = set()
    todo = [m.initial(True)[0], m.initial(False)[0]]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += [following for following, _ in m.TABLE[state].values()]
    unreached = set(m.STATES) - reached
    # The status that is written before the first start, and no more.
    assert {s for s in unreached if s[0] != m.ENDED} == {(m.DOWN, m.WANT_UP, False)}


def test_start_is_always_the_last_action_and_leads_to_up() -> None:
    for row in m.TABLE.values():
        for following, actions in row.values():
            if m.START in actions:
                assert actions[-1] == m.START
                assert actions.count(m.START) == 1
                assert following[0] == m.UP


def test_start_never_happens_while_a_process_lives() -> None:
    for state in ALIVE:
        for event, (_, actions) in m.TABLE[state].items():
            assert m.START not in actions or event == m.EXITED


def test_nothing_starts_while_finish_runs() -> None:
    for state in BUSY:
        for event, (_, actions) in m.TABLE[state].items():
            assert event == m.FINISHED or not {m.START, m.START_FINISH} & {*actions}


@pytest.mark.parametrize("state", ALIVE, ids=str)
def test_finish_comes_once_after_each_end_of_the_process(state: m.State) -> None:
    following, actions = m.TABLE[state][m.TO_FINISH]
    assert following == (m.FINISHING, *state[1:])
    # Who sees that the service is down finds the finish noted.
    assert actions == (m.RECORD, m.ANNOUNCE, m.START_FINISH)


@pytest.mark.parametrize("state", BUSY, ids=str)
@pytest.mark.parametrize("command", m.COMMANDS, ids=bytes.decode)
def test_finish_is_disturbed_by_no_command(state: m.State, command: bytes) -> None:
    following, actions = m.TABLE[state][command]
    assert following[0] in (m.FINISHING, m.ONCE_MORE)
    assert set(actions) <= {m.ANNOUNCE}
    wants = {b"u": m.WANT_UP, b"d": m.WANT_DOWN, b"o": m.WANT_ONCE}
    assert following[1] == wants.get(command, state[1])
    assert following[2] == (state[2] or command == b"x")


@pytest.mark.parametrize("state", BUSY, ids=str)
def test_finish_that_takes_too_long_is_killed_and_waited_for(state: m.State) -> None:
    assert m.TABLE[state][m.DUE] == (state, (m.KILL_FINISH,))


@pytest.mark.parametrize("state", BUSY, ids=str)
def test_end_of_finish_does_what_was_put_off(state: m.State) -> None:
    phase, want, leaving = state
    following, actions = m.TABLE[state][m.FINISHED]
    if leaving:
        assert following == (m.ENDED, want, True)
    elif want == m.WANT_UP or phase == m.ONCE_MORE:
        assert (following, actions) == ((m.UP, want, False), (m.START,))
    else:
        assert (following, actions) == ((m.DOWN, want, False), (m.RECORD,))


def test_once_while_finish_runs_starts_once_more() -> None:
    after_once = m.TABLE[m.UP, m.WANT_ONCE, False][m.TO_FINISH][0]
    assert m.TABLE[after_once][m.FINISHED][0][0] == m.DOWN
    asked_again = m.TABLE[after_once][b"o"][0]
    assert m.TABLE[asked_again][m.FINISHED][0] == (m.UP, m.WANT_ONCE, False)


@pytest.mark.parametrize("state", ALIVE, ids=str)
def test_ready_is_noted_and_changes_nothing(state: m.State) -> None:
    assert m.TABLE[state][m.READY] == (state, (m.NOTE_READY, m.RECORD))


def test_signal_never_sent_without_a_process() -> None:
    for state in m.STATES:
        if state not in ALIVE:
            for _, actions in m.TABLE[state].values():
                assert not any(action.isupper() for action in actions)


def test_ended_does_nothing_ever_again() -> None:
    for state in m.STATES:
        if state[0] == m.ENDED:
            for following, actions in m.TABLE[state].values():
                assert following[0] == m.ENDED
                assert actions == ()


def test_leaving_is_never_taken_back() -> None:
    for state in m.STATES:
        for following, _ in m.TABLE[state].values():
            assert following[2] or not state[2]


@pytest.mark.parametrize("state", ALIVE, ids=str)
@pytest.mark.parametrize(
    ("command", "signal"),
    [
        (b"h", m.SEND_HUP),
        (b"a", m.SEND_ALRM),
        (b"i", m.SEND_INT),
        (b"t", m.SEND_TERM),
        (b"k", m.SEND_KILL),
    ],
    ids=["h", "a", "i", "t", "k"],
)
def test_signal_command_sends_and_changes_nothing(
    state: m.State, command: bytes, signal: str
) -> None:
    assert m.TABLE[state][command] == (state, (signal,))


@pytest.mark.parametrize("state", ALIVE, ids=str)
def test_down_terminates_continues_and_is_not_paused(state: m.State) -> None:
    following, actions = m.TABLE[state][b"d"]
    assert following == (m.UP, m.WANT_DOWN, state[2])
    assert actions == (m.SEND_TERM, m.SEND_CONT, m.ANNOUNCE)


@pytest.mark.parametrize("state", IDLE, ids=str)
@pytest.mark.parametrize("command", [b"u", b"o"])
def test_up_and_once_without_process_start_at_once(
    state: m.State, command: bytes
) -> None:
    want = {b"u": m.WANT_UP, b"o": m.WANT_ONCE}[command]
    following, actions = m.TABLE[state][command]
    assert following == (m.UP, want, False)
    assert actions == (m.ANNOUNCE, m.START)


@pytest.mark.parametrize("state", IDLE, ids=str)
def test_exit_without_process_ends_at_once(state: m.State) -> None:
    assert m.TABLE[state][b"x"][0][0] == m.ENDED


@pytest.mark.parametrize(
    ("want", "phase"),
    [(m.WANT_UP, m.UP), (m.WANT_DOWN, m.DOWN), (m.WANT_ONCE, m.DOWN)],
    ids=["up", "down", "once"],
)
def test_exited_process_starts_again_only_if_wanted_up(want: bytes, phase: str) -> None:
    following, actions = m.TABLE[m.PAUSED, want, False][m.EXITED]
    assert following == (phase, want, False)
    assert (m.START in actions) == (phase == m.UP)


def test_failed_start_backs_off_and_retry_starts() -> None:
    following, actions = m.TABLE[m.UP, m.WANT_ONCE, False][m.START_FAILED]
    assert (following[0], actions) == (m.BACKOFF, (m.RECORD, m.BACK_OFF))
    assert m.TABLE[following][m.DUE] == ((m.UP, m.WANT_ONCE, False), (m.START,))
    assert m.TABLE[following][b"d"][0] == (m.DOWN, m.WANT_DOWN, False)


@pytest.mark.parametrize("state", ALIVE, ids=str)
def test_failed_start_takes_back_what_was_noted_of_finish(state: m.State) -> None:
    assert m.TABLE[state][m.START_FAILED][1][0] == m.RECORD
