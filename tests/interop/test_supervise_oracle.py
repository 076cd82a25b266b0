"""Every command in every state, and thousands of sequences, by both supervises."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.paired import Pair, View, run_pairs

LETTERS = "udoxpchaitk"
COMMANDS = [*LETTERS, "Z"]
SEQUENCES = int(os.environ.get("PYQMAIL_SEQUENCES", "2000"))
"""How many random sequences; 2,000 take 30 seconds."""
SEED = "supervise"

# Name, whether there is a file ``down``, and the chunks that lead there.
STATES: dict[str, tuple[bool, list[str]]] = {
    "down": (True, []),
    "down-paused": (True, ["p"]),
    "down-signalled": (True, ["haitk"]),
    "up": (False, []),
    "up-by-command": (True, ["u"]),
    "paused": (False, ["p"]),
    "continued": (False, ["p", "c"]),
    "once": (False, ["o"]),
    "once-paused": (False, ["op"]),
    "once-ended": (False, ["o", "k"]),
    "once-started": (True, ["o"]),
    "stopping": (False, ["d"]),
    "stopping-paused": (False, ["d", "p"]),
    "stopped": (False, ["d", "k"]),
    "stopped-then-wanted": (False, ["d", "u"]),
    "signalled": (False, ["hait"]),
    "leaving": (False, ["x"]),
    "leaving-paused": (False, ["px"]),
    "leaving-once": (False, ["ox"]),
    "leaving-stopping": (False, ["d", "x"]),
    "gone": (True, ["x"]),
}
AFTERWARDS = ["c", "k", "u", "k"]
"""What is sent after the command, to see what it left behind."""


def scripted(*chunks: str) -> Callable[[Callable[[], View]], Iterator[bytes]]:
    """A script that does not look at anything."""
    return lambda seen: iter([chunk.encode() for chunk in chunks])


def test_every_command_in_every_state_does_as_the_original(
    tmp_path: Path, originals: str
) -> None:
    pairs = [
        Pair(f"{state}-{c}", scripted(*chunks, c, *AFTERWARDS), down=down)
        for state, (down, chunks) in STATES.items()
        for c in COMMANDS
    ]
    # In the second after a start: supervise reads it when that is over.
    pairs += [
        Pair(f"starting-{c}", scripted("u" + c, *AFTERWARDS), down=True)
        for c in COMMANDS
    ]
    # Nothing blocked: what comes may be the end of the process.
    pairs += [
        Pair(
            f"mortal-{state}-{c}",
            scripted(*STATES[state][1], c, "c", "d", "u", "t"),
            down=STATES[state][0],
            blocked=False,
        )
        for state in ("down", "up", "paused", "once", "leaving", "leaving-paused")
        for c in COMMANDS
    ]
    pairs += [
        Pair(f"{name}-{c}", scripted(c, "p", "d", "o"), blocked=False, run=run)
        for name, run in (("missing", ""), ("directory", "/"), ("ends", "/bin/true"))
        for c in COMMANDS
    ]
    assert len(pairs) > 300
    run_pairs(tmp_path, originals, pairs, 300)


def hardy(
    rng: random.Random, count: int
) -> Callable[[Callable[[], View]], Iterator[bytes]]:
    """Sequences for a service that only KILL ends: many commands, few starts."""

    def script(seen: Callable[[], View]) -> Iterator[bytes]:
        for _ in range(count):
            if not seen().up:
                yield rng.choice(["u", "o", "pu", "ho", "du", "uc"]).encode()
            for _ in range(rng.randint(3, 6)):
                yield "".join(rng.choices("udopchaitZ", k=rng.randint(1, 4))).encode()
            if rng.random() < 0.3:
                yield rng.choice(["k", "dk", "ok", "pk"]).encode()
                for _ in range(rng.randint(0, 3) if not seen().up else 0):
                    yield "".join(rng.choices("dpchaitkZ", k=3)).encode()

    return script


def mortal(
    rng: random.Random, count: int
) -> Callable[[Callable[[], View]], Iterator[bytes]]:
    """Sequences for a service that ends by what it gets, until supervise itself ends.

    Whatever may stop or end it is the last of its chunk: what comes after it may be read
    before or after that has happened.
    """

    def script(seen: Callable[[], View]) -> Iterator[bytes]:
        for number in range(count):
            letters = "udohaitkpc" + "x" * (number == count - 1)
            for _ in range(rng.randint(2, 5)):
                if seen().guarded:
                    chunk = rng.choices("uoZ" if seen().up else "pdhaitkZ", k=2)
                    yield "".join([*chunk, rng.choice(letters)]).encode()

    return script


def test_random_sequences_of_commands_come_to_the_same(
    tmp_path: Path, originals: str
) -> None:
    # The directories' names are part of the seed, so that each can be run alone.
    mortals, each = 60, 5
    hardies, most = 100, -(-(SEQUENCES - mortals * each) // 100)
    pairs = [
        Pair(
            f"mortal-{n}",
            mortal(random.Random(f"{SEED} mortal {n}"), each),
            down=n % 3 == 0,
            blocked=False,
        )
        for n in range(mortals)
    ]
    pairs += [
        Pair(
            f"hardy-{n}",
            hardy(random.Random(f"{SEED} hardy {n}"), most),
            down=n % 3 == 0,
        )
        for n in range(hardies)
    ]
    run_pairs(tmp_path, originals, pairs, 200 + SEQUENCES / 20)
