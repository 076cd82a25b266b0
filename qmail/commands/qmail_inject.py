"""qmail-inject: complete the header of a message, and queue it.

Contract     fd 0 the message; exit 0 queued, 100 the caller is wrong or a header field
             cannot be parsed, 111 try again. With -n the message goes to fd 1 instead.
Memory       the header is kept, the body streams.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.environment import environ
from pytools.base.exits import Exit, Strerr
from pytools.base.fds import read_file, write_all
from pytools.base.options import BadOption, getopt
from qmail.control import files
from qmail.control.maps import ConstMap
from qmail.inject.composing import BadField, Composer
from qmail.inject.identity import Identity
from qmail.inject.rewriting import Rewriter
from qmail.mail.header import HeaderReader
from qmail.mail.quoting import quote_address
from qmail.mail.rfc822tokens import Unparsable
from qmail.queue.inject import submit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


_BLOCK = 65536
_OPTIONS = b"aAhHnNf:"


def main(argv: list[bytes]) -> int:
    """Read, complete, queue."""
    strerr = Strerr(b"qmail-inject")
    signals.ignore(signals.SIGPIPE)
    now = int(time.time())
    env = dict(environ)
    mailing_lists = _mailing_lists(env, strerr)
    rewriter, id_host = _controls(env, strerr)
    options, arguments = _options(argv, strerr)
    composer = Composer(Identity(env), rewriter, id_host, now, posix.getpid())
    for sender in options.senders:
        composer.sender = _sender(sender, rewriter, strerr)
    use_arguments, use_header = options.strategy(bool(arguments))
    composer.use_header_recipients = use_header
    recipients = []
    if use_arguments:
        recipients = [_recipient(word, rewriter, strerr) for word in arguments]

    reader = HeaderReader()
    blocks = _blocks(strerr)
    try:
        for block in blocks:
            for field in reader.feed(block):
                composer.field(field)
            if reader.body is not None:
                break
        else:
            for field in reader.finish():
                composer.field(field)
        header = composer.finish(mailing_lists)
    except BadField as bad:
        raise _unparsable(bad.field, strerr) from None
    sender = composer.sender or b""
    if use_header:
        recipients += composer.header_recipients

    read = reader.body or b""
    if options.printing:
        return_path = b"Return-Path: <%b>\n" % quote_address(sender)
        _print(_message(return_path + header, read, blocks), strerr)
    else:
        submit(_message(header, read, blocks), sender, recipients, strerr)
    return 0


class _Options:
    """The command line's options; the last word on each counts.

    ``senders`` are all of -f, for one that cannot be parsed is misuse.
    """

    __slots__ = ("_strategy", "printing", "senders")

    def __init__(self, options: list[tuple[bytes, bytes]]) -> None:
        self.printing = False
        self.senders: list[bytes] = []
        self._strategy = b"A"
        for letter, value in options:
            if letter in (b"n", b"N"):
                self.printing = letter == b"n"
            elif letter == b"f":
                self.senders.append(value)
            else:
                self._strategy = letter

    def strategy(self, has_arguments: bool) -> tuple[bool, bool]:
        """Whether recipients come from the arguments, and from the header."""
        letter = self._strategy
        if letter == b"A":
            letter = b"a" if has_arguments else b"h"
        return letter != b"h", letter != b"a"


def _options(argv: list[bytes], strerr: Strerr) -> tuple[_Options, list[bytes]]:
    try:
        options, arguments = getopt(argv[1:], _OPTIONS)
    except BadOption as bad:
        line = bad.explain(strerr.prog, _OPTIONS)
        raise Exit(100, line.removesuffix(b"\n")) from None
    return _Options(options), arguments


def _mailing_lists(env: dict[bytes, bytes], strerr: Strerr) -> ConstMap | None:
    """The lists of $QMAILMFTFILE, named from the directory of the caller."""
    name = env.get(b"QMAILMFTFILE")
    if name is None:
        return None
    try:
        content = read_file(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise strerr.fatal(b"unable to read ", name, error=error) from None
    lines = (line.rstrip(b" \t") for line in content.split(b"\n"))
    return ConstMap(line for line in lines if line and not line.startswith(b"#"))


def _controls(env: dict[bytes, bytes], strerr: Strerr) -> tuple[Rewriter, bytes]:
    """Go to the qmail home, and read the four names there."""
    try:
        posix.chdir(runtime.home)
    except OSError as error:
        raise strerr.fatal(b"unable to switch to ", runtime.home, error=error) from None

    def name(control: bytes) -> bytes:
        value = files.read_or_me(control, me)
        return env.get(b"QMAIL" + control.upper(), control if value is None else value)

    try:
        me = files.readline(b"me")
        names = [name(b"defaulthost"), name(b"defaultdomain"), name(b"plusdomain")]
        id_host = name(b"idhost")
    except OSError as error:
        raise strerr.fatal(b"unable to read controls", error=error) from None
    try:
        return Rewriter(*names), id_host
    except Unparsable as bad:
        raise _unparsable(bad.text, strerr) from None


def _unparsable(line: bytes, strerr: Strerr) -> Exit:
    """The end for a header field, a sender or a default name."""
    line = line.removesuffix(b"\n")
    return strerr.fatal(b"unable to parse this line:\n", line, code=100)


def _sender(text: bytes, rewriter: Rewriter, strerr: Strerr) -> bytes:
    """The address of -f, completed."""
    try:
        return rewriter.plain(quote_address(text))
    except Unparsable as bad:
        raise _unparsable(bad.text, strerr) from None


def _recipient(text: bytes, rewriter: Rewriter, strerr: Strerr) -> bytes:
    """An address of the arguments, completed."""
    try:
        return rewriter.plain(quote_address(text))
    except Unparsable:
        raise strerr.fatal(b"unable to parse address: ", text, code=100) from None


def _blocks(strerr: Strerr) -> Iterator[bytes]:
    try:
        while block := posix.read(0, _BLOCK):
            yield block
    except OSError as error:
        raise strerr.fatal(b"read error", error=error) from None


def _message(header: bytes, first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The message; the last line of the body gets the LF it may lack."""
    yield header
    if first:
        yield first
    last = first
    for block in blocks:
        yield block
        last = block
    if last and not last.endswith(b"\n"):
        yield b"\n"


def _print(message: Iterator[bytes], strerr: Strerr) -> None:
    try:
        for block in message:
            write_all(1, block)
    except OSError as error:
        raise strerr.fatal(b"unable to write the message", error=error) from None
