"""Carry out the instructions of a .qmail file, in order; forward last; report.

Contract     the working directory is the user's home, before and after each
             instruction. Ends by ``Exit`` at the first that fails, 100 or 111.
"""

from __future__ import annotations

import posix
import time

from pytools.base import signals
from pytools.base.durable import close_quietly
from pytools.base.exits import Exit, is_temporary
from pytools.base.fds import write_all
from qmail.local import dotqmail, maildir, mbox, mboxlock, message
from qmail.local.home import HARD, SOFT, trouble
from qmail.queue.inject import Submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qmail.local.dotqmail import Instruction

_MAILDIR_SECONDS = 86400
_LOCK_SECONDS = 30


class Delivery:
    """One run through a .qmail file, for a message whose variables are known."""

    def __init__(
        self,
        variables: dict[bytes, bytes],
        run_program: Callable[[bytes], int],
        describing: bool,
    ) -> None:
        self._head = variables[b"RPLINE"] + variables[b"DTLINE"]
        self._from_line = variables[b"UFLINE"]
        self._delivered_to = variables[b"DTLINE"]
        self._newsender = variables[b"NEWSENDER"]
        self._run_program = run_program
        self._describing = describing
        self._files = 0
        self._programs = 0
        self._recipients: list[bytes] = []
        self._is_home = True
        self._qp = 0

    def run(self, instructions: list[Instruction]) -> None:
        """Do it all, and print what was done."""
        for kind, target in instructions:
            if self._carry_out(kind, target) == dotqmail.LAST:
                break
        if self._recipients and not self._describing:
            self._forward()
        counts = (self._files, len(self._recipients), self._programs)
        report = b"did %d+%d+%d\n" % counts
        if self._qp:
            report += b"qp %d\n" % self._qp
        _say(report)

    def _carry_out(self, kind: bytes, target: bytes) -> int:
        """One line; DONE, or LAST if the rest of the file is to be left out."""
        if kind == dotqmail.BLANK_FIRST:
            raise Exit(SOFT, b"The first line of the .qmail file is blank. (#4.2.1)")
        if kind in (dotqmail.NO_FILE, dotqmail.NO_PROGRAM):
            what = b"a file" if kind == dotqmail.NO_FILE else b"a program"
            raise Exit(
                SOFT,
                b"The .qmail file may only forward, but it names %b. (#4.7.0)" % what,
            )
        if self._describing:
            _say(kind + b" " + target + b"\n")
        if kind == dotqmail.FORWARD:
            self._recipients.append(target)
        elif not self._is_home:
            # Its names mean something else here. What the lines before have delivered
            # will be delivered again, which is better than losing these.
            raise Exit(SOFT, b"Unable to go back to the home directory. (#4.3.0)")
        elif kind == dotqmail.PROGRAM:
            self._programs += 1
            if not self._describing:
                return self._program(target)
        else:
            self._files += 1
            if not self._describing:
                self._file(kind, target)
        return dotqmail.DONE

    def _file(self, kind: bytes, target: bytes) -> None:
        # COMPAT: a limit on the size of files kills the original in the middle of a
        # message, and in an mbox that part stays. Without the signal it is an error as
        # any other, and the mbox is cut back.
        ignored = signals.is_ignored(signals.SIGXFSZ)
        signals.ignore(signals.SIGXFSZ)
        try:
            (self._maildir if kind == dotqmail.MAILDIR else self._mbox)(target)
        finally:
            if not ignored:
                signals.set_default(signals.SIGXFSZ)

    def _maildir(self, directory: bytes) -> None:
        # PERF: the original forks for this; here the process itself goes there and back
        # under the same 24 hours. A fork and its wait are 0.8 ms, all the rest of a
        # delivery 1.5 to 2 (tests/bench/maildir_deliveries.py, fsyncs included).
        try:
            back = posix.open(b".", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
            _enter_maildir(directory)
            _limited(
                _MAILDIR_SECONDS,
                lambda: maildir.deliver(self._head, message.blocks(), self._new_name),
                b"Delivery to the Maildir took too long. (#4.3.0)",
            )
        except OSError:
            text = b"Temporary trouble with delivery to the Maildir. (#4.3.0)"
            raise Exit(SOFT, text) from None
        # DURABILITY: the message is delivered. Only a line that needs the home may
        # still defer it: without one a retry would be a duplicate for nothing.
        try:
            posix.fchdir(back)
        except OSError:
            self._is_home = False
        close_quietly(back)

    def _new_name(self) -> bytes:
        host = posix.uname().nodename.encode("utf-8", "surrogateescape")
        pid = posix.getpid()
        return maildir.unique_name(time.time_ns(), pid, self._files, host)

    def _mbox(self, path: bytes) -> None:
        fd, locked = self._locked_mbox(path)
        head = self._from_line + self._head
        try:
            mbox.append(path, fd, head, message.blocks(), locked)
        except OSError as error:
            raise trouble(b"Unable to write " + path, error) from None
        # DURABILITY: fsync has said that all of it is on disk; a deferral would only
        # deliver it twice. The process ends soon, and its lock with it.
        close_quietly(fd)

    def _locked_mbox(self, path: bytes) -> tuple[int, bool]:
        """(the mailbox open for appending, if it is locked)."""
        while True:
            try:
                fd = mbox.open_mailbox(path)
            except OSError as error:
                raise trouble(b"Unable to open " + path, error, b"4.2.1") from None
            locked = _lock(fd)
            # DURABILITY: a mail reader may have put another file in its place while we
            # waited for its lock. COMPAT: the original appends to the one that is gone.
            try:
                if not mbox.is_replaced(path, fd):
                    return fd, locked
            except OSError as error:
                raise trouble(b"Unable to look at " + path, error) from None
            close_quietly(fd)

    def _program(self, command: bytes) -> int:
        message.rewind()
        status = self._run_program(command)
        if not posix.WIFEXITED(status):
            raise Exit(SOFT, b"The program crashed. (#4.3.0)")
        verdict = dotqmail.program_verdict(posix.WEXITSTATUS(status))
        if verdict in (HARD, SOFT):
            raise Exit(verdict)  # the program has spoken for itself
        return verdict

    def _forward(self) -> None:
        submission = Submission()
        submission.put(self._delivered_to)
        try:
            for block in message.blocks():
                submission.put(block)
        except Exit:
            submission.fail()
        submission.sender(self._newsender)
        for recipient in self._recipients:
            submission.recipient(recipient)
        verdict = submission.close()
        self._qp = submission.qp
        if verdict:
            code = HARD if verdict.startswith(b"D") else SOFT
            raise Exit(code, b"Unable to forward the message: %b." % verdict[1:])


def _enter_maildir(directory: bytes) -> None:
    try:
        posix.chdir(directory)
    except OSError as error:
        if is_temporary(error):
            raise
        raise Exit(SOFT, b"Unable to enter the Maildir. (#4.2.1)") from None


def _lock(fd: int) -> bool:
    """Lock the mailbox. False: it can't be locked, and is written all the same."""
    locked = False

    def take() -> None:
        nonlocal locked
        try:
            mboxlock.lock_mailbox(fd)
            locked = True
        except OSError:
            pass

    text = b"The mailbox has been locked for 30 seconds. (#4.3.0)"
    _limited(_LOCK_SECONDS, take, text)
    return locked


class _TooLong(Exception):
    """The alarm went off."""


def _ring(number: int, frame: object) -> None:
    raise _TooLong


def _limited(seconds: int, work: Callable[[], None], text: bytes) -> None:
    """Do ``work``; after ``seconds`` stop it and end with ``text``."""
    try:
        signals.catch(signals.SIGALRM, _ring)
        signals.alarm(seconds)
        try:
            work()
        finally:
            signals.alarm(0)
            signals.set_default(signals.SIGALRM)
    except _TooLong:
        raise Exit(SOFT, text) from None


def _say(line: bytes) -> None:
    try:
        write_all(1, line)
    except OSError:
        pass  # nobody listens; what is delivered is delivered
