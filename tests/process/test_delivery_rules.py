"""The rules of .qmail files, row by row: what netqmail 1.06 did, and so must we.

The rows were made by running its qmail-local; where we differ on purpose, the module in
charge says COMPAT, and no row is here.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path

import pytest

# So that not every child loads it.
from qmail.commands import qmail_local  # noqa: F401
from tests.support.forked import Done, Forked
from tests.support.recorder import Recorder

NO_MAILBOX = (100, b"", [b"5.1.1"])
MESSAGE = b"Subject: x\n\nbody\n"
DELIVERED_TO = b"Delivered-To: joe-x@example.org\n"


class Home:
    """The home of joe."""

    def __init__(self, path: Path) -> None:
        self.path = path / "home"
        self.path.mkdir(mode=0o755)
        self.queue = Recorder(path / "recorder")
        self._run = Forked(path)

    def write(self, name: str, text: bytes, mode: int = 0o644) -> Path:
        file = self.path / name
        file.unlink(missing_ok=True)
        file.write_bytes(text)
        file.chmod(mode)
        return file

    def maildir(self) -> Path:
        for sub in ("tmp", "new", "cur"):
            (self.path / "M" / sub).mkdir(parents=True)
        return self.path / "M/new"

    def deliver(
        self,
        *flags: str,
        dash: str = "-",
        ext: str = "x",
        local: str = "joe-x",
        host: str = "example.org",
        sender: str = "s@t",
        default: str = "./Mailbox",
        message: bytes = MESSAGE,
        env: dict[str, str] | None = None,
    ) -> Done:
        words = ["joe", str(self.path), local, dash, ext, host, sender, default]
        env = {"QMAILQUEUE": str(self.queue.program), **(env or {})}
        return self._run("qmail-local", *flags, "--", *words, data=message, env=env)

    @property
    def names(self) -> set[str]:
        """What is in the home beside .qmail files."""
        return {p.name for p in self.path.iterdir() if not p.name.startswith(".qmail")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def codes(done: Done) -> list[bytes]:
    """The status codes of the complaint; the sentences are everybody's own."""
    return re.findall(rb"\(#(\d\.\d\.\d)\)\n", done.err)


def outcome(done: Done) -> tuple[int, bytes, list[bytes]]:
    return done.status, re.sub(rb"(?m)^qp \d+$", b"qp", done.out), codes(done)


# ---- which file

EVERY = (
    ".qmail .qmaildefault .qmail- .qmail-default .qmail-a .qmail-a-default .qmail-a-b "
    ".qmail-a-b-default .qmail-a:b .qmail-a- .qmail--default .qmail-x-default-y "
    ".qmail-xdefault .qmail-a-- .qmail-A .qmail-a.b"
)
DEFAULTS = " ".join(name for name in EVERY.split() if name.endswith("default"))

