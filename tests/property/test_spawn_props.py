"""Records, reports and look-ups: what holds for all bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qmail.control.users import (
    BadAssign,
    User,
    candidates,
    decode_user,
    encode_user,
    parse_assign,
)
from qmail.spawn.records import (
    Command,
    CommandDecoder,
    ReportDecoder,
    encode_command,
    encode_report,
    refusal,
)
from qmail.spawn.reports import local_report, remote_report

word = st.binary(max_size=20).map(lambda text: text.replace(b"\0", b""))
commands = st.builds(Command, st.integers(0, 255), word, word, word)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def command_fields(command: Command) -> tuple[int, bytes, bytes, bytes]:
    return command.number, command.messid, command.sender, command.recipient


@given(st.lists(commands, max_size=5), st.lists(st.integers(0, 10**6), max_size=8))
def test_commands_survive_the_wire_however_split(
    wanted: list[Command], cuts: list[int]
) -> None:
    decoder = CommandDecoder()
    found = []
    for piece in pieces(b"".join(map(encode_command, wanted)), cuts):
        decoder.receive(piece)
        while (command := decoder.next_command()) is not None:
            found.append(command_fields(command))
    assert found == [command_fields(command) for command in wanted]


@given(
    st.lists(st.tuples(st.integers(0, 255), word), max_size=5),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_reports_survive_the_wire_however_split(
    wanted: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    decoder = ReportDecoder()
    found = []
    for piece in pieces(b"".join(encode_report(*report) for report in wanted), cuts):
        decoder.receive(piece)
        while (report := decoder.next_report()) is not None:
            found.append(report)
    assert found == wanted


@given(st.binary(max_size=200), st.lists(st.integers(0, 10**6), max_size=8))
def test_any_bytes_are_commands_and_each_split_gives_the_same(
    data: bytes, cuts: list[int]
) -> None:
    def decoded(chunks: list[bytes]) -> list[tuple[int, bytes, bytes, bytes]]:
        decoder = CommandDecoder()
        found = []
        for chunk in chunks:
            decoder.receive(chunk)
            while (command := decoder.next_command()) is not None:
                found.append(command_fields(command))
        return found

    assert decoded(pieces(data, cuts)) == decoded([data])


@given(commands, st.booleans())
def test_unrefused_command_names_a_file_of_the_queue(
    command: Command, in_use: bool
) -> None:
    report = refusal(command, in_use)
    if report is None:
        assert set(command.messid) <= set(b"0123456789/")
        assert not command.messid.startswith(b"/")
        assert command.local + b"@" + command.domain == command.recipient
    else:
        assert report[:1] in (b"Z", b"D")


@given(st.integers(0, 0xFFFF), st.binary(max_size=100))
def test_every_child_gets_one_report_without_nul(status: int, output: bytes) -> None:
    for report in (local_report(status, output), remote_report(status, output)):
        assert report[:1] in (b"K", b"Z", b"D")
        assert b"\0" not in report


@given(st.binary(max_size=100))
def test_remote_success_needs_a_k_that_is_ended(output: bytes) -> None:
    if remote_report(0, output)[:1] == b"K":
        assert any(part[:1] == b"K" for part in output.split(b"\0")[:-1])


@given(
    st.builds(
        User, word, st.integers(0, 2**40), st.integers(0, 2**40), word, word, word
    )
)
def test_user_survives_its_record(user: User) -> None:
    found = decode_user(encode_user(user))
    for name in User.__slots__:
        assert getattr(found, name) == getattr(user, name)


@given(
    st.lists(
        st.sampled_from([b"=", b"+", b"a", b"B", b":", b"::::::", b"\n", b".", b"-"])
    )
)
def test_assign_is_records_or_bad(text_parts: list[bytes]) -> None:
    text = b"".join(text_parts)
    try:
        records = parse_assign(text)
    except BadAssign as error:
        line = error.line
    else:
        check_records(records)
        return
    assert 1 <= line <= text.count(b"\n") + 1


def check_records(records: list[tuple[bytes, bytes]]) -> None:
    *assignments, (last_key, wildcards) = records
    assert last_key == b""
    assert len(set(wildcards)) == len(wildcards)
    for key, data in assignments:
        assert key.startswith(b"!")
        assert key == key.lower()
        assert data.count(b"\0") == 5


@given(word, word)
def test_candidates_are_prefixes_and_their_rests(
    local: bytes, wildcards: bytes
) -> None:
    exact, *found = candidates(local, wildcards)
    assert exact == (b"!" + local.lower() + b"\0", b"")
    assert found[-1] == (b"!", local)
    lengths = [len(key) for key, _ in found]
    assert lengths == sorted(lengths, reverse=True)
    for key, rest in found:
        assert local.endswith(rest)
        assert key[1:] + rest.lower() == local.lower()
