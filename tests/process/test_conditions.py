"""bouncesaying, condredirect and except: what a program's answer makes of a message.

The table is what netqmail's own programs did, run beside these.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.forked import Forked
from tests.support.recorder import Recorder

MESSAGE = b"Subject: x\n\nbody\n"
ENV = {"SENDER": "s@t", "DTLINE": "Delivered-To: y\n"}
CRASHED = b"%b: fatal: child crashed\n"
TEMPORARY = b"%b: fatal: temporary child error\n"
YES, NO = True, False
ANSWERS = [
    ("true", YES, b""),
    ("exit 1", NO, b""),
    ("exit 99", NO, b""),
    ("exit 100", NO, b""),
    ("exit 255", NO, b""),
    ("exit 111", None, TEMPORARY),
    ("kill -9 $$", None, CRASHED),
    ("kill -TERM $$", None, CRASHED),
]


@pytest.fixture
def run(tmp_path: Path) -> Forked:
    (tmp_path / "plain").write_text("no program")
    return Forked(tmp_path)


each_answer = pytest.mark.parametrize(("script", "answer", "complaint"), ANSWERS)


@pytest.mark.parametrize(
    ("program", "said"),
    [(["bouncesaying", "Go away."], b"Go away.\n"), (["except"], b"")],
    ids=["bouncesaying", "except"],
)
@each_answer
def test_bouncesaying_and_except_bounce_after_a_yes(
    run: Forked,
    program: list[str],
    said: bytes,
    script: str,
    answer: bool | None,
    complaint: bytes,
) -> None:
    done = run(*program, "sh", "-c", script)
    expected = {YES: (100, b"", said), NO: (0, b"", b"")}
    trouble = (111, b"", complaint and complaint % program[0].encode())
    assert done.said == expected.get(answer, trouble)  # type: ignore[arg-type]


@each_answer
def test_condredirect_queues_after_a_yes(
    run: Forked, script: str, answer: bool | None, complaint: bytes
) -> None:
    queue = Recorder(run.path / "queue")
    env = ENV | {"QMAILQUEUE": str(queue.program)}
    done = run("condredirect", "a@b", "sh", "-c", script, data=MESSAGE, env=env)
    assert done.out == b""
    if answer is YES:
        assert done.status == 99
        assert done.err.startswith(b"condredirect: qp ")
        assert queue.message == b"Delivered-To: y\n" + MESSAGE
        assert queue.envelope == [b"Fs@t", b"Ta@b"]
        return
    assert not queue.was_run
    status = 0 if answer is NO else 111
    assert (done.status, done.err) == (
        status,
        complaint and complaint % b"condredirect",
    )


@pytest.mark.parametrize("words", [["bouncesaying", ""], ["bouncesaying", "", "true"]])
def test_bouncesaying_nothing_still_says_a_line(run: Forked, words: list[str]) -> None:
    assert run(*words).said == (100, b"", b"\n")


@pytest.mark.parametrize("program", ["./none", "./plain", "no-such-program", "/tmp"])
def test_program_that_cannot_be_run_is_a_quiet_no(run: Forked, program: str) -> None:
    assert run("bouncesaying", "x", program).said == (0, b"", b"")
    assert run("except", program).said == (0, b"", b"")
    assert run("condredirect", "a@b", program).said == (0, b"", b"")


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["bouncesaying"], "bouncesaying error [ program [ arg ... ] ]"),
        (["except"], "except program [ arg ... ]"),
        (["condredirect"], "condredirect newaddress program [ arg ... ]"),
        (["condredirect", "a"], "condredirect newaddress program [ arg ... ]"),
    ],
)
def test_misuse_is_100(run: Forked, words: list[str], usage: str) -> None:
    line = f"{words[0]}: usage: {usage}\n"
    assert run(*words).said == (100, b"", line.encode())


def test_program_has_the_message_and_the_environment(run: Forked) -> None:
    done = run("bouncesaying", "x", "sh", "-c", "echo $K; cat; exit 1", data=MESSAGE)
    assert done.out == b"\n" + MESSAGE
    done = run("except", "printenv", "K", env={"K": "v"})
    assert done.out == b"v\n"


def test_condredirect_sends_all_although_the_program_has_read_it(run: Forked) -> None:
    queue = Recorder(run.path / "queue")
    env = ENV | {"QMAILQUEUE": str(queue.program)}
    message = MESSAGE * 20000
    done = run("condredirect", "a@b", "grep", "-q", "body", data=message, env=env)
    assert done.status == 99
    assert queue.message.endswith(message)


@pytest.mark.parametrize("missing", sorted(ENV))
def test_condredirect_outside_of_a_delivery_is_100(run: Forked, missing: str) -> None:
    env = {name: value for name, value in ENV.items() if name != missing}
    done = run("condredirect", "a@b", "true", env=env)
    line = f"condredirect: fatal: {missing} not set\n"
    assert done.said == (100, b"", line.encode())


def test_condredirect_from_a_pipe_is_111(run: Forked) -> None:
    read_end, write_end = os.pipe()
    done = run("condredirect", "a@b", "true", stdin=read_end, env=ENV)
    os.close(read_end)
    os.close(write_end)
    line = b"condredirect: fatal: unable to rewind: unseekable descriptor\n"
    assert done.said == (111, b"", line)


@pytest.mark.parametrize(
    ("code", "status"), [(31, 100), (11, 100), (53, 111), (81, 111)]
)
def test_condredirect_refusal_by_the_queue_is_told(
    run: Forked, code: int, status: int
) -> None:
    queue = Recorder(run.path / "queue", code)
    env = ENV | {"QMAILQUEUE": str(queue.program)}
    done = run("condredirect", "a@b", "true", data=MESSAGE, env=env)
    assert done.status == status
    assert done.err.startswith(b"condredirect: fatal: ")
