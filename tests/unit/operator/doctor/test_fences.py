"""The doctor's fences, its report, and that the page lists what it can find."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from qmail.operator import inst_check
from qmail.operator.doctor import __main__ as program
from qmail.operator.doctor import checks
from qmail.operator.doctor.checks import CHECKS, Check, Report, examine
from qmail.operator.doctor.findings import CODES, Finding
from qmail.operator.doctor.machine import Machine, quote
from qmail.operator.places import Places
from tests.conftest import CHECKOUT
from tests.unit.operator.doctor.scene import Scene

PACKAGE = CHECKOUT / "qmail/operator/doctor"
ONE = Finding("log-owner", "/log has wrong owner", "chown qmaill /log")


def one(machine: Machine) -> Iterator[Finding]:
    yield ONE


def failing(error: Exception) -> Check:
    def check(machine: Machine) -> Iterator[Finding]:
        yield ONE
        raise error

    return Check("failing", check)


def test_what_was_found_before_a_failure_counts(scene: Scene) -> None:
    report = examine(scene.machine, (failing(ValueError("x")), Check("one", one)))
    assert report.findings == [ONE, ONE]
    assert report.failures == ["failing: ValueError: x"]


def test_what_cannot_be_looked_at_is_a_finding_for_root(scene: Scene) -> None:
    error = PermissionError(13, "Permission denied", "/a b")
    report = examine(scene.machine, (failing(error),))
    unreadable = report.findings[1]
    assert unreadable.code == "unreadable"
    assert unreadable.what == "/a b cannot be looked at: permission denied"
    assert unreadable.remedy == "namei -l '/a b'"


@pytest.mark.parametrize("name", [7, "", None])
def test_error_without_a_path_is_no_crash(scene: Scene, name: object) -> None:
    report = examine(scene.machine, (failing(OSError(21, "x", name)),))
    assert [one.code for one in report.findings[1:]] + report.failures


def test_what_stops_two_checks_is_told_once(scene: Scene) -> None:
    error = OSError(22, "not a regular file", "/a")
    report = examine(scene.machine, (failing(error), failing(error)))
    assert [one.code for one in report.findings].count("unreadable") == 1


def test_others_are_told_which_checks_want_root(scene: Scene) -> None:
    scene.change(euid=1000)
    error = PermissionError(13, "Permission denied", "/a")
    wants = Check("wants", one, needs_root=True)
    report = examine(scene.machine, (failing(error), wants, Check("one", one)))
    assert report.for_root == ["failing", "wants"]
    assert report.findings == [ONE, ONE]


def test_check_that_hangs_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    # The first has little time left at its first look, the second all of it.
    ticks = iter([0.0, 19.8])
    clock = SimpleNamespace(monotonic=lambda: next(ticks, 100.0))
    monkeypatch.setattr(checks, "time", clock)

    def hang(machine: Machine) -> Iterator[Finding]:
        release.wait(60)
        yield ONE

    report = examine(
        scene.machine, (Check("hanging", hang), Check("one", one)), limit_seconds=20
    )
    release.set()
    assert [finding.code for finding in report.findings] == ["too-slow", "log-owner"]


def test_every_check_stands_an_empty_machine(tmp_path: Path, scene: Scene) -> None:
    (tmp_path / "self").mkdir(exist_ok=True)
    scene.change(
        places=Places(f"{tmp_path}/nothing", f"{tmp_path}/none"),
        proc=f"{tmp_path}",
        dns_port=1,
    )
    report = examine(scene.machine)
    assert report.failures == []
    assert {"path-missing", "service-directory-missing", "rules-cdb-missing"} <= {
        finding.code for finding in report.findings
    }


def test_without_proc_nothing_is_said_of_processes(scene: Scene) -> None:
    """The remedy of svscan-missing would start a second svscan beside the first."""
    # As a tmpfs over /proc has it.
    empty = scene.root / "empty"
    empty.mkdir()
    for proc in (empty, scene.root / "missing"):
        scene.change(proc=str(proc))
        every = tuple(one for one in CHECKS if one.name != "dns")
        report = examine(scene.machine, every)
        found = [one for one in report.findings if one.code == "proc-missing"]
        assert [one.remedy for one in found] == [f"mount -t proc proc {proc}"]
        codes = {one.code for one in report.findings}
        assert codes.isdisjoint(
            {"svscan-missing", "service-unsupervised", "port-taken", "unreadable"}
        )
        assert report.failures == []


def test_every_check_stands_missing_users(scene: Scene) -> None:
    scene.change(owners=None, dns_port=1)
    assert examine(scene.machine).failures == []


def used_codes() -> set[str]:
    """The first argument of every Finding in the code."""
    found = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Finding"
            ):
                code = node.args[0]
                assert isinstance(code, ast.Constant), ast.unparse(node)
                found.add(str(code.value))
    return found


def test_every_code_is_used_and_every_used_one_is_known() -> None:
    assert used_codes() == set(CODES)


def test_codes_are_words_and_reasons_are_sentences() -> None:
    for code, why in CODES.items():
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", code)
        assert re.fullmatch(r".*[^. ]\.", why), why


def test_manual_page_lists_every_code_in_the_order_of_the_code() -> None:
    page = (CHECKOUT / "man/man8/pyqmail-doctor.8").read_text()
    listed = re.findall(r"^\.It Li (\S+)$", page, re.MULTILINE)
    assert listed == list(CODES)


def test_checks_have_names_of_their_own() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)


def said(
    report: Report, monkeypatch: pytest.MonkeyPatch, as_json: bool, tmp_path: Path
) -> int:
    monkeypatch.setattr(program, "examine", lambda machine: report)
    return program.run(Places(str(tmp_path)), as_json)


def test_three_lines_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(Report([ONE]), monkeypatch, False, tmp_path) == 1
    assert capsys.readouterr().out == (
        "! /log has wrong owner [log-owner]\n"
        "  multilog runs as qmaill and cannot write there.\n"
        "...try: chown qmaill /log\n"
    )
    assert "\033[31m! /log has wrong owner\033[0m" in program.shown(ONE, True)


def test_json_is_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(Report([ONE]), monkeypatch, True, tmp_path) == 1
    assert json.loads(capsys.readouterr().out) == [
        {
            "code": "log-owner",
            "what": "/log has wrong owner",
            "why": CODES["log-owner"],
            "try": "chown qmaill /log",
        }
    ]
    assert said(Report(), monkeypatch, True, tmp_path) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_json_tells_what_was_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(for_root=["home", "disk"], failures=["dns: x"])
    assert said(report, monkeypatch, True, tmp_path) == 111
    found = json.loads(capsys.readouterr().out)
    assert [(one["code"], one["what"]) for one in found] == [
        ("not-looked-at", "not root: home, disk"),
        ("not-looked-at", "unable to check dns: x"),
    ]


@pytest.mark.parametrize(
    ("report", "code", "words"),
    [
        (Report(), 0, "The doctor finds nothing wrong.\n"),
        (Report(failures=["x: y"]), 111, "doctor: warning: unable to check x: y\n"),
        (Report([ONE], failures=["x: y"]), 1, "unable to check x: y\n"),
        (Report(for_root=["home"]), 111, "not root, so not looked at: home\n"),
        (Report(for_root=["home"]), 111, "nothing wrong in what it could look at.\n"),
    ],
)
def test_exit_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    report: Report,
    code: int,
    words: str,
) -> None:
    assert said(report, monkeypatch, False, tmp_path) == code
    out, err = capsys.readouterr()
    assert words in out + err


def test_terminal_gets_no_control_characters_from_what_others_wrote() -> None:
    finding = Finding("service-loops", "says: \033[2J", "tail '/log\n'")
    shown = program.shown(finding, False)
    assert "\033" not in shown
    assert shown.count("\n") == 2


@pytest.mark.parametrize(
    "name",
    ["a\nb", "\033[2J", b"\xff'".decode(errors="surrogateescape"), "a b", "it's", "é"],
)
def test_command_names_what_it_means_though_a_terminal_cannot_show_it(
    name: str,
) -> None:
    shown = Finding("unreadable", "x", f"printf %s {quote(name)}").as_dict()["try"]
    assert "?" not in shown
    done = subprocess.run(["bash", "-c", shown], capture_output=True, check=True)
    assert os.fsdecode(done.stdout) == name


def test_wrong_usage_is_100(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["doctor", "--yaml"]) == 100
    assert program.main(["doctor", "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_trial_instance_is_sent_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trial").touch()
    assert program.run(Places(str(tmp_path)), False) == 111
    assert "...try: pyqmail check\n" in capsys.readouterr().err


def test_inst_check_keeps_its_two_lines_and_the_operators_wish(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = Finding("service-stopped", "/s is down", "svc -u /s")
    asked: list[tuple[Check, ...]] = []

    def examined(machine: Machine, of_guide: tuple[Check, ...]) -> Report:
        asked.append(of_guide)
        return Report([stopped, *found])

    monkeypatch.setattr(inst_check, "examine", examined)
    found = [ONE]
    assert inst_check.main(["inst_check"]) == 1
    assert capsys.readouterr().out == (
        "! /log has wrong owner\n...try: chown qmaill /log\n"
    )
    found = []
    assert inst_check.main(["inst_check"]) == 0
    assert capsys.readouterr().out == (
        "Congratulations, your Qmail installation looks good!\n"
    )
    assert all(check in checks.CHECKS and check.of_guide for check in asked[0])
