"""The numbers in the pages are those of the code.

A row is a page, words of it with ``N`` for a number, and the constant. Numbers are
written as digits or as words; units are what the page says.
"""

from __future__ import annotations

import re

import pytest

from pytools.commands import rblsmtpd, readproctitle, svc, svscan, tcp_env
from pytools.multilog import files, script, selection
from pytools.supervision import scanner, service, supervisor
from pytools.ucspi import arguments, children, connection, limits, refusing
from qmail.commands import (
    qmail_getpw,
    qmail_pop3d,
    qmail_popup,
    qmail_qmqpc,
    qmail_qmqpd,
    qmail_qmtpd,
    qmail_remote,
    qmail_smtpd,
    splogger,
)
from qmail.control import tcpto
from qmail.local import delivery
from qmail.pop3 import credentials, login
from qmail.pop3 import lines as pop3_lines
from qmail.queue import client, config, envelope, exitcodes, layout
from qmail.remote import lookup
from qmail.send import schedule, todo
from qmail.smtp import address, hops, reply
from qmail.spawn import records, reports
from tests.support.manual_pages import pages

WORDS = {
    "one": 1,
    "two": 2,
    "five": 5,
    "six": 6,
    "ten": 10,
    "an hour": 1,
    "a week": 604800,
}
HOUR = 3600
MINUTE = 60
DEFAULTS = arguments.Arguments()

