"""Service directories out of service-templates/: which there are, and adding one.

Questions    a template asks what its ``run`` sets from plain words at the left margin,
             ``PORT=pop3``: the word there is the answer if nobody gives another.
             The settings of those that ask nothing are control files.
Add          writes HOME/supervise/NAME with run and log/run, and makes the log's
             directory. What is there already stays as it is. Linked into the scan
             directory only when asked to: until then nothing runs.
Remove       the manual's way: rename the link away, then svc -dx, so that svscan starts
             nothing again. The service directory and its log stay.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pytools.base import ip
from pytools.base.services import port_by_name
from qmail.operator import setup, templates
from qmail.operator.places import Owners, Places
from qmail.operator.runtime import SOURCE
from qmail.operator.writing import write_by_rename

TEMPLATES = SOURCE / "service-templates"
QUESTION = re.compile(r"^([A-Z]+)=(?!`)(.*)$", re.MULTILINE)
PROGRAM = re.compile(r"(?:^|[\s=])((?:/\S*)?/(?:s?bin|command)/[\w@.-]+)")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
GUIDES = {
    "qmail-send": "The guide's: qmail-send and all that it starts, by rc",
    "qmail-smtpd": "The guide's: SMTP, by the rules in /etc/tcp.smtp.cdb",
}
"""What the scripts that have the guide's bytes cannot say themselves."""
NAME_BYTES = 254
"""The longest name that a directory takes (NAME_MAX) behind the dot of ``remove``."""
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
HOST_BYTES = 253
"""The longest name that the DNS takes in this form (RFC 1035 2.3.4)."""
NUMBER = re.compile(r"[0-9]{1,18}")
PORTS = range(1, 65536)
LEAST_MEMORY = 1_000_000
"""Bytes for a session beyond its interpreter: 512 KiB are its own, and with less than
as much again it would keep next to nothing of what its client says."""
OF_TRIALS = frozenset({"trial-sink"})
OF_MULTILOG = frozenset(
    {"current", "lock", "newstate", "previous", "processed", "state"}
)
"""Files in a log directory: another log's, in the place of one, would end multilog."""
SERVICE_PATH = (
    "/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin"
    ":/usr/X11R6/bin"
)
"""Where the shell and qmail-popup look for a program: svscanboot sets it."""
END_SECONDS = 10
"""How long ``remove`` waits for a service before it goes on to its log."""


class ServiceError(Exception):
    """What was asked cannot be done; the text says why and what to try."""


def is_address(text: str) -> bool:
    """Whether tcpserver takes it for a host: an IP address, or a name of the DNS."""
    if text == "0":
        return True
    plain, percent, interface = text.partition("%")
    if percent and not (":" in plain and re.fullmatch(r"[A-Za-z0-9_.-]+", interface)):
        return False
    if ":" in plain:
        return ip.parse_ip6(plain.encode("ascii", "replace")) is not None
    if not plain.replace(".", "").isdecimal():
        return is_host(plain)
    return ip.parse_ip4(plain.encode("ascii", "replace")) is not None


def is_host(text: str) -> bool:
    """Whether that may be a host's name: labels, and no dash at the end of one."""
    labels = text.removesuffix(".").split(".")
    begins = text[:1].isascii() and text[:1].isalnum()
    return (
        begins
        and len(text) <= HOST_BYTES
        and all(HOST_LABEL.fullmatch(label) for label in labels)
    )


def is_port(text: str) -> bool:
    """Whether that is a port one can be called at, by its number or name."""
    if NUMBER.fullmatch(text):
        return int(text) in PORTS
    return port_by_name(os.fsencode(text)) is not None


def is_count(text: str) -> bool:
    """Whether that is a number of connections."""
    return NUMBER.fullmatch(text) is not None and int(text) >= 1


def is_memory(text: str) -> bool:
    """Whether a session can live with so many bytes."""
    return NUMBER.fullmatch(text) is not None and int(text) >= LEAST_MEMORY


FORMS: dict[str, tuple[Callable[[str], bool], str]] = {
    "address": (is_address, "an IP address, or a host name"),
    "port": (is_port, "a port's number, 1 to 65535, or the name of a known one"),
    "concurrency": (is_count, "a number, 1 or more"),
    "memory": (
        is_memory,
        f"a number of bytes, {LEAST_MEMORY} or more: a session needs that much",
    ),
}
"""What an answer must be: a service that cannot start is started for ever."""


