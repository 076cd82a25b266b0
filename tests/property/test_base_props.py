"""The base, with any bytes, any numbers, any splits."""

from __future__ import annotations

import ctypes
import os
import tempfile
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytools.base import environment, fds, netstring, tai
from pytools.base.cdb import Broken, Cdb, CdbMaker
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.process import launcher
from pytools.process.child import in_child

words = st.lists(
    st.one_of(
        st.text("nt:-x5", max_size=4).map(str.encode),
        st.sampled_from([b"-n", b"-t", b"--", b"-", b"-nt", b"-tn", b"file"]),
    ),
    max_size=6,
)


def c_getopt(args: list[bytes], spec: bytes) -> object:
    """What the C library's getopt makes of it, in POSIX order; None for an error."""
    libc: Any = ctypes.CDLL(None)
    argv = (ctypes.c_char_p * (len(args) + 2))(b"prog", *args, None)
    ctypes.c_int.in_dll(libc, "optind").value = 0
    ctypes.c_int.in_dll(libc, "opterr").value = 0
    optarg = ctypes.c_char_p.in_dll(libc, "optarg")
    options = []
    while (letter := libc.getopt(len(args) + 1, argv, b"+" + spec)) != -1:
        if letter == ord("?"):
            return None
        takes = spec[spec.index(letter) + 1 :][:1] == b":"
        options.append((bytes([letter]), (optarg.value or b"") if takes else b""))
    return options, args[ctypes.c_int.in_dll(libc, "optind").value - 1 :]


@given(words)
def test_getopt_agrees_with_the_c_library(args: list[bytes]) -> None:
    # The originals' own getopt takes any word that begins with -- for the end.
    args = [b"--" if word.startswith(b"--") else word for word in args]
    try:
        ours: Any = getopt(args, b"nt:")
    except BadOption:
        ours = None
    assert ours == c_getopt(args, b"nt:")


@given(st.binary(max_size=30))
def test_scan_ulong_takes_exactly_the_leading_digits(text: bytes) -> None:
    value, digits = scan_ulong(text)
    assert text[:digits].isdigit() or digits == 0
    assert not text[digits : digits + 1].isdigit()
    assert value == (int(text[:digits]) % 2**64 if digits else 0)


@given(
    st.dictionaries(st.integers(40, 48), st.integers(40, 48), max_size=9),
    st.sets(st.integers(40, 48)),
)
def test_arrange_gives_every_number_its_source(
    wanted: dict[int, int], others: set[int]
) -> None:
    def work() -> bytes:
        inodes = {}
        for fd in {*wanted.values(), *others}:
            made = os.memfd_create("x")
            os.dup2(made, fd, inheritable=False)
            os.close(made)
            inodes[fd] = os.fstat(fd).st_ino
        before = set(os.listdir("/proc/self/fd"))
        fds.arrange(wanted)
        for dst, src in wanted.items():
            assert os.fstat(dst).st_ino == inodes[src], (dst, src)
            assert os.get_inheritable(dst)
        for fd in others - set(wanted) - set(wanted.values()):
            assert os.fstat(fd).st_ino == inodes[fd]
            assert not os.get_inheritable(fd)
        after = set(os.listdir("/proc/self/fd"))
        gone = {str(fd) for fd in set(wanted.values()) - set(wanted)}
        assert after == (before - gone) | {str(fd) for fd in wanted}
        return b"right"

    assert in_child(work) == b"right"


@given(st.lists(st.binary(max_size=5), max_size=20), st.integers(1, 7))
def test_lines_joined_are_the_data_whatever_the_blocks(
    parts: list[bytes], block: int
) -> None:
    data = b"\n".join(parts)
    parts = data.split(b"\n")
    read_end, write_end = fds.pipe()
    os.write(write_end, data)
    os.close(write_end)
    reader = fds.LineReader(read_end)
    original, fds.BLOCK = fds.BLOCK, block
    try:
        lines = list(iter(reader.readline, b""))
    finally:
        fds.BLOCK = original
        os.close(read_end)
    expected = [line + b"\n" for line in parts[:-1]] + [p for p in parts[-1:] if p]
    assert lines == expected


