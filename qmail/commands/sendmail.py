"""sendmail: the command line of sendmail(8) for qmail-inject; also mailq, newaliases.

Contract     every descriptor goes on to the program it becomes: qmail-inject, for -bs
             qmail-smtpd, for -bp and mailq qmail-qread, for -bi and newaliases the
             home's newaliases. Exit 100 for misuse, 111 when that program cannot be run.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.environment import edited, environ
from pytools.base.exits import Next, Strerr, complain
from pytools.process import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = b"sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]"

_FLAGS = frozenset((b"v", b"i", b"m", b"t", b"x", b"G", b"n", b"U"))
_WITH_ARGUMENT = frozenset(
    (b"e", b"f", b"p", b"o", b"B", b"F", b"b")
    + (b"r", b"N", b"R", b"O", b"V", b"L", b"h", b"X")
)
# The rest of the word belongs to these, the next word does not.
_REST_OF_WORD = frozenset((b"E", b"J", b"q", b"d"))

_LOOPBACK = {
    b"RELAYCLIENT": b"",
    b"DATABYTES": b"0",
    b"PROTO": b"TCP",
    b"TCPLOCALIP": b"127.0.0.1",
    b"TCPLOCALHOST": b"localhost",
    b"TCPREMOTEIP": b"127.0.0.1",
    b"TCPREMOTEHOST": b"localhost",
    b"TCPREMOTEINFO": b"sendmail-bs",
}


def main(argv: list[bytes]) -> int:
    """Become the program that does it."""
    strerr = Strerr(b"sendmail")
    recipients = argv[1:]
    try:
        posix.chdir(runtime.home)
    except OSError as error:
        raise strerr.fatal(
            b"unable to switch to qmail home directory", error=error
        ) from None
    env = dict(environ)
    sender: bytes | None = None
    from_header = queue_run = False
    for letter, value in _options(recipients, strerr):
        if letter == b"t":
            from_header = True
        elif letter in (b"f", b"r"):
            # COMPAT: the original makes a mailbox named "<>" of this way to write the
            # empty sender, which vacation programs use.
            sender = b"" if value == b"<>" else value
        elif letter == b"F":
            env[b"MAILNAME"] = value
        elif letter == b"q":
            queue_run = True
        elif letter == b"b":
            _change_mode(value, env, strerr)
    name = argv[0].rpartition(b"/")[2]
    if name == b"mailq":
        raise _program(b"qmail-qread", [], env, strerr)
    if name == b"newaliases":
        raise _newaliases(env, strerr)
    if queue_run and not recipients and not from_header:
        return 0  # qmail-send runs the queue by itself
    words = [b"-H" if from_header else b"-a"]
    if sender is not None:
        words += [b"-f", sender]
        env = edited(env, _sender_variables(sender))
    raise _program(b"qmail-inject", [*words, b"--", *recipients], env, strerr)


def _options(words: list[bytes], strerr: Strerr) -> Iterator[tuple[bytes, bytes]]:
    """Take the options off ``words``, one at a time: -bp counts before what follows it.

    Like getopt, but some letters eat their word's rest.

    COMPAT: the original refuses -N -R -O -V -q -d -r -h -X -L -G -n -U, which mail
    programs of today pass to every sendmail.
    """
    while words and len(words[0]) > 1 and words[0].startswith(b"-"):
        word = words.pop(0)[1:]
        if word.startswith(b"-"):
            break
        while word:
            letter, word = word[:1], word[1:]
            value = b""
            if letter in _REST_OF_WORD:
                value, word = word, b""
            elif letter in _WITH_ARGUMENT:
                if not word and not words:
                    complain(b"sendmail: option requires an argument -- " + letter)
                    raise strerr.usage(USAGE)
                value, word = word or words.pop(0), b""
            elif letter not in _FLAGS:
                complain(b"sendmail: illegal option -- " + letter)
                raise strerr.usage(USAGE)
            yield letter, value


def _change_mode(mode: bytes, env: dict[bytes, bytes], strerr: Strerr) -> None:
    """-b: -bm is what we do anyway."""
    if mode.startswith(b"p"):
        raise _program(b"qmail-qread", [], env, strerr)
    if mode.startswith(b"i"):
        raise _newaliases(env, strerr)
    if mode.startswith(b"s"):
        if b"PROTO" not in env:
            env.update(_LOOPBACK)
        raise _program(b"qmail-smtpd", [], env, strerr)
    if not mode.startswith(b"m"):
        raise strerr.usage(USAGE)


def _sender_variables(sender: bytes) -> dict[bytes, bytes | None]:
    """-f also says who From is, and then the caller's names are somebody else's."""
    user, at, host = sender.rpartition(b"@")
    return {
        b"QMAILNAME": None,
        b"MAILNAME": None,
        b"NAME": None,
        b"MAILHOST": None,
        b"QMAILHOST": host if at else None,
        b"QMAILUSER": user if at else sender,
    }


def _newaliases(env: dict[bytes, bytes], strerr: Strerr) -> Exception:
    try:
        ours = chain.is_ours(b"bin/newaliases")
    except OSError:
        ours = None
    if ours is not None and ours[0] == b"sendmail":
        # A link that brought us here: it would bring us here again.
        return strerr.fatal(b"bin/newaliases is sendmail, not newaliases", code=100)
    return _program(b"newaliases", [], env, strerr)


def _program(
    name: bytes, words: list[bytes], env: dict[bytes, bytes], strerr: Strerr
) -> Next:
    path = b"bin/" + name
    return Next(
        [path, *words],
        env,
        on_error=lambda error: strerr.fatal(b"unable to run ", name, error=error),
    )
