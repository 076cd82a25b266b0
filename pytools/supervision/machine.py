"""What supervise does about each event, as a table.

Rule 1       a state is (phase, want, leaving): what the service's process is doing,
             what the operator wants, and whether supervise ends when the process has.
Rule 2       every state has an entry for every event; an event that means nothing there
             has an entry that says so.
Theory       ``TABLE[state][event]`` is (next state, actions). The loop in supervisor.py
             reads events, indexes, and carries the actions out in order. It decides
             nothing, and this file does nothing.
States       DOWN no process, none due. UP a process, or one being started. PAUSED a
             process that was stopped. BACKOFF starting failed, tried again later.
             FINISHING the process has ended and ./finish runs. ONCE_MORE the same, and a
             command ``o`` waits for its end. ENDED supervise is through.
Finish       towards the commands the service is down while ./finish runs: no signal
             reaches it, and what would start the service does so when it has ended.
             Without ./finish the event TO_FINISH never comes, nor do the two phases.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Phase = str
    Event = bytes
    Action = str
    State = tuple[Phase, bytes, bool]
    Row = dict[Event, tuple[State, tuple[Action, ...]]]
    # Next phase and next want (None: as it was), then the actions.
    Rule = tuple[Phase | None, bytes | None, tuple[Action, ...]]

DOWN = "down"
BACKOFF = "backoff"
UP = "up"
PAUSED = "paused"
FINISHING = "finishing"
ONCE_MORE = "finishing, then once"
ENDED = "ended"

# What is wanted, as the last byte of supervise/status says it.
WANT_UP = b"u"
WANT_DOWN = b"d"
WANT_ONCE = b"\0"
WANTS = (WANT_UP, WANT_DOWN, WANT_ONCE)

# Events: the command bytes of supervise/control, and what happens by itself.
COMMANDS = (b"u", b"d", b"o", b"x", b"p", b"c", b"h", b"a", b"i", b"t", b"k")
EXITED = b"exited"
TO_FINISH = b"exited, and there is a finish"
FINISHED = b"finish ended"
READY = b"said that it is ready"
START_FAILED = b"start failed"
DUE = b"due"  # the time that BACK_OFF or START_FINISH set has come
EVENTS = (*COMMANDS, EXITED, TO_FINISH, FINISHED, READY, START_FAILED, DUE)

# Actions, for the loop to carry out.
START = "start"
START_FINISH = "start finish"
NOTE_READY = "note ready"
RECORD = "record"  # write supervise/last
ANNOUNCE = "announce"  # write supervise/status
BACK_OFF = "back off"  # ask for DUE later
KILL_FINISH = "kill finish"
SEND_HUP = "HUP"
SEND_ALRM = "ALRM"
SEND_INT = "INT"
SEND_TERM = "TERM"
SEND_KILL = "KILL"
SEND_STOP = "STOP"
SEND_CONT = "CONT"

NOTHING: Rule = (None, None, ())
TOLD: Rule = (None, None, (ANNOUNCE,))

# What a service without a process and without ./finish makes of the events.
NO_PROCESS: dict[Event, Rule] = {
    b"u": (UP, WANT_UP, (ANNOUNCE, START)),
    b"d": (DOWN, WANT_DOWN, (ANNOUNCE,)),
    b"o": (UP, WANT_ONCE, (ANNOUNCE, START)),
    b"x": (ENDED, None, (ANNOUNCE,)),
    b"p": TOLD,
    b"c": TOLD,
    b"h": NOTHING,
    b"a": NOTHING,
    b"i": NOTHING,
    b"t": NOTHING,
    b"k": NOTHING,
    EXITED: NOTHING,
    TO_FINISH: NOTHING,
    FINISHED: NOTHING,
    READY: NOTHING,
    START_FAILED: NOTHING,
    DUE: NOTHING,
}

A_PROCESS: dict[Event, Rule] = {
    b"u": (None, WANT_UP, (ANNOUNCE,)),
    # CONT, for a stopped process does not see its TERM: so it is not paused any more.
    b"d": (UP, WANT_DOWN, (SEND_TERM, SEND_CONT, ANNOUNCE)),
    b"o": (None, WANT_ONCE, (ANNOUNCE,)),
    b"x": TOLD,  # and leaving from here on: see _entry
    b"p": (PAUSED, None, (ANNOUNCE, SEND_STOP)),
    b"c": (UP, None, (ANNOUNCE, SEND_CONT)),
    b"h": (None, None, (SEND_HUP,)),
    b"a": (None, None, (SEND_ALRM,)),
    b"i": (None, None, (SEND_INT,)),
    b"t": (None, None, (SEND_TERM,)),
    b"k": (None, None, (SEND_KILL,)),
    TO_FINISH: (FINISHING, None, (RECORD, ANNOUNCE, START_FINISH)),
    FINISHED: NOTHING,
    READY: (None, None, (NOTE_READY, RECORD)),
    DUE: NOTHING,
}

A_FINISH: dict[Event, Rule] = {
    **NO_PROCESS,
    b"u": (FINISHING, WANT_UP, (ANNOUNCE,)),
    b"d": (FINISHING, WANT_DOWN, (ANNOUNCE,)),
    b"o": (ONCE_MORE, WANT_ONCE, (ANNOUNCE,)),
    b"x": TOLD,
    DUE: (None, None, (KILL_FINISH,)),
}

RULES: dict[Phase, dict[Event, Rule]] = {
    DOWN: NO_PROCESS,
    BACKOFF: {**NO_PROCESS, DUE: (UP, None, (START,))},
    UP: A_PROCESS,
    PAUSED: A_PROCESS,
    FINISHING: A_FINISH,
    ONCE_MORE: {**A_FINISH, FINISHED: (UP, None, (START,))},
    ENDED: dict.fromkeys(EVENTS, NOTHING),
}

# What the end of the process, a failed start, and the end of ./finish lead to, by what
# is wanted.
AFTER_EXIT: dict[bytes, Rule] = {
    WANT_UP: (UP, None, (RECORD, ANNOUNCE, START)),
    WANT_DOWN: (DOWN, None, (RECORD, ANNOUNCE)),
    WANT_ONCE: (DOWN, None, (RECORD, ANNOUNCE)),
}
# COMPAT: the original forgets the service when fork fails (it sleeps 60 seconds and
# then waits for a command); this one tries again. RECORD, for ./finish may have ended
# just before, and it is the start, had it succeeded, that would have noted so.
AFTER_FAILURE: dict[bytes, Rule] = {
    WANT_UP: (BACKOFF, None, (RECORD, BACK_OFF)),
    WANT_DOWN: (DOWN, None, (RECORD,)),
    WANT_ONCE: (BACKOFF, None, (RECORD, BACK_OFF)),
}
AFTER_FINISH: dict[bytes, Rule] = {
    WANT_UP: (UP, None, (START,)),
    WANT_DOWN: (DOWN, None, (RECORD,)),
    WANT_ONCE: (DOWN, None, (RECORD,)),
}
BY_WANT: dict[tuple[Phase, Event], dict[bytes, Rule]] = {
    (UP, EXITED): AFTER_EXIT,
    (PAUSED, EXITED): AFTER_EXIT,
    (UP, START_FAILED): AFTER_FAILURE,
    (PAUSED, START_FAILED): AFTER_FAILURE,
    (FINISHING, FINISHED): AFTER_FINISH,
}
# The same when leaving.
LEAVING: dict[tuple[Phase, Event], Rule] = {
    (UP, EXITED): (ENDED, None, (RECORD, ANNOUNCE)),
    (PAUSED, EXITED): (ENDED, None, (RECORD, ANNOUNCE)),
    (UP, START_FAILED): (ENDED, None, (RECORD,)),
    (PAUSED, START_FAILED): (ENDED, None, (RECORD,)),
    (FINISHING, FINISHED): (ENDED, None, (RECORD,)),
    (ONCE_MORE, FINISHED): (ENDED, None, (RECORD,)),
}


def _rule(state: State, event: Event) -> Rule:
    """The one rule that holds for ``event`` in ``state``."""
    phase, want, leaving = state
    if leaving and (phase, event) in LEAVING:
        return LEAVING[phase, event]
    if (phase, event) in BY_WANT:
        return BY_WANT[phase, event][want]
    return RULES[phase][event]


def _entry(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    phase, want, actions = _rule(state, event)
    following = (
        state[0] if phase is None else phase,
        state[1] if want is None else want,
        # Nothing takes a ``x`` back.
        state[2] or event == b"x",
    )
    return following, actions


# Only a process or ./finish keeps supervise from leaving at once, so nothing leaves
# without one.
STATES: tuple[State, ...] = (
    *((DOWN, want, False) for want in WANTS),
    *((BACKOFF, want, False) for want in (WANT_UP, WANT_ONCE)),
    *((UP, want, leaving) for want in WANTS for leaving in (False, True)),
    *((PAUSED, want, leaving) for want in WANTS for leaving in (False, True)),
    *((FINISHING, want, leaving) for want in WANTS for leaving in (False, True)),
    *((ONCE_MORE, WANT_ONCE, leaving) for leaving in (False, True)),
    *((ENDED, want, leaving) for want in WANTS for leaving in (False, True)),
)

TABLE: dict[State, Row] = {
    state: {event: _entry(state, event) for event in EVENTS} for state in STATES
}


def initial(wanted_up: bool) -> tuple[State, tuple[Action, ...]]:
    """The first state and what to do to enter it; without a ``down`` file, a start."""
    if wanted_up:
        return (UP, WANT_UP, False), (START,)
    return (DOWN, WANT_DOWN, False), ()