SEARCH = [
    # dash, ext, the files there are; the one that is asked, and its $DEFAULT
    ("", "", EVERY, (".qmail", "unset")),
    ("", "", DEFAULTS, (".qmaildefault", "")),
    ("", "x", DEFAULTS, (".qmaildefault", "x")),
    ("-", "", EVERY, (".qmail-", "unset")),
    ("-", "", DEFAULTS, (".qmail-default", "")),
    ("-", "a", EVERY, (".qmail-a", "unset")),
    ("-", "A", EVERY, (".qmail-a", "unset")),
    ("-", "A", ".qmail-A", None),
    ("-", "a", DEFAULTS, (".qmail-default", "a")),
    ("-", "a-b", EVERY, (".qmail-a-b", "unset")),
    ("-", "A-B", DEFAULTS, (".qmail-a-default", "B")),
    ("-", "a-b-c", EVERY, (".qmail-a-b-default", "c")),
    ("-", "A-B-C-D", EVERY, (".qmail-a-b-default", "C-D")),
    ("-", "a-B-C", ".qmail-default .qmail-a-default", (".qmail-a-default", "B-C")),
    ("-", "A-B-C", ".qmail-default .qmail-a", (".qmail-default", "A-B-C")),
    ("-", "a-", EVERY, (".qmail-a-", "unset")),
    ("-", "a-", DEFAULTS, (".qmail-a-default", "")),
    ("-", "a-b-", DEFAULTS, (".qmail-a-b-default", "")),
    ("-", "a--", ".qmail-a-default", (".qmail-a-default", "-")),
    ("-", "-", DEFAULTS, (".qmail--default", "")),
    ("-", "-a", DEFAULTS, (".qmail--default", "a")),
    ("-", "-a", ".qmail-default", (".qmail-default", "-a")),
    ("-", "a.b", EVERY, (".qmail-a:b", "unset")),
    ("-", "A.B", ".qmail-a.b .qmail-A.B", None),
    ("-", "A.B-C.D", DEFAULTS, (".qmail-default", "A.B-C.D")),
    ("-", "a.b-C.D", ".qmail-a:b-default", (".qmail-a:b-default", "C.D")),
    ("-", "..", ".qmail-:: ..", (".qmail-::", "unset")),
    ("-", "default", EVERY, (".qmail-default", "default")),
    ("-", "DEFAULT", EVERY, (".qmail-default", "DEFAULT")),
    ("-", "a-Default", EVERY, (".qmail-a-default", "Default")),
    ("-", "xDefault", EVERY, (".qmail-xdefault", "Default")),
    ("-", "x-default-y", EVERY, (".qmail-x-default-y", "unset")),
    ("-", "a b", ".qmail-default", (".qmail-default", "a b")),
    ("-", "é-É", ".qmail-é-É", (".qmail-é-É", "unset")),
    ("-", "a-é", ".qmail-a-default", (".qmail-a-default", "é")),
    ("-", "b", "", None),
    ("-", "", ".qmail .qmaildefault", None),
    ("-list-", "a", ".qmail-list-default", (".qmail-list-default", "a")),
    ("-list-", "a", ".qmail-default", None),
    ("+", "a", ".qmail+a .qmail-a", (".qmail+a", "unset")),
    ("+", "a+b", ".qmail+a+default .qmail+default", (".qmail+default", "a+b")),
]


@pytest.mark.parametrize(("dash", "ext", "names", "expected"), SEARCH)
def test_search_finds_the_file_and_sets_default(
    home: Home, dash: str, ext: str, names: str, expected: tuple[str, str] | None
) -> None:
    for name in names.split():
        if name != "..":
            home.write(name, f'|echo "{name} ${{DEFAULT-unset}}"\n'.encode())
    done = home.deliver(dash=dash, ext=ext)
    if expected is None:
        assert outcome(done) == NO_MAILBOX
    else:
        said = f"{expected[0]} {expected[1]}\ndid 0+0+1\n".encode()
        assert outcome(done) == (0, said, [])


def test_search_leaves_default_alone_when_the_file_is_exact(home: Home) -> None:
    home.write(".qmail-x", b'|echo "$DEFAULT"\n')
    done = home.deliver(env={"DEFAULT": "older"})
    assert done.out == b"older\ndid 0+0+1\n"


def test_search_below_a_directory(home: Home) -> None:
    (home.path / ".qmail").mkdir()
    home.write(".qmail/a-default", b'|echo "$DEFAULT"\n')
    assert home.deliver(dash="/", ext="a-b").out == b"b\ndid 0+0+1\n"


@pytest.mark.parametrize("ext", ["a" * 300, "a/b", "../x"])
def test_search_name_that_cannot_be_is_no_file(home: Home, ext: str) -> None:
    assert outcome(home.deliver(ext=ext)) == NO_MAILBOX
    home.write(".qmail-default", b"#\n")
    assert outcome(home.deliver(ext=ext)) == (0, b"did 0+0+0\n", [])