@given(st.lists(st.binary(max_size=20), max_size=8), st.data())
def test_netstrings_come_out_whole_from_any_split(
    strings: list[bytes], data: st.DataObject
) -> None:
    wire = b"".join(netstring.encode(string) for string in strings)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder = netstring.Decoder()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        decoder.receive(wire[start:end])
        while (string := decoder.next()) is not None:
            found.append(string)
    assert (found, decoder.pending) == (strings, 0)


@given(st.binary(max_size=40))
def test_any_bytes_are_netstrings_or_malformed(data: bytes) -> None:
    whole, single = netstring.Decoder(100), netstring.Decoder(100)
    results = []
    for decoder, pieces in (
        (whole, [data]),
        (single, [data[i : i + 1] for i in range(len(data))]),
    ):
        found: list[bytes | str] = []
        try:
            for piece in pieces:
                decoder.receive(piece)
                while (string := decoder.next()) is not None:
                    found.append(string)
        except netstring.Malformed:
            found.append("malformed")
        results.append(found)
    assert results[0] == results[1]


@given(st.integers(-(2**62), 2**62), st.integers(0, 999_999_999))
def test_tai_stamp_goes_both_ways(seconds: int, nanos: int) -> None:
    stamp = tai.pack(seconds, nanos)
    assert tai.unpack(stamp) == (seconds, nanos)
    assert tai.tai64n(seconds * 10**9 + nanos) == stamp.hex().encode()


names = st.binary(min_size=1, max_size=4).filter(lambda name: b"=" not in name)


@given(
    st.dictionaries(names, st.binary(max_size=3)),
    st.dictionaries(names, st.none() | st.binary(max_size=3)),
)
def test_edited_has_what_was_changed_and_the_rest(
    env: dict[bytes, bytes], changes: dict[bytes, bytes | None]
) -> None:
    result = environment.edited(env, changes)
    for name in {*env, *changes}:
        assert result.get(name) == changes.get(name, env.get(name))


records = st.lists(
    st.tuples(st.binary(max_size=6), st.binary(max_size=20)), max_size=12
)


def written(found: list[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a cdb."""
    fd = os.memfd_create("cdb")
    maker = CdbMaker(fd)
    for key, data in found:
        maker.add(key, data)
    maker.finish()
    size = os.fstat(fd).st_size
    content = os.pread(fd, size, 0)
    os.close(fd)
    return content


@given(records)
def test_cdb_gives_back_what_was_added(found: list[tuple[bytes, bytes]]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(written(found))
        file.flush()
        with Cdb(os.fsencode(file.name)) as cdb:
            for key, _ in found:
                assert cdb.getall(key) == [data for k, data in found if k == key]


@given(
    records,
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
    st.integers(0, 4000),
)
def test_damaged_cdb_gives_bytes_none_or_broken_and_ends(
    found: list[tuple[bytes, bytes]], damage: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(written(found))
    for place, value in damage:
        content[place % len(content)] = value
    if cut < len(content):
        del content[cut:]
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            with Cdb(os.fsencode(file.name)) as cdb:
                for key, _ in [*found, (b"absent", b"")]:
                    assert isinstance(cdb.get(key), bytes | None)
                    assert all(isinstance(data, bytes) for data in cdb.getall(key))
        except Broken:
            pass


@given(
    st.text("abcdefghij-", min_size=1).map(str.encode),
    st.binary(max_size=20),
    st.integers(0, 500),
    st.binary(min_size=1, max_size=3),
)
def test_changed_launcher_is_never_taken_for_another(
    program: bytes, home: bytes, place: int, change: bytes
) -> None:
    text = launcher.render(program, home)
    assert launcher.parse(text) in (None, (program, home))
    at = place % len(text)
    changed = text[:at] + change + text[at + len(change) :]
    found = launcher.parse(changed)
    if found is not None:
        assert launcher.render(*found) == changed