def names() -> list[str]:
    """The templates there are."""
    found = (path.parent.name for path in TEMPLATES.glob("*/run"))
    return sorted(set(found) - OF_TRIALS)


def about(template: str) -> str:
    """One line about a template: the first sentence of its comment."""
    if template in GUIDES:
        return GUIDES[template]
    words: list[str] = []
    for line in (TEMPLATES / template / "run").read_text().splitlines()[1:]:
        if not line.startswith("# "):
            break
        words += line[2:].split()
    return re.split(r"[.:;] |\.$", " ".join(words), maxsplit=1)[0]


def questions(template: str) -> dict[str, str]:
    """What a template asks, in lower case, with the answers that it comes with."""
    text = (TEMPLATES / template / "run").read_text()
    return {name.lower(): " ".join(shlex.split(word)) for name, word in asked(text)}


def asked(text: str) -> list[tuple[str, str]]:
    """(NAME, word) of the assignments at the left margin of a run script."""
    return QUESTION.findall(text)


def answered(text: str, answers: dict[str, str]) -> str:
    """The run script with these answers. ServiceError for what it does not ask."""
    asks = {name.lower() for name, _ in asked(text)}
    for name, answer in answers.items():
        if name not in asks:
            raise ServiceError(
                f"it does not ask for {name}; it asks for: {', '.join(sorted(asks))}"
                if asks
                else f"it does not ask for {name}; its settings are control files"
            )
        if "\n" in answer or "\0" in answer:
            raise ServiceError(f"{name} must be one line")
        is_good, words = FORMS.get(name, (bool, "not empty"))
        if not is_good(answer):
            raise ServiceError(f"{name} must be {words}, not {answer!r}")

    def assignment(found: re.Match[str]) -> str:
        answer = answers.get(found[1].lower())
        return found[0] if answer is None else f"{found[1]}={shlex.quote(answer)}"

    return QUESTION.sub(assignment, text)


def scripts(
    places: Places, template: str, name: str, answers: dict[str, str]
) -> dict[str, str]:
    """``run`` and ``log/run`` of the service ``name``, by a template. ServiceError."""
    if template not in names():
        raise ServiceError(
            f"no template {template}\n...there are: {', '.join(names())}"
        )
    if not NAME.fullmatch(name):
        raise ServiceError(f"{name!r} is no name for a service")
    if len(name) > NAME_BYTES:
        raise ServiceError(f"a name has no more than {NAME_BYTES} bytes: {name!r}")
    changes = templates.paths(places)
    if name != template:
        of_template = f"/var/qmail/supervise/{template}/"
        changes[of_template] = f"{places.home}/supervise/{name}/"
    made = {
        file: templates.render(f"{template}/{file}", changes).decode(
            errors="surrogateescape"
        )
        for file in templates.RUN_FILES
    }
    made["run"] = answered(made["run"], answers)
    if name != template:
        writer = made["log/run"].rstrip("\n").rpartition(" ")[0]
        made["log/run"] = f"{writer} {places.var_log}/qmail/{name}\n"
    return made


def missing_programs(directory: str, script: str) -> list[str]:
    """The programs that a run script in ``directory`` names and that are not there."""
    # One that was an answer may have any name.
    chosen = shlex.split(dict(asked(script)).get("CHECKPASSWORD", ""))[:1]
    words = {found[1] for found in PROGRAM.finditer(script)} - {*chosen}
    missing = {word for word in words if not os.access(word, os.X_OK)}
    for word in chosen:
        path = os.path.normpath(os.path.join(directory, word)) if "/" in word else word
        if shutil.which(path, path=SERVICE_PATH) is None:
            missing.add(path)
    return sorted(missing)


def check_log_directory(places: Places, name: str, log: str) -> None:
    """ServiceError if the service ``name`` cannot have that log directory alone."""
    remedy = "\n...try: --as another name"
    if os.path.basename(log) in OF_MULTILOG:
        raise ServiceError(f"{log} is a file of multilog's, in a log directory{remedy}")
    if os.path.lexists(log) and not os.path.isdir(log):
        raise ServiceError(f"{log} exists and is no directory{remedy}")
    for script in sorted(Path(places.home, "supervise").glob("*/log/run")):
        if script.parent.parent.name == name or not script.is_file():
            continue
        words = script.read_text(errors="surrogateescape").split()
        if log in (word.rstrip("/") for word in words):
            raise ServiceError(f"{script} writes its log into {log}{remedy}")