def make(path: Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            here = os.open(path.parent, os.O_RDONLY)
            made.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
    else:
        path.symlink_to({"dangling": "nowhere", "loop": path.name}.get(kind, kind))


KINDS = ["directory", "fifo", "socket", "dangling", "loop", "/dev/null", "/"]


@pytest.mark.parametrize("kind", KINDS)
def test_qmail_that_is_no_plain_file_is_missing(home: Home, kind: str) -> None:
    make(home.path / ".qmail-x", kind)
    assert outcome(home.deliver()) == NO_MAILBOX
    home.write(".qmail-default", b'|echo "$DEFAULT"\n')
    assert outcome(home.deliver()) == (0, b"x\ndid 0+0+1\n", [])
    make(home.path / ".qmail", kind)
    assert outcome(home.deliver(dash="", ext="")) == (0, b"did 1+0+0\n", [])


def test_qmail_may_be_a_link_to_a_file(home: Home) -> None:
    home.write("shared", b"./box\n")
    (home.path / ".qmail-x").symlink_to("shared")
    assert outcome(home.deliver()) == (0, b"did 1+0+0\n", [])


# ---- modes

WRITABLE = {0o646, 0o602, 0o606, 0o776, 0o757, 0o777, 0o702, 0o1757}


@pytest.mark.parametrize(
    "mode", [0o600, 0o400, 0o644, 0o664, 0o660, 0o645, 0o654, 0o646, 0o602, 0o1644]
)
@pytest.mark.parametrize("name", [".qmail-x", ".qmail-default"])
def test_mode_of_a_qmail_file(home: Home, mode: int, name: str) -> None:
    home.write(name, b"./box\n", mode)
    refused = (111, b"", [b"4.7.0"])
    expected = refused if mode in WRITABLE else (0, b"did 1+0+0\n", [])
    assert outcome(home.deliver()) == expected


@pytest.mark.parametrize("mode", [0o744, 0o700, 0o500, 0o755, 0o4744])
def test_mode_with_the_owners_x_allows_forwards_only(home: Home, mode: int) -> None:
    home.write(".qmail-x", b"./box\n", mode)
    assert outcome(home.deliver()) == (111, b"", [b"4.7.0"])
    home.write(".qmail-x", b"|echo\n", mode)
    assert outcome(home.deliver()) == (111, b"", [b"4.7.0"])
    home.write(".qmail-x", b"", mode)  # for the default delivery anything goes
    assert outcome(home.deliver()) == (0, b"did 1+0+0\n", [])
    home.write(".qmail-x", b"#\n&a@b\n", mode)
    assert outcome(home.deliver()) == (0, b"did 0+1+0\nqp\n", [])
    assert home.names == {"Mailbox"}


@pytest.mark.parametrize(
    "mode", [0o755, 0o700, 0o775, 0o2755, 0o4755, 0o757, 0o777, 0o702, 0o1757, 0o1755]
)
def test_mode_of_the_home(home: Home, mode: int) -> None:
    home.write(".qmail-x", b"./box\n")
    home.path.chmod(mode)
    if mode in WRITABLE:
        assert outcome(home.deliver()) == (111, b"", [b"4.7.0"])
        assert outcome(home.deliver("-n")) == (111, b"", [b"4.7.0"])
    elif mode & stat.S_ISVTX:
        assert outcome(home.deliver()) == (111, b"", [b"4.2.1"])
        done = home.deliver("-n")
        assert outcome(done) == (0, b"mbox ./box\ndid 1+0+0\n", [])
        assert done.err
    else:
        assert outcome(home.deliver()) == (0, b"did 1+0+0\n", [])


def test_home_is_examined_before_the_message(home: Home) -> None:
    home.path.chmod(0o757)
    done = home.deliver(message=DELIVERED_TO + b"\n")
    assert outcome(done) == (111, b"", [b"4.7.0"])


def test_loop_is_seen_before_the_mailbox_is_missed(home: Home) -> None:
    done = home.deliver(message=DELIVERED_TO + b"\n")
    assert outcome(done) == (100, b"", [b"5.4.6"])


# ---- lines

BOX = {"box"}
SOFT = b"4.2.1"
LINES = [
    # text; exit, output, status code; the files that are there afterwards
    (b"#x\n", 0, b"did 0+0+0\n", b"", set()),
    (b"#x\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"\n./box\n", 111, b"", SOFT, set()),
    (b" \t \n./box\n", 111, b"", SOFT, set()),
    (b"\n", 111, b"", SOFT, set()),
    (b" ", 111, b"", SOFT, set()),
    (b"\0", 111, b"", SOFT, set()),
    (b"\0./x\n./box\n", 111, b"", SOFT, set()),
    (b"./box\n\n  \n\n./two\n", 0, b"did 2+0+0\n", b"", {"box", "two"}),
    (b"./box \t \n", 0, b"did 1+0+0\n", b"", BOX),
    (b"./box", 0, b"did 1+0+0\n", b"", BOX),
    (b"|echo hi", 0, b"hi\ndid 0+0+1\n", b"", set()),
    (b"./box\r\n", 0, b"did 1+0+0\n", b"", {"box\r"}),
    (b"./M/\r\n", 111, b"", SOFT, set()),
    (b"./box\n\r\n./two\n", 0, b"did 2+1+0\nqp\n", b"", {"box", "two"}),
    (b"\r\n./box\n", 0, b"did 1+1+0\nqp\n", b"", BOX),
    (b"+list\r\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"./bo\0x\n", 0, b"did 1+0+0\n", b"", {"bo"}),
    (b"./box \0\n", 0, b"did 1+0+0\n", b"", {"box "}),
    (b"./box\0 \t\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"./box\n\0abc\n./two\n", 0, b"did 2+0+0\n", b"", {"box", "two"}),
    (b"|echo hi\0 there\n", 0, b"hi\ndid 0+0+1\n", b"", set()),
    (b"#\0\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+list\n", 0, b"did 0+0+0\n", b"", set()),
    (b"+list\n./box\n", 111, b"", b"4.7.0", set()),
    (b"+list \t\n./box\n", 111, b"", b"4.7.0", set()),
    (b"+list\0x\n./box\n", 111, b"", b"4.7.0", set()),
    (b"+list\n|echo hi\n", 111, b"", b"4.7.0", set()),
    (b"./box\n+list\n&a@b\n", 0, b"did 1+1+0\nqp\n", b"", BOX),
    (b"./box\n&a@b\n+list\n./two\n", 111, b"", b"4.7.0", BOX),
    (b"+List\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+ list\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+lists\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+list x\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"+a@b\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b".hidden\n", 0, b"did 1+0+0\n", b"", {".hidden"}),
    (b"./ x y\n", 0, b"did 1+0+0\n", b"", {" x y"}),
    (b".\n", 111, b"", SOFT, set()),
    (b"./\n", 111, b"", b"4.3.0", set()),
    (b"./M\0x/\n", 111, b"", SOFT, set()),
    (b"./no/box\n", 111, b"", SOFT, set()),
    (b"./" + b"a" * 300 + b"\n", 111, b"", SOFT, set()),
    (b"./" + b"a" * 300 + b"/\n", 111, b"", SOFT, set()),
    (b"/dev/null\n", 111, b"", b"4.3.0", set()),  # it has no fsync
    (b"/dev/full\n", 111, b"", b"4.3.0", set()),
    (b"|\n", 0, b"did 0+0+1\n", b"", set()),
    (b"| \n", 0, b"did 0+0+1\n", b"", set()),
    (b"|# x\n", 0, b"did 0+0+1\n", b"", set()),
    (b"|/nonexistent 2>/dev/null\n", 111, b"", b"", set()),
    (b"|cd /; pwd\n|pwd >where\n", 0, b"/\ndid 0+0+2\n", b"", {"where"}),
    (b"|echo " + b"a" * 50000 + b"|wc -c\n", 0, b"50001\ndid 0+0+1\n", b"", set()),
    (b"|echo " + b"a" * 200000 + b"|wc -c\n", 111, b"", b"4.3.0", set()),
    (b"#" + b"a" * 300000 + b"\n./box\n", 0, b"did 1+0+0\n", b"", BOX),
    (b"./box\n" * 9, 0, b"did 9+0+0\n", b"", BOX),
    (b"./box\n|exit 1\n./two\n&a@b\n", 111, b"", b"", BOX),
    (b"./box\n|exit 100\n./two\n&a@b\n", 100, b"", b"", BOX),
    (b"./box\n|exit 99\n\n./two\n", 0, b"did 1+0+1\n", b"", BOX),
    (b"|exit 99\n&a@b\n", 0, b"did 0+0+1\n", b"", set()),
]


@pytest.mark.parametrize(
    ("text", "status", "out", "code", "left"),
    LINES,
    ids=[repr(row[0][:30]) for row in LINES],
)
def test_lines(
    home: Home, text: bytes, status: int, out: bytes, code: bytes, left: set[str]
) -> None:
    home.write(".qmail-x", text)
    done = home.deliver()
    assert outcome(done) == (status, out, [code] if code else [])
    assert home.names == left
    assert home.queue.was_run == (b"qp" in out)


@pytest.mark.parametrize(
    "text",
    [
        "#",
        " \n./box",
        "./box \n|echo hi\n&a@b",
        "./box\n|exit 99\n\n./two\n",
        "+list\n./box",
    ],
)
def test_default_delivery_has_the_lines_of_a_file(home: Home, text: str) -> None:
    home.write(".qmail-x", text.encode())
    as_file, left = outcome(home.deliver()), home.names
    for name in left:
        (home.path / name).unlink()
    assert outcome(home.deliver(dash="", ext="", default=text)) == as_file
    assert home.names == left


def test_default_delivery_that_is_empty_is_a_blank_first_line(home: Home) -> None:
    done = home.deliver(dash="", ext="", default="")
    assert outcome(done) == (111, b"", [b"4.2.1"])


FORWARDS = [
    (b"&a@b\n", [b"a@b"]),
    (b"a@b\nc@d", [b"a@b", b"c@d"]),
    (b"&a@b \t\n", [b"a@b"]),
    (b"& a@b\n", [b" a@b"]),
    (b" a@b\n", [b" a@b"]),
    (b"\ta@b\n", [b"\ta@b"]),
    (b"&&a@b\n", [b"&a@b"]),
    (b"&\n", [b""]),
    (b"&  \n&a@b\n", [b"", b"a@b"]),
    (b"&#a@b\n", [b"#a@b"]),
    (b"&|a\n", [b"|a"]),
    (b"&./box\n", [b"./box"]),
    (b"&a@b\0c\n", [b"a@b"]),
    (b"&\0a@b\n", [b""]),
    (b"&a@b\r\n", [b"a@b\r"]),
    (b"&<a@b>\n", [b"<a@b>"]),
    (b"a@b (c), d\n", [b"a@b (c), d"]),
    (b"&root\n", [b"root"]),
    (b"\\joe\n", [b"\\joe"]),
    (b"~/M/\n", [b"~/M/"]),
    (b'"|cmd"\n', [b'"|cmd"']),
    (b":include:x\n", [b":include:x"]),
    (b"\xe9@b\n", [b"\xe9@b"]),
    (b"-a@b\n*\n!x\n", [b"-a@b", b"*", b"!x"]),
    (b"&" + b"a" * 5000 + b"@b\n", [b"a" * 5000 + b"@b"]),
    (b"&a@b\n|exit 99\n&c@d\n", [b"a@b"]),
    (b"&a@b\n|exit 0\n./box\n&c@d\n&a@b\n", [b"a@b", b"c@d", b"a@b"]),
    (b"&a@b\n" * 2000, [b"a@b"] * 2000),
]


@pytest.mark.parametrize(
    ("text", "recipients"), FORWARDS, ids=[repr(row[0][:30]) for row in FORWARDS]
)
def test_forwards(home: Home, text: bytes, recipients: list[bytes]) -> None:
    home.write(".qmail-x", text)
    assert outcome(home.deliver())[2] == []
    assert home.queue.envelope == [b"Fs@t", *(b"T" + address for address in recipients)]
    assert home.queue.message == DELIVERED_TO + MESSAGE


# ---- programs


@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 13, 14, 15])
def test_program_that_a_signal_ends_is_temporary(home: Home, number: int) -> None:
    home.write(".qmail-x", b"&a@b\n|kill -%d $$\n./after\n" % number)
    assert outcome(home.deliver()) == (111, b"", [b"4.3.0"])
    assert home.names == set()
    assert not home.queue.was_run


def test_program_finds_the_message_at_its_beginning(home: Home) -> None:
    home.write(".qmail-x", b"|cat >/dev/null\n|cat >a\n|head -c 3 >b\n|exec <&-\n./c\n")
    assert outcome(home.deliver()) == (0, b"did 1+0+4\n", [])
    assert (home.path / "a").read_bytes() == MESSAGE
    assert (home.path / "b").read_bytes() == MESSAGE[:3]
    assert (home.path / "c").read_bytes().endswith(MESSAGE + b"\n")


def test_program_cannot_write_the_message(home: Home) -> None:
    home.write(".qmail-x", b"|{ echo x >&0; } 2>/dev/null || echo refused\n")
    assert home.deliver().out == b"refused\ndid 0+0+1\n"


def test_program_may_complain_on_both_descriptors(home: Home) -> None:
    home.write(".qmail-x", b"|echo out; echo err >&2; exit 100\n")
    assert home.deliver().said == (100, b"out\n", b"err\n")


def test_program_has_the_environment_of_the_delivery_and_our_own(home: Home) -> None:
    home.write(".qmail-a-default", b"|env -0 >env\n./box\n")
    done = home.deliver(
        ext="A-b.C--d-e",
        local="joe-A-b.C--d-e",
        host="mx.Example.co.org",
        sender="a\nb@c",
        env={"EXT2": "older", "SHARED": "kept"},
    )
    assert done.status == 0
    found = dict(
        line.split(b"=", 1)
        for line in (home.path / "env").read_bytes().split(b"\0")[:-1]
    )
    line = (home.path / "box").read_bytes().partition(b"\n")[0]
    expected = {
        b"SENDER": b"a\nb@c",
        b"NEWSENDER": b"a\nb@c",
        b"RECIPIENT": b"joe-A-b.C--d-e@mx.Example.co.org",
        b"LOCAL": b"joe-A-b.C--d-e",
        b"HOST": b"mx.Example.co.org",
        b"HOST2": b"mx.Example.co",
        b"HOST3": b"mx.Example",
        b"HOST4": b"mx",
        b"EXT": b"A-b.C--d-e",
        b"EXT2": b"b.C--d-e",
        b"EXT3": b"-d-e",
        b"EXT4": b"d-e",
        b"DEFAULT": b"b.C--d-e",
        b"USER": b"joe",
        b"HOME": bytes(home.path),
        b"DTLINE": b"Delivered-To: joe-A-b.C--d-e@mx.Example.co.org\n",
        b"RPLINE": b'Return-Path: <"a\\_b"@c>\n',
        b"UFLINE": line + b"\n",
        b"SHARED": b"kept",
        b"QMAILQUEUE": bytes(home.queue.program),
    }
    shells = {b"PATH", b"PWD", b"OLDPWD", b"SHLVL", b"_"}
    assert {name: found[name] for name in found if name not in shells} == expected


# ---- senders and the lines made of them

SENDERS = [
    ("a@b", b"<a@b>", b"a@b"),
    ("", b"<>", b"MAILER-DAEMON"),
    ("#@[]", b"<#@[]>", b"#@[]"),
    ("a", b"<a>", b"a"),
    ("@", b'<""@>', b"@"),
    ("a@", b"<a@>", b"a@"),
    ("@b", b'<""@b>', b"@b"),
    ("a b@c", b'<"a b"@c>', b"a-b@c"),
    ("a\tb@c", b'<"a\tb"@c>', b"a-b@c"),
    ("a\nb@c", b'<"a\\_b"@c>', b"a-b@c"),
    ("a@b\nc", b"<a@b_c>", b"a@b-c"),
    ("\n", b'<"\\_">', b"-"),
    (" ", b'<" ">', b"-"),
    ('a"b@c', b'<"a\\"b"@c>', b'a"b@c'),
    ("a\\b@c", b'<"a\\\\b"@c>', b"a\\b@c"),
    ("a\rb@c", b'<"a\\\rb"@c>', b"a\rb@c"),
    ("a@b@c", b'<"a@b"@c>', b"a@b@c"),
    (".a@b", b'<".a"@b>', b".a@b"),
    ("a.@b", b'<"a."@b>', b"a.@b"),
    ("a..b@c", b'<"a..b"@c>', b"a..b@c"),
    ("(x)@b", b'<"(x)"@b>', b"(x)@b"),
    ("<a@b>", b'<"<a"@b>>', b"<a@b>"),
    ("é@b", '<"é"@b>'.encode(), "é@b".encode()),
    ("a@[1.2.3.4]", b"<a@[1.2.3.4]>", b"a@[1.2.3.4]"),
    ("x-@h-@[]", b'<"x-@h-"@[]>', b"x-@h-@[]"),
]


@pytest.mark.parametrize(("sender", "path", "word"), SENDERS)
def test_sender_in_the_lines_of_a_mailbox(
    home: Home, sender: str, path: bytes, word: bytes
) -> None:
    new = home.maildir()
    home.write(".qmail-x", b'./M/\n./box\n|printf %s "$SENDER/$RPLINE$UFLINE" >env\n')
    assert outcome(home.deliver(sender=sender)) == (0, b"did 2+0+1\n", [])
    [file] = new.iterdir()
    head = b"Return-Path: " + path + b"\n" + DELIVERED_TO
    assert file.read_bytes() == head + MESSAGE
    line, rest = home.path.joinpath("box").read_bytes().split(b"\n", 1)
    assert re.fullmatch(b"From " + re.escape(word) + rb" [A-Z].{23}", line)
    assert rest == head + MESSAGE + b"\n"
    # $( ) would have dropped it, but the shell keeps the last LF of a variable.
    expected = sender.encode() + b"/Return-Path: " + path + b"\n" + line + b"\n"
    assert (home.path / "env").read_bytes() == expected


OWNERS = [
    # sender, local, host, the owner files; the sender of forwards
    ("s@t", "joe-x", "h.x", "", b"s@t"),
    ("s@t", "joe-x", "h.x", "-owner", b"joe-x-owner@h.x"),
    ("s@t", "joe-x", "h.x", "-owner -owner-default", b"joe-x-owner-@h.x-@[]"),
    ("s@t", "joe-x", "h.x", "-owner-default", b"s@t"),
    ("", "joe-x", "h.x", "-owner -owner-default", b""),
    ("#@[]", "joe-x", "h.x", "-owner -owner-default", b"#@[]"),
    ("#@[] ", "joe-x", "h.x", "-owner", b"joe-x-owner@h.x"),
    ("#@[x]", "joe-x", "h.x", "-owner", b"joe-x-owner@h.x"),
    ("nohost", "joe-x", "h.x", "-owner", b"joe-x-owner@h.x"),
    ("a\nb@c", "joe-x", "h.x", "", b"a\nb@c"),
    ("s@t", "JOE-X", "H.x", "-owner", b"JOE-X-owner@H.x"),
    ("s@t", "joe-x", "", "-owner", b"joe-x-owner@"),
    ("s@t", "j\noe", "h\nx", "-owner", b"j\noe-owner@h\nx"),
]


@pytest.mark.parametrize(("sender", "local", "host", "files", "expected"), OWNERS)
def test_sender_of_forwards(
    home: Home, sender: str, local: str, host: str, files: str, expected: bytes
) -> None:
    home.write(".qmail-x", b'&a@b\n|printf %s "$NEWSENDER" >env\n')
    for name in files.split():
        make(home.path / f".qmail-x{name}", "fifo")  # it need only be there
    assert home.deliver(sender=sender, local=local, host=host).status == 0
    assert home.queue.envelope == [b"F" + expected, b"Ta@b"]
    assert (home.path / "env").read_bytes() == expected


@pytest.mark.parametrize(
    ("dash", "ext", "owner", "is_seen"),
    [
        ("-", "A.B-c", ".qmail-a:b-c-owner", True),
        ("-", "A.B-c", ".qmail-a:b-owner", False),
        ("-", "x", ".qmail-owner", False),
        ("", "", ".qmail-owner", True),
        ("-", "a-", ".qmail-a--owner", True),
    ],
)
def test_owner_file_belongs_to_the_whole_extension(
    home: Home, dash: str, ext: str, owner: str, is_seen: bool
) -> None:
    home.write(".qmail-default", b"&a@b\n")
    home.write(owner, b"")
    home.deliver(dash=dash, ext=ext, local="l", host="h", default="&a@b")
    assert home.queue.envelope[0] == (b"Fl-owner@h" if is_seen else b"Fs@t")


@pytest.mark.parametrize("kind", ["dangling", "loop"])
def test_owner_file_that_leads_nowhere_is_missing(home: Home, kind: str) -> None:
    home.write(".qmail-x", b"&a@b\n")
    make(home.path / ".qmail-x-owner", kind)
    assert home.deliver().status == 0
    assert home.queue.envelope[0] == b"Fs@t"


# ---- what is in the message

LOOPS = [
    (DELIVERED_TO + b"\nb\n", True),
    (b"A: b\n" + DELIVERED_TO, True),
    (b"A: b\n" + DELIVERED_TO[:-1], False),
    (b"A: b\n\n" + DELIVERED_TO, False),
    (b"A: b\n \n" + DELIVERED_TO, True),
    (b"A: b\r\n\r\n" + DELIVERED_TO, True),
    (b"no header\n" + DELIVERED_TO, True),
    (b"\0\n" + DELIVERED_TO, True),
    (b"delivered-to: joe-x@example.org\n\n", False),
    (b"Delivered-To: JOE-x@example.org\n\n", False),
    (b"Delivered-To: joe-x@Example.org\n\n", False),
    (b"Delivered-To:\n joe-x@example.org\n\n", False),
    (b"Delivered-To:  joe-x@example.org\n\n", False),
    (b"Delivered-To: joe-x@example.org \n\n", False),
    (b"Delivered-To: joe-x@example.org\r\n\r\n", False),
    (b"Delivered-To: joe-x@example.org (x)\n\n", False),
    (b"A: b\n " + DELIVERED_TO + b"\n", False),
    (DELIVERED_TO + b" goes on\n\n", True),
    (b"X: y\n" * 20000 + DELIVERED_TO + b"\n", True),
    (b"X: " + b"y" * 70000 + b"\n" + DELIVERED_TO + b"\n", True),
    (b"", False),
]


@pytest.mark.parametrize(
    ("message", "loops"), LOOPS, ids=[repr(row[0][:40]) for row in LOOPS]
)
def test_loop_is_the_very_same_line(home: Home, message: bytes, loops: bool) -> None:
    home.write(".qmail-x", b"./box\n")
    expected = (100, b"", [b"5.4.6"]) if loops else (0, b"did 1+0+0\n", [])
    assert outcome(home.deliver(message=message)) == expected
    assert outcome(home.deliver("-n", message=message))[0] == 0


def test_loop_line_has_no_line_feed_of_an_address(home: Home) -> None:
    home.write(".qmail-x", b"./box\n")
    message = b"Delivered-To: a_b@c_d\n\n"
    done = home.deliver(local="a\nb", host="c\nd", message=message)
    assert outcome(done) == (100, b"", [b"5.4.6"])


QUOTED = [
    (b"", b""),
    (b"\n", b"\n"),
    (b"x", b"x\n"),
    (b"From", b"From\n"),
    (b"From ", b">From \n"),
    (b">>>From ", b">>>>From \n"),
    (b"From a\n >From b\n\nfrom c\nFromd\n", b">From a\n >From b\n\nfrom c\nFromd\n"),
    (b"\0From a\n\nFrom \0\n", b"\0From a\n\n>From \0\n"),
    (b"A: b\r\nFrom a\r\n", b"A: b\r\n>From a\r\n"),
    (b"a\n\n\n\n", b"a\n\n\n\n"),
]


@pytest.mark.parametrize(("message", "quoted"), QUOTED)
def test_message_in_an_mbox_and_in_a_maildir(
    home: Home, message: bytes, quoted: bytes
) -> None:
    new = home.maildir()
    home.write(".qmail-x", b"./M/\n./box\n&a@b\n")
    assert home.deliver(message=message).status == 0
    head = b"Return-Path: <s@t>\n" + DELIVERED_TO
    assert next(new.iterdir()).read_bytes() == head + message
    text = (home.path / "box").read_bytes()
    assert text.partition(b"\n")[2] == head + quoted + b"\n"
    assert home.queue.message == DELIVERED_TO + message


# ---- -n


def test_describing_runs_nothing_and_prints_every_line(home: Home) -> None:
    text = (
        b"#\n./M/ \n./box\t\n| echo  hi \n& a\nb@c\n&\n+x\n+list\n|exit 99\n./after\n"
    )
    home.write(".qmail-x", text)
    expected = (
        b"maildir ./M/\nmbox ./box\nprogram  echo  hi\nforward  a\nforward b@c\n"
        b"forward \n"
    )
    assert outcome(home.deliver("-n")) == (111, expected, [b"4.7.0"])
    home.write(".qmail-x", text.replace(b"+list\n", b""))
    expected += b"program exit 99\nmbox ./after\ndid 3+3+2\n"
    assert outcome(home.deliver("-n")) == (0, expected, [])
    assert home.names == set()
    assert not home.queue.was_run


@pytest.mark.parametrize(
    ("flags", "describes"),
    [(["-nN"], False), (["-Nn"], True), (["-n", "-N"], False), (["-N", "-n"], True)],
)
def test_last_of_n_and_capital_n_counts(
    home: Home, flags: list[str], describes: bool
) -> None:
    home.write(".qmail-x", b"./box\n")
    assert home.deliver(*flags).out.startswith(b"mbox") == describes


# ---- arguments and the home


@pytest.mark.parametrize("count", [0, 1, 7, 9])
def test_arguments_are_eight(tmp_path: Path, count: int) -> None:
    words = ["joe", str(tmp_path), "joe", "", "", "h", "s", "#", "more"]
    assert Forked(tmp_path)("qmail-local", "--", *words[:count]).status == 100
    assert Forked(tmp_path)("qmail-local", "-x", "--", *words[:8]).status == 100
    assert Forked(tmp_path)("qmail-local", *words[:8]).status == 0


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", (100, b"", [])),
        ("home", (100, b"", [])),
        ("./", (100, b"", [])),
        ("/nonexistent", (111, b"", [b"4.3.0"])),
        ("/etc/passwd", (111, b"", [b"4.3.0"])),
    ],
)
def test_home_must_be_there(
    tmp_path: Path, where: str, expected: tuple[int, bytes, list[bytes]]
) -> None:
    words = ["joe", where, "joe", "", "", "h", "s", "#"]
    assert outcome(Forked(tmp_path)("qmail-local", "--", *words)) == expected
