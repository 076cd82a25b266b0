"""All checks, each behind a fence: if one fails or hangs, the next is made."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from qmail.operator import running
from qmail.operator.doctor import (
    accounts,
    answering,
    control,
    disk,
    dns,
    network,
    people,
    programs,
    rules,
    services,
    tree,
)
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, unreadable

LIMIT_SECONDS = 30.0
"""For one check. Those that wait for something wait for less."""


@dataclass(frozen=True)
class Check:
    """``of_guide``: inst_check makes it, too. ``last_resort``: only if nothing is found,
    for what it finds is what other findings lead to. ``needs_proc``: without /proc it
    would miss processes that are there, and is not made."""

    name: str
    function: Callable[[Machine], Iterator[Finding]]
    of_guide: bool = False
    needs_root: bool = False
    needs_proc: bool = False
    last_resort: bool = False


CHECKS = (
    Check("accounts", accounts.check_accounts, of_guide=True),
    Check("interpreter", programs.check_interpreter),
    Check("home", tree.check_home, of_guide=True, needs_root=True),
    Check("queue", tree.check_queue, needs_root=True),
    Check("programs", tree.check_programs),
    Check("control", control.check_control, of_guide=True),
    Check("domains", control.check_domains, of_guide=True),
    Check("scripts", tree.check_scripts, of_guide=True),
    Check("logs", tree.check_logs, of_guide=True),
    Check("disk", disk.check_disk, needs_root=True),
    Check("clock", disk.check_clock),
    Check("proc", services.check_proc, of_guide=True),
    Check(
        "services",
        services.check_services,
        of_guide=True,
        needs_root=True,
        needs_proc=True,
    ),
    Check("reread", control.check_reread, needs_root=True),
    Check("rules", rules.check_rules, of_guide=True),
    Check("aliases", people.check_aliases, of_guide=True),
    Check("users", people.check_users, needs_root=True),
    Check("port", network.check_port, of_guide=True, needs_root=True, needs_proc=True),
    Check("ipv6", network.check_ip6, needs_proc=True),
    Check("dns", dns.check_dns),
    Check("sendmail", programs.check_sendmail),
    Check("path", programs.check_path),
    Check("softlimit", programs.check_softlimit),
    Check("running", programs.check_running, needs_root=True, needs_proc=True),
    Check(
        "answer",
        answering.check_answer,
        needs_root=True,
        needs_proc=True,
        last_resort=True,
    ),
)


@dataclass
class Report:
    """What was found; checks that want root; and those in which the doctor failed."""

    findings: list[Finding] = field(default_factory=list)
    for_root: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def examine(
    machine: Machine,
    checks: tuple[Check, ...] = CHECKS,
    limit_seconds: float = LIMIT_SECONDS,
) -> Report:
    """Make the checks, one after the other."""
    report = Report()
    for check in checks:
        if check.needs_root and not machine.is_root:
            report.for_root.append(check.name)
            continue
        if check.needs_proc and not running.is_told(machine.proc):
            # A finding of its own.
            continue
        if check.last_resort and report.findings:
            continue
        make(check, machine, report, limit_seconds)
    return report


def make(check: Check, machine: Machine, report: Report, limit_seconds: float) -> None:
    """Make a check in a thread of its own: a call into a dead file system may stay."""
    said: queue.SimpleQueue[Finding | Exception | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for finding in check.function(machine):
                said.put(finding)
            said.put(None)
        except Exception as error:
            said.put(error)

    threading.Thread(target=run, daemon=True).start()
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            word = said.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            report.findings.append(
                Finding(
                    "too-slow",
                    f"the check of {check.name} was not done within "
                    f"{limit_seconds:.0f} s",
                    "ps axo pid,stat,wchan,args | awk '$2 ~ /D/'",
                )
            )
            return
        if isinstance(word, Finding):
            report.findings.append(word)
        elif word is None:
            return
        else:
            note(check, machine, report, word)
            return


def note(check: Check, machine: Machine, report: Report, error: Exception) -> None:
    """What became of a check that could not go on.

    What stops one check may stop others; it is told once.
    """
    if isinstance(error, PermissionError) and not machine.is_root:
        report.for_root.append(check.name)
    elif isinstance(error, OSError) and isinstance(error.filename, str | bytes):
        finding = unreadable(error)
        if finding not in report.findings:
            report.findings.append(finding)
    else:
        report.failures.append(f"{check.name}: {type(error).__name__}: {error}")