def missing_rules(directory: str, script: str) -> str | None:
    """The cdb of rules that a run script in ``directory`` wants, if it is not there."""
    words = shlex.split(dict(asked(script)).get("RULES", ""))
    # What the shell makes of a variable is not known here.
    if not words or not words[0] or "$" in words[0]:
        return None
    path = os.path.join(directory, words[0])
    return None if os.path.isfile(path) else path


def advice(rules: str) -> str:
    """What is wrong without the rules, and what to type."""
    source = rules.removesuffix(".cdb")
    line = " ".join(map(shlex.quote, ("tcprules", f"{source}.cdb", f"{source}.tmp")))
    return (
        f"no {rules}, without which it cannot run;"
        f" write {source}, as tcprules(8) says\n...try: {line} <{shlex.quote(source)}"
    )


def add(
    places: Places,
    template: str,
    name: str,
    answers: dict[str, str],
    *,
    to_link: bool = False,
) -> tuple[str, list[str]]:
    """Make the service directory; its path and the files that were there already.

    One ``to_link`` must be able to run. ServiceError, SetupError, OSError.
    """
    if places.is_trial:
        raise ServiceError("this is a trial instance, whose services are fixed")
    made = scripts(places, template, name, answers)
    directory = f"{places.home}/supervise/{name}"
    missing = missing_programs(directory, made["run"])
    if missing:
        raise ServiceError(f"its programs are missing: {', '.join(missing)}")
    if not os.path.lexists(f"{directory}/log/run"):
        check_log_directory(places, name, made["log/run"].split()[-1])
    if to_link:
        run = Path(directory, "run")
        text = run.read_text(errors="surrogateescape") if run.exists() else made["run"]
        if rules := missing_rules(directory, text):
            raise ServiceError(advice(rules))
    owners = Owners.of(places)
    os.makedirs(f"{directory}/log", mode=0o755, exist_ok=True)
    kept = []
    for file, text in made.items():
        path = f"{directory}/{file}"
        if os.path.lexists(path):
            kept.append(path)
            continue
        data = text.encode(errors="surrogateescape")
        write_by_rename(path, data, 0o755, owners.uid("root"), owners.gid("root"))
    log = Path(directory, "log/run").read_text(errors="surrogateescape").split()[-1]
    if log.startswith(places.var_log + "/"):
        setup.make_log_directory(log, owners)
    return directory, kept


def link(places: Places, name: str) -> str:
    """Have svscan start the service; the link's path. ServiceError, OSError."""
    path = f"{places.service}/{name}"
    if not os.path.isdir(places.service):
        raise ServiceError(f"no {places.service}\n...try: package/install")
    directory = f"{places.home}/supervise/{name}"
    if os.path.lexists(path) and os.path.realpath(path) != os.path.realpath(directory):
        raise ServiceError(f"{path} is something else")
    if not os.path.lexists(path):
        os.symlink(directory, path)
    return path


def remove(places: Places, name: str) -> None:
    """Take a service out of the scan directory and end it. ServiceError, OSError."""
    path = f"{places.service}/{name}"
    if not os.path.lexists(path):
        raise ServiceError(f"{path} does not exist")
    if not os.path.islink(path):
        raise ServiceError(f"{path} is no link; only links are removed")
    # What begins with a dot is no service to svscan, but still leads svc there.
    hidden = f"{places.service}/.{name}"
    os.rename(path, hidden)
    # First the service, then its log: what it says last is to be written, too.
    for directory in (hidden, f"{hidden}/log"):
        if os.path.isdir(directory):
            _end(places, directory)
    os.unlink(hidden)


def _end(places: Places, directory: str) -> None:
    """Have supervise end its service and then itself; wait for it a while."""
    svc, svok = f"{places.local_bin}/svc", f"{places.local_bin}/svok"
    subprocess.run([svc, "-dx", directory], cwd="/", check=False)
    deadline = time.monotonic() + END_SECONDS
    while subprocess.run([svok, directory], cwd="/", check=False).returncode == 0:
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
