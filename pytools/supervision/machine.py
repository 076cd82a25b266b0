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
             ENDED supervise is through.
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
ENDED = "ended"

# What is wanted, as the last byte of supervise/status says it.
WANT_UP = b"u"
WANT_DOWN = b"d"
WANT_ONCE = b"\0"
WANTS = (WANT_UP, WANT_DOWN, WANT_ONCE)

# Events: the command bytes of supervise/control, and what happens by itself.
COMMANDS = (b"u", b"d", b"o", b"x", b"p", b"c", b"h", b"a", b"i", b"t", b"k")
EXITED = b"exited"
START_FAILED = b"start failed"
RETRY = b"retry"
EVENTS = (*COMMANDS, EXITED, START_FAILED, RETRY)

# Actions, for the loop to carry out.
START = "start"
STAMP = "stamp"  # the process changed: note pid and time
ANNOUNCE = "announce"  # write supervise/status
BACK_OFF = "back off"  # ask for RETRY later
SEND_HUP = "HUP"
SEND_ALRM = "ALRM"
SEND_INT = "INT"
SEND_TERM = "TERM"
SEND_KILL = "KILL"
SEND_STOP = "STOP"
SEND_CONT = "CONT"
ACTIONS = (
    *(START, STAMP, ANNOUNCE, BACK_OFF),
    *(SEND_HUP, SEND_ALRM, SEND_INT, SEND_TERM, SEND_KILL, SEND_STOP, SEND_CONT),
)

NOTHING: Rule = (None, None, ())
TOLD: Rule = (None, None, (ANNOUNCE,))

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
    START_FAILED: NOTHING,
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
    RETRY: NOTHING,
}

RULES: dict[Phase, dict[Event, Rule]] = {
    DOWN: {**NO_PROCESS, RETRY: NOTHING},
    BACKOFF: {**NO_PROCESS, RETRY: (UP, None, (START,))},
    UP: A_PROCESS,
    PAUSED: A_PROCESS,
    ENDED: dict.fromkeys(EVENTS, NOTHING),
}

# What the end of the process, and a failed start, lead to, by what is wanted.
AFTER_EXIT: dict[bytes, Rule] = {
    WANT_UP: (UP, None, (STAMP, ANNOUNCE, START)),
    WANT_DOWN: (DOWN, None, (STAMP, ANNOUNCE)),
    WANT_ONCE: (DOWN, None, (STAMP, ANNOUNCE)),
}
# COMPAT: the original forgets the service when fork fails (it sleeps 60 seconds and
# then waits for a command); this one tries again.
AFTER_FAILURE: dict[bytes, Rule] = {
    WANT_UP: (BACKOFF, None, (BACK_OFF,)),
    WANT_DOWN: (DOWN, None, ()),
    WANT_ONCE: (BACKOFF, None, (BACK_OFF,)),
}
# The same when leaving.
EXIT_LEAVING: Rule = (ENDED, None, (STAMP, ANNOUNCE))
FAILURE_LEAVING: Rule = (ENDED, None, ())


def _rule(state: State, event: Event) -> Rule:
    """The one rule that holds for ``event`` in ``state``."""
    phase, want, leaving = state
    if phase in (UP, PAUSED):
        if event == EXITED:
            return EXIT_LEAVING if leaving else AFTER_EXIT[want]
        if event == START_FAILED:
            return FAILURE_LEAVING if leaving else AFTER_FAILURE[want]
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


# Only a process keeps supervise from leaving at once, so nothing leaves without one.
STATES: tuple[State, ...] = (
    *((DOWN, want, False) for want in WANTS),
    *((BACKOFF, want, False) for want in (WANT_UP, WANT_ONCE)),
    *((UP, want, leaving) for want in WANTS for leaving in (False, True)),
    *((PAUSED, want, leaving) for want in WANTS for leaving in (False, True)),
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
