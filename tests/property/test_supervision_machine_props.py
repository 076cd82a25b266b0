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
            if self.process:
                self.done += [m.SEND_TERM, m.SEND_CONT]
        elif event in (b"u", b"o"):
            self.want = m.WANT_UP if event == b"u" else m.WANT_ONCE
            if not self.process:
                self.start()
        elif event == b"x":
            self.leaving = True
            self.ended = not self.process
        elif event in (b"p", b"c") and self.process:
            self.paused = event == b"p"
            self.done.append(m.SEND_STOP if self.paused else m.SEND_CONT)
        elif event == m.EXITED and self.process:
            self.process = self.paused = False
            if self.leaving:
                self.ended = True
            elif self.want == m.WANT_UP:
                self.start()
        elif event == m.RETRY and self.waiting:
            self.start()

    def fail_start(self) -> None:
        """The start that was just asked for gave no process."""
        self.process, self.waiting = False, True


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*m.COMMANDS, m.EXITED, m.RETRY]),
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
        assert [a for a in actions if a.isupper() or a == m.START] == model.done
        if m.START in actions and fails:
            model.fail_start()
            state, actions = m.TABLE[state][m.START_FAILED]
            assert actions == (m.BACK_OFF,)
        assert (state[0] in (m.UP, m.PAUSED)) == (model.process and not model.ended)
        assert (state[0] == m.PAUSED) == (model.paused and model.process)
        assert (state[0] == m.BACKOFF) == (model.waiting and not model.ended)
        assert (state[0] == m.ENDED) == model.ended
        assert state[1] == model.want


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_any_history_down_then_exit_is_down_and_x_ends(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    for event, _ in events:
        state = m.TABLE[state][event][0]
    quiet = m.TABLE[m.TABLE[state][b"d"][0]][m.EXITED][0]
    assert quiet[0] in (m.DOWN, m.ENDED)
    gone = m.TABLE[m.TABLE[state][b"x"][0]][m.EXITED][0]
    assert gone[0] == m.ENDED


@given(wanted_up=st.booleans(), events=EVENTS)
def test_machine_any_history_up_brings_a_process_unless_leaving(
    wanted_up: bool, events: list[tuple[bytes, bool]]
) -> None:
    state, _ = m.initial(wanted_up)
    for event, _ in events:
        state = m.TABLE[state][event][0]
    raised = m.TABLE[state][b"u"][0]
    if not state[2]:
        assert raised[0] in (m.UP, m.PAUSED)
        # And the end of the process brings the next one.
        assert m.TABLE[raised][m.EXITED][0][0] == m.UP


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
