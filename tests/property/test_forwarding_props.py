"""Properties of what is compiled for fastforward."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytools.base.cdb import database
from qmail.forwarding import lists
from qmail.forwarding.addresses import Completion, addresses
from qmail.forwarding.aliases import compile_aliases
from qmail.forwarding.expansion import Expansion
from qmail.forwarding.source import Refused
from qmail.forwarding.table import (
    Malformed,
    commands_of,
    compile_table,
    instruction,
    records,
)
from qmail.mail.rfc822tokens import Unparsable

COMPLETION = Completion(b"h.example", b"d.example", b"p.example")
PIECES = [
    *(b"a", b"b@c", b": ", b", ", b";", b"\n", b"\n ", b"#", b'"|p q"', b"<", b">"),
    *(b"(x)", b"/f", b":include:l", b"owner-", b"\\", b"\0", b"+", b'"', b"\xe4", b"."),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=15).map(b"".join)
WORDS = st.binary(min_size=1, max_size=9).filter(lambda w: b"\0" not in w)
COMMANDS = st.builds(
    lambda s, w: s + w, st.sampled_from([b"&", b"|", b"!", b"/"]), WORDS
)
TARGETS = WORDS.map(bytes.lower)
TABLES = st.dictionaries(
    TARGETS, st.lists(COMMANDS, min_size=1, max_size=4), max_size=5
)


@given(TABLES)
def test_what_is_printed_compiles_to_the_same_database(
    table: dict[bytes, list[bytes]],
) -> None:
    made = [(b":" + key, b"\0".join(c) + b"\0") for key, c in table.items()]
    data = database(made)
    assert list(records(data)) == made
    printed = b"".join(instruction(key, value) for key, value in made)
    assert database(compile_table(printed)) == data


@given(TEXTS)
def test_what_compiles_is_well_formed(text: bytes) -> None:
    for compiled_lazily in (
        compile_aliases(text, COMPLETION),
        compile_table(text),
    ):
        try:
            compiled = list(compiled_lazily)
        except Refused:
            continue
        for key, data in compiled:
            assert key[:1] in (b"?", b":")
            assert key == key.lower()
            assert key.startswith(b"?") or commands_of(data)


@given(TEXTS)
def test_list_that_compiles_is_printed_and_compiles_again(text: bytes) -> None:
    try:
        data = lists.compile_include(text, COMPLETION)
    except Refused:
        return
    assert lists.compile_list(b"".join(lists.source(data))) == data


@given(st.binary(max_size=40))
def test_addresses_of_any_line_are_read_or_unparsable(line: bytes) -> None:
    try:
        for _, text in addresses(line, includes=True):
            assert isinstance(text, bytes)
    except Unparsable:
        pass


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_malformed(data: bytes) -> None:
    try:
        assert b"\0".join([*lists.entries(data), b""]) == data
    except Malformed:
        pass


NAMES = st.sampled_from([b"a@h", b"b@h", b"c@h", b"A@h", b"./l"])


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=4)))
def test_any_circle_ends_and_every_leaf_is_reached(
    graph: dict[bytes, list[bytes]],
) -> None:
    def commands(name: bytes) -> bytes:
        entries = [n if n == b"./l" else b"&" + n for n in graph.get(name, [])]
        return b"".join(entry + b"\0" for entry in entries)

    table = {b":" + name: commands(name) for name in graph if name == name.lower()}
    plan = Expansion(table.get, commands).plan(b"a@h", b"s")

    def following(name: bytes) -> list[bytes]:
        return graph.get(name if name == b"./l" else name.lower(), [])

    reached, todo = set(), [b"a@h"] if b":a@h" in table else []
    leaves = set()
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        follows = name == b"./l" or b":" + name.lower() in table
        if follows:
            todo += following(name)
        else:
            leaves.add(name)
    assert (plan is None) == (b":a@h" not in table)
    if plan is None:
        return
    assert sorted(plan.recipients) == sorted(leaves)
    # What is left when all that leads to nothing more is taken away, again and again.
    rings = set(reached)
    while ends := {name for name in rings if rings.isdisjoint(following(name))}:
        rings -= ends
    assert (plan.circle is None) == (not rings)
