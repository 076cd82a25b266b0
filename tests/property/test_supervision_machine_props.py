"""The machine of supervise against a second, naive description of it, and its promises.

The model keeps the variables that the manual talks of (a process or none, paused, what
is wanted, leaving) and follows the manual's sentences; the table must not differ from
it for any sequence of events that can happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pytools.supervision import machine as m

SIGNALS = {
    b"h": m.SEND_HUP,
    b"a": m.SEND_ALRM,
    b"i": m.SEND_INT,
    b"t": m.SEND_TERM,
    b"k": m.SEND_KILL,
}


@dataclass
class Model:
    wanted_up: bool
    process: bool = False
    paused: bool = False
    want: bytes = m.WANT_UP
    leaving: bool = False
    ended: bool = False
    waiting: bool = False
    finishing: bool = False
    start_due: bool = False
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.wanted_up:
            self.start()
        else:
            self.want = m.WANT_DOWN

    def start(self) -> None:
        self.done.append(m.START)
        self.process, self.paused, self.waiting = True, False, False

    def feed(self, event: bytes) -> None:
        self.done = []
        if self.ended:
            return
        if event in SIGNALS and self.process:
            self.done.append(SIGNALS[event])
        elif event == b"d":
            self.want, self.paused, self.waiting = m.WANT_DOWN, False, False
            self.start_due = False
            if self.process:
                self.done += [m.SEND_TERM, m.SEND_CONT]
        elif event in (b"u", b"o"):
            self.want = m.WANT_UP if event == b"u" else m.WANT_ONCE
            if self.finishing:
                self.start_due = True
            elif not self.process:
                self.start()
        elif event == b"x":
            self.leaving = True
            self.ended = not self.process and not self.finishing
        elif event in (b"p", b"c") and self.process:
            self.paused = event == b"p"
            self.done.append(m.SEND_STOP if self.paused else m.SEND_CONT)
        elif event in (m.EXITED, m.TO_FINISH) and self.process:
            self.process = self.paused = False
            self.start_due = self.want == m.WANT_UP
            self.finishing = event == m.TO_FINISH
            if self.finishing:
                self.done.append(m.START_FINISH)
            else:
                self.go_on()
        elif event == m.FINISHED and self.finishing:
            self.finishing = False
            self.go_on()
        elif event == m.DUE and self.finishing:
            self.done.append(m.KILL_FINISH)
        elif event == m.DUE and self.waiting:
            self.start()

    def go_on(self) -> None:
        """The process and its finish are over."""
        if self.leaving:
            self.ended = True
        elif self.start_due:
            self.start()
        self.start_due = False

    def fail_start(self) -> None:
        """The start that was just asked for gave no process."""
        self.process, self.waiting = False, True


BY_THEMSELVES = (m.EXITED, m.TO_FINISH, m.FINISHED, m.READY, m.DUE)
DEEDS = (m.START, m.START_FINISH, m.KILL_FINISH)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*m.COMMANDS, *BY_THEMSELVES]),
        st.booleans(),  # whether a start, if one follows, fails
    ),
    max_size=60,
)


@given(wanted_up=st.booleans(), events=EVENTS)
def test_table_any_events_agrees_with_the_manual(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    model = Model(wanted_up)
    state, _ = m.initial(wanted_up)
    for event, fails in events:
        model.feed(event)
        state, actions = m.TABLE[state][event]
        assert [a for a in actions if a.isupper() or a in DEEDS] == model.done
        if m.START in actions and fails:
            model.fail_start()
            state, actions = m.TABLE[state][m.START_FAILED]
            assert actions == (m.RECORD, m.BACK_OFF)
        assert (state[0] in (m.UP, m.PAUSED)) == (model.process and not model.ended)
        assert (state[0] == m.PAUSED) == (model.paused and model.process)
        assert (state[0] == m.BACKOFF) == (model.waiting and not model.ended)
        busy = state[0] in (m.FINISHING, m.ONCE_MORE)
        assert busy == (model.finishing and not model.ended)
        assert (state[0] == m.ENDED) == model.ended
        assert state[1] == model.want


def after(state: m.State, *events: bytes) -> m.State:
    """Where the events lead, one after the other."""
    for event in events:
        state = m.TABLE[state][event][0]
    return state


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_any_history_down_then_exit_is_down_and_x_ends(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    for event, _ in events:
        state = m.TABLE[state][event][0]
    for ends in ((m.EXITED, m.FINISHED), (m.TO_FINISH, m.FINISHED)):
        assert after(state, b"d", *ends)[0] in (m.DOWN, m.ENDED)
        assert after(state, b"x", *ends)[0] == m.ENDED


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_any_history_up_brings_a_process_unless_leaving(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    for event, _ in events:
        state = m.TABLE[state][event][0]
    if not state[2]:
        raised = after(state, b"u", m.FINISHED)
        assert raised[0] in (m.UP, m.PAUSED)
        # And the end of the process brings the next one.
        assert after(raised, m.EXITED)[0] == m.UP
        assert after(raised, m.TO_FINISH, m.FINISHED)[0] == m.UP


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_every_change_that_status_shows_is_announced(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    for event, _ in events:
        before = state
        state, actions = m.TABLE[state][event]
        shown = (before[0] == m.PAUSED, before[1]) != (state[0] == m.PAUSED, state[1])
        # A start announces by itself.
        assert not shown or m.ANNOUNCE in actions or m.START in actions


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_finish_is_on_record_as_long_as_it_runs_and_no_longer(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    recorded = False
    for event, fails in events:
        state, actions = m.TABLE[state][event]
        busy = state[0] in (m.FINISHING, m.ONCE_MORE)
        if m.START in actions and fails:
            state, actions = m.TABLE[state][m.START_FAILED]
        # A start that succeeds records by itself.
        if m.RECORD in actions or m.START in actions:
            recorded = busy
        assert recorded == busy