LIMITS = [
    ("addresses of up to N bytes", envelope.ADDRESS_MAX),
    ("qmail-smtpd 8 of up to N.", address.MAX_ADDRESS),
    ("a name of at most N bytes", qmail_getpw.NAME_MAX),
    ("a message with N or more header fields", hops.MAX_HOPS),
    ("serves N connections at once", DEFAULTS.limit),
    ("written within N hours", layout.WRITER_SECONDS // HOUR),
    ("by an ordinary user within N minutes", 20),
    ("less than N megabytes", config.FREE_BYTES >> 20),
    ("megabytes or N files left", config.FREE_INODES),
    ("run up to N deliveries each", records.SPAWN_LIMIT),
    ("output of a local delivery N bytes", reports.LOCAL_OUTPUT_MAX),
    ("of any report N,", records.REPORT_MAX),
    ("what a remote server says N.", reply.MAX_TEXT),
    ("mbox is waited for N seconds", delivery._LOCK_SECONDS),
    ("Maildir may take N hours", delivery._MAILDIR_SECONDS // HOUR),
    ("remembers N hosts", tcpto.RECORDS),
    ("addresses of N mail exchangers", lookup.EXCHANGERS),
    ("looks after N services", scanner.MAX_SERVICES),
]
OTHERS = [
    ("checkpassword.8", "a zero byte, N bytes at most", credentials.MAX_BYTES),
    ("multilog.8", "at most size bytes: N to", script.MIN_SIZE),
    ("multilog.8", "4096 to N, at first", script.MAX_SIZE),
    ("multilog.8", "16777215, at first N.", script.DEFAULT_SIZE),
    ("multilog.8", "old files: at least N, at first", script.MIN_KEEP),
    ("multilog.8", "at least 2, at first N.", script.DEFAULT_KEEP),
    ("multilog.8", "descriptor 2, at most N bytes of it", selection.ALERT_SIZE),
    ("multilog.8", "filled up with newlines to N.", selection.STATUS_SIZE),
    ("multilog.8", "a pause of N seconds", files.PAUSE_SECONDS),
    ("mbox.5", "and waits N seconds for", delivery._LOCK_SECONDS),
    ("maildir.5", "longer than N hours", delivery._MAILDIR_SECONDS // HOUR),
    ("qmail-lspawn.8", "Up to N deliveries", records.SPAWN_LIMIT),
    ("qmail-lspawn.8", "The byte N at the start", records.SPAWN_LIMIT),
    ("qmail-lspawn.8", "a report over N bytes", reports.LOCAL_OUTPUT_MAX),
    ("qmail-pop3d.8", "silent for N minutes", qmail_pop3d.TIMEOUT_SECONDS // MINUTE),
    ("qmail-pop3d.8", "A line of more than N bytes", pop3_lines.MAX_LINE),
    ("qmail-popup.8", "after N minutes", qmail_popup.TIMEOUT_SECONDS // MINUTE),
    ("qmail-popup.8", "A line of more than N bytes", login.MAX_LINE),
    ("qmail-qmqpc.8", "each for N seconds", qmail_qmqpc.CONNECT_SECONDS),
    ("qmail-qmqpc.8", "says nothing for N seconds", qmail_qmqpc.SILENCE_SECONDS),
    ("qmail-qmqpc.8", "on port N, each", qmail_qmqpc.PORT),
    ("qmail-qmqpd.8", "ends after N.", qmail_qmqpd.LIFE_SECONDS // HOUR),
    ("qmail-qmtpd.8", "ends after N.", qmail_qmtpd.LIFE_SECONDS // HOUR),
    ("qmail-queue.8", "An address has at most N bytes", envelope.ADDRESS_MAX),
    ("qmail-queue.8", "waits up to N seconds", int(client.PATIENCE_SECONDS)),
    ("qmail-queue.8", "exit code 82, at most N bytes", exitcodes.CUSTOM_TEXT_MAX),
    ("qmail-queue.8", "Time is over: N hours", layout.WRITER_SECONDS // HOUR),
    ("qmail-queued.8", "N messages at a time each", config._PER_RESERVED_UID),
    ("qmail-queued.8", "time, N for all of these users", config._ORDINARY_SLOTS),
    ("qmail-remote.8", "after N hours SIGALRM", qmail_remote.LIFE_SECONDS // HOUR),
    ("qmail-remote.8", "connection. Default: N.", qmail_remote.CONNECT_SECONDS),
    ("qmail-send.8", "every N seconds,", schedule.TODO_SECONDS),
    ("qmail-send.8", "removed after N hours", layout.OSSIFIED_SECONDS // HOUR),
    (
        "qmail-send.8",
        "stays in the queue. Default: N,",
        schedule.QUEUE_LIFETIME_SECONDS,
    ),
    ("qmail-send.8", "and a NUL; N bytes of it", records.REPORT_MAX),
    ("qmail-send.8", "envelope of more than N kilobytes", todo.LARGE_BYTES >> 10),
    ("qmail-smtpd.8", "each time. Default: N.", qmail_smtpd.TIMEOUT_SECONDS),
    ("qmail-smtpd.8", "One with N or more header", hops.MAX_HOPS),
    ("rblsmtpd.8", "after timeout seconds; N if", rblsmtpd.TIMEOUT_SECONDS),
    ("rblsmtpd.8", "After N seconds, for all", rblsmtpd.LOOKUP_SECONDS),
    ("rblsmtpd.8", "Of a text N bytes are used", refusing.TEXT_BYTES),
    ("readproctitle.8", "fewer than N bytes", readproctitle.MIN_SIZE),
    ("splogger.8", "cut after every N bytes", splogger.CHUNK),
    ("splogger.8", "is over N mean 1", splogger.MAX_FACILITY),
    ("supervise.8", "waiting for N seconds", supervisor.RETRY_SECONDS),
    ("supervise.8", "finish may take, N without", service.FINISH_MILLISECONDS),
    ("service-directory.5", "any time, N without", service.FINISH_MILLISECONDS),
    ("svc.8", "waits, N if not given", svc.SECONDS),
    ("svscan.8", "current directory, every N seconds", int(scanner.INTERVAL_SECONDS)),
    ("svscan.8", "handles up to N services", scanner.MAX_SERVICES),
    ("svscan.8", "with names up to N bytes", scanner.MAX_NAME_WITH_LOG),
    ("svscan.8", "not ended after N seconds", svscan.DEFAULT_SECONDS),
    ("tcp-env.1", "The default is N.", tcp_env.SECONDS),
    ("tcpserver.8", "connections at once; N if", DEFAULTS.limit),
    ("tcpserver.8", "not accepted yet; N if", DEFAULTS.backlog),
    ("tcpserver.8", "timeout seconds; N if", DEFAULTS.timeout),
    ("tcpserver.8", "version 1 or 2, within N seconds", connection.HEADER_SECONDS),
    ("tcpserver.8", "in the last seconds N if", limits.RATE_SECONDS),
    ("tcpserver.8", "there was none for N seconds", children.IDLE_SECONDS),
]
ROWS = [("qmail-limits.7", words, number) for words, number in LIMITS] + OTHERS


def numbers(page: str, words: str) -> list[int]:
    """The numbers that a page has in the place of N."""
    names = "|".join(WORDS)
    before, after = re.split(r"\bN\b", words)
    pattern = (
        rf"{re.escape(before)}(\d+|{names})(?=(?:\W+)?{re.escape(after.lstrip())})"
    )
    found = re.findall(pattern, pages()[page].prose())
    return [WORDS[word] if word in WORDS else int(word) for word in found]


@pytest.mark.parametrize(("page", "words", "number"), ROWS)
def test_number_in_a_page_is_that_of_the_code(
    page: str, words: str, number: int
) -> None:
    assert set(numbers(page, words)) == {number}
