"""Service directories out of templates: the questions, the answers, what is refused."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from pytools.commands import svscanboot
from qmail.operator import cli, cli_services, servicedirs
from qmail.operator.places import Owners, Places
from qmail.operator.servicedirs import ServiceError

ASKING = ["pop3d", "qmqpd", "qmtpd", "submission"]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """An installation in which everything belongs to whoever runs the test."""
    monkeypatch.setattr(Owners, "of", lambda places: Owners(trial=True))
    monkeypatch.setattr(servicedirs, "missing_programs", lambda *words: [])
    (tmp_path / "service").mkdir()
    return Places(f"{tmp_path}/var/qmail", str(tmp_path))


def run_of(places: Places, name: str) -> str:
    return Path(places.home, "supervise", name, "run").read_text()


def test_templates_are_those_that_the_manual_names() -> None:
    assert servicedirs.names() == [
        *("pop3d", "qmail-queued", "qmail-send", "qmail-smtpd"),
        *("qmqpd", "qmtpd", "submission"),
    ]
    assert all(servicedirs.about(name) for name in servicedirs.names())


def test_every_question_is_an_option_and_every_option_a_question() -> None:
    asked = {q for name in servicedirs.names() for q in servicedirs.questions(name)}
    assert asked == set(cli_services.QUESTIONS)


@pytest.mark.parametrize("name", ASKING)
def test_template_that_asks_listens_where_it_is_told(name: str, places: Places) -> None:
    answers = {"address": "192.0.2.1", "port": "2025", "concurrency": "7"}
    servicedirs.add(places, name, name, answers)
    text = run_of(places, name)
    # The shell itself says what it would start.
    text = text.replace("exec ", "printf '%s\\n' ").replace("[ ! -f", "[ -f")
    text = text.replace("`id ", "`echo 5 # ").replace("`head ", "`echo me # ")
    done = subprocess.run(
        ["/bin/sh", "-euc", text],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    words = done.stdout.split("\n")
    assert words[words.index("192.0.2.1") + 1] == "2025"
    assert words[words.index("-c") + 1] == "7"


@pytest.mark.parametrize("name", servicedirs.names())
def test_service_gets_scripts_of_its_own_and_a_log_directory(
    name: str, places: Places
) -> None:
    directory, kept = servicedirs.add(places, name, name, {})
    assert kept == []
    for file in ("run", "log/run"):
        assert os.stat(f"{directory}/{file}").st_mode & 0o777 == 0o755
    log = Path(directory, "log/run").read_text().split()[-1]
    assert os.path.isdir(log)
    assert log.startswith(places.var_log)


def test_second_service_of_a_template_has_its_own_name_everywhere(
    places: Places,
) -> None:
    servicedirs.add(places, "qmtpd", "qmtpd-lan", {"port": "2090"})
    text = run_of(places, "qmtpd-lan")
    assert f"echo {places.home}/supervise/qmtpd-lan/run" in text
    assert "PORT=2090\n" in text
    log = Path(places.home, "supervise/qmtpd-lan/log/run").read_text()
    assert log.endswith(f"multilog t {places.var_log}/qmail/qmtpd-lan\n")


def test_answer_is_one_word_for_the_shell_whatever_is_in_it(places: Places) -> None:
    answers = {"checkpassword": "/x y/$(touch z)'`"}
    text = servicedirs.scripts(places, "pop3d", "pop3d", answers)["run"]
    (line,) = [one for one in text.splitlines() if one.startswith("CHECKPASSWORD=")]
    said = subprocess.check_output(
        ["/bin/sh", "-c", f'{line}; printf %s "$CHECKPASSWORD"'], text=True
    )
    assert said == answers["checkpassword"]


@pytest.mark.parametrize(
    ("template", "name", "answers", "complaint"),
    [
        ("pop3d", "pop3d", {"memory": "1e6"}, "must be a number of bytes"),
        ("pop3d", "pop3d", {"concurrency": "abc"}, "must be a number"),
        ("pop3d", "pop3d", {"concurrency": ""}, "must be a number"),
        ("pop3d", "pop3d", {"address": "0; id"}, "must be an IP address"),
        ("pop3d", "pop3d", {"port": "a b"}, "must be a port's number"),
        ("pop3d", "pop3d", {"checkpassword": ""}, "must be not empty"),
        *[
            ("pop3d", "pop3d", {"port": port}, "1 to 65535, or the name of a known one")
            for port in ("0", "00", "65536", "99999", "-1", "", "nosuchport", "25x")
        ],
        *[
            ("pop3d", "pop3d", {"address": address}, "an IP address, or a host name")
            for address in (
                *(
                    "-x",
                    "%",
                    "",
                    ".",
                    "..",
                    "a b",
                    "_x",
                    "a..b",
                    "-a.b",
                    "a-.b",
                    "0%lo",
                ),
                *(
                    "1.2.3",
                    "1.2.3.256",
                    "127.1",
                    "::1%",
                    "1::2::3",
                    "a%lo",
                    "127.0.0.1%lo",
                ),
                *(
                    "x" * 64,
                    "x." * 127,
                    "h\u00f6st",
                    "\u0661.0.0.1",
                    "::\u0661",
                    "fd:0",
                ),
            )
        ],
        ("pop3d", "pop3d", {"concurrency": "0"}, "a number, 1 or more"),
        ("pop3d", "pop3d", {"concurrency": "9" * 19}, "a number, 1 or more"),
        ("pop3d", "pop3d", {"memory": "1"}, "bytes, 1000000 or more: a session needs"),
        ("pop3d", "pop3d", {"memory": "999999"}, "bytes, 1000000 or more"),
        ("pop3d", "x" * 255, {}, "no more than 254 bytes"),
        ("pop3d", "x" * 300, {}, "no more than 254 bytes"),
        ("nosuch", "nosuch", {}, "no template nosuch"),
        ("../qmail", "x", {}, "no template"),
        ("qmtpd", "../x", {}, "no name"),
        ("qmtpd", ".x", {}, "no name"),
        ("qmtpd", "qmtpd", {"checkpassword": "x"}, "does not ask for checkpassword"),
        ("qmail-send", "qmail-send", {"port": "1"}, "its settings are control files"),
        ("qmtpd", "qmtpd", {"port": "1\nexec rm"}, "one line"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(
    places: Places, template: str, name: str, answers: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ServiceError, match=complaint):
        servicedirs.add(places, template, name, answers)
    assert not os.path.exists(places.home)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        *[("port", port) for port in ("1", "65535", "025", "smtp", "pop3", "qmqp")],
        *[("address", ip) for ip in ("0", "::", "127.0.0.1", "::1", "fe80::1%eth0")],
        *[("address", name) for name in ("localhost", "mx-1.a_b.Example.", "3com.com")],
        ("concurrency", "1"),
        ("memory", "1000000"),
    ],
)
def test_answer_that_can_serve_is_taken(
    places: Places, question: str, answer: str
) -> None:
    servicedirs.add(places, "pop3d", "pop3d", {question: answer})
    assert f"\n{question.upper()}={answer}\n" in run_of(places, "pop3d")


def test_longest_name_can_be_added_linked_and_removed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicedirs, "_end", lambda places, directory: None)
    name = "x" * servicedirs.NAME_BYTES
    servicedirs.add(places, "pop3d", name, {})
    servicedirs.link(places, name)
    servicedirs.remove(places, name)
    assert os.listdir(places.service) == []


def test_missing_programs_are_named(tmp_path: Path) -> None:
    there = tmp_path / "bin/there"
    there.parent.mkdir()
    there.touch(0o755)
    script = f"X={tmp_path}/bin/gone\nY=/bin/nosuch\nexec {there} 1 "
    script += f"{tmp_path}/bin/who@ \\\n/var/log/x"
    assert servicedirs.missing_programs("/", script) == [
        "/bin/nosuch",
        f"{tmp_path}/bin/gone",
        f"{tmp_path}/bin/who@",
    ]


def test_services_look_for_programs_where_svscanboot_says() -> None:
    assert servicedirs.SERVICE_PATH.encode() == svscanboot.PATH


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("there", None),
        ("nosuch", "nosuch"),
        ("plain", "plain"),
        ("there -x", "there -x"),
        ("{}/bin/there", None),
        ("{}/bin/plain", "{}/bin/plain"),
        ("{}/bin", "{}/bin"),
        ("{}/no/such", "{}/no/such"),
        ("{}/no bin/such", "{}/no bin/such"),
        # The service begins in its directory.
        ("./own", None),
        ("./there", "{}/service/there"),
        ("../bin/there", None),
    ],
)
def test_checker_of_passwords_must_be_a_program(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    missing: str | None,
) -> None:
    monkeypatch.setattr(servicedirs, "SERVICE_PATH", f"/nosuch:{tmp_path}/bin")
    for path, mode in (("bin/there", 0o755), ("bin/plain", 0o644)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch(mode)
    (tmp_path / "service").mkdir()
    (tmp_path / "service/own").touch(0o755)
    script = f"CHECKPASSWORD={shlex.quote(answer.format(tmp_path))}\n"
    assert servicedirs.missing_programs(f"{tmp_path}/service", script) == (
        [missing.format(tmp_path)] if missing else []
    )


def test_log_directory_of_another_service_is_not_shared(places: Places) -> None:
    # The name of the guide's service is not that of its log.
    servicedirs.add(places, "qmail-smtpd", "qmail-smtpd", {})
    guides = f"{places.home}/supervise/qmail-smtpd/log/run"
    log = f"{places.var_log}/qmail/smtpd"
    for end in ("", "/", " s1000"):
        Path(guides).write_text(f"#!/bin/sh\nexec multilog t {log}{end}\n")
        with pytest.raises(ServiceError) as caught:
            servicedirs.add(places, "pop3d", "smtpd", {})
        said = f"{guides} writes its log into {log}\n...try: --as another name"
        assert str(caught.value) == said
        assert os.listdir(f"{places.home}/supervise") == ["qmail-smtpd"]
    servicedirs.add(places, "pop3d", "smtp", {})
    # Its own script is no other's.
    Path(places.home, "supervise/smtp/run").unlink()
    assert servicedirs.add(places, "pop3d", "smtp", {})[1]


@pytest.mark.parametrize("name", sorted(servicedirs.OF_MULTILOG))
def test_log_directory_is_no_file_of_multilog(places: Places, name: str) -> None:
    with pytest.raises(
        ServiceError, match=f"/{name} is a file of multilog's.*\n.*--as"
    ):
        servicedirs.add(places, "pop3d", name, {})
    assert not os.path.exists(places.home)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_log_directory_takes_the_place_of_nothing(places: Places, kind: str) -> None:
    log = Path(places.var_log, "qmail/mine")
    log.parent.mkdir(parents=True)
    log.touch() if kind == "file" else log.symlink_to("nosuch")
    with pytest.raises(ServiceError) as caught:
        servicedirs.add(places, "pop3d", "mine", {})
    said = f"{log} exists and is no directory\n...try: --as another name"
    assert str(caught.value) == said
    assert not os.path.exists(places.home)


def test_what_is_there_stays_as_it_is(places: Places) -> None:
    directory, _ = servicedirs.add(places, "qmtpd", "qmtpd", {})
    Path(directory, "run").write_text("mine")
    _, kept = servicedirs.add(places, "qmtpd", "qmtpd", {"port": "1"})
    assert kept == [f"{directory}/run", f"{directory}/log/run"]
    assert run_of(places, "qmtpd") == "mine"


def test_link_of_a_name_that_is_taken_is_refused(places: Places) -> None:
    servicedirs.add(places, "qmtpd", "qmtpd", {})
    path = servicedirs.link(places, "qmtpd")
    assert os.readlink(path) == f"{places.home}/supervise/qmtpd"
    assert servicedirs.link(places, "qmtpd") == path
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(ServiceError, match="something else"):
        servicedirs.link(places, "qmtpd")


@pytest.mark.parametrize("name", ["qmqpd", "submission", "pop3d"])
def test_service_without_its_rules_is_not_linked(
    name: str, places: Places, tmp_path: Path
) -> None:
    rules = tmp_path / "my rules.cdb"
    answers = {"rules": str(rules)}
    line = f"try: tcprules '{rules}' '{tmp_path}/my rules.tmp' <'{tmp_path}/my rules'"
    with pytest.raises(ServiceError) as caught:
        servicedirs.add(places, name, name, answers, to_link=True)
    assert str(caught.value).endswith(f"\n...{line}")
    assert not os.path.exists(places.home)
    rules.touch()
    servicedirs.add(places, name, name, answers, to_link=True)
    rules.unlink()
    # The script that is there is the one that would run.
    with pytest.raises(ServiceError, match="without which it cannot run"):
        servicedirs.add(places, name, name, {}, to_link=True)


def test_service_that_wants_no_rules_needs_none(places: Places) -> None:
    servicedirs.add(places, "pop3d", "pop3d", {}, to_link=True)
    assert servicedirs.missing_rules("/", 'RULES="$HOME/x.cdb"\n') is None


def test_command_names_missing_rules_with_and_without_link(
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli_services, "must_be_root", lambda: None)
    rules = f"{tmp_path}/r.cdb"
    said = f"no {rules}, without which it cannot run; write {tmp_path}/r,"
    command = cli_services.add
    with pytest.raises(click.ClickException, match=f"^{re.escape(said)}"):
        command.main(["qmqpd", "--link", "--rules", rules], **of(places))
    assert os.listdir(places.service) == []
    command.main(["qmqpd", "--rules", rules], **of(places))
    out = capsys.readouterr().out
    assert f"There is {said}" in out
    assert f"...try: tcprules {rules} {tmp_path}/r.tmp <{tmp_path}/r\n" in out
    assert "...to start it: ln -s" in out


def of(places: Places) -> dict[str, Any]:
    return {"obj": places, "standalone_mode": False}


def test_remove_takes_only_links(places: Places) -> None:
    Path(places.service, "own").mkdir()
    for name, said in (("own", "is no link"), ("missing", "does not exist")):
        with pytest.raises(ServiceError, match=f"^{places.service}/{name} {said}"):
            servicedirs.remove(places, name)


def test_command_reports_what_hinders_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["service", "add", "nosuch"], str(tmp_path)) == 111
    err = capsys.readouterr().err
    assert err.startswith("pyqmail: fatal: ")
    assert "no template nosuch" in err or "must be run by root" in err
    assert cli.main(["service", "list"], str(tmp_path)) == 0
    assert "--checkpassword=/var/qmail/bin/checkpassword" in capsys.readouterr().out
