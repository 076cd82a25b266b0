"""Templates: the guide's bytes in the guide's places, nothing privileged in a trial."""

from __future__ import annotations

import pytest

from qmail.operator import instance, templates
from qmail.operator.places import Places
from tests.conftest import CHECKOUT

NAMES = sorted(
    str(path.relative_to(CHECKOUT / "service-templates"))
    for path in (CHECKOUT / "service-templates").rglob("*")
    if path.is_file()
)
OF_TRIALS = [
    name for name in NAMES if name == "rc" or name.split("/")[0] in instance.SERVICES
]


@pytest.mark.parametrize("name", NAMES)
def test_template_in_the_guides_places_is_unchanged(name: str) -> None:
    rendered = templates.render(name, templates.paths(Places()))
    assert rendered == (CHECKOUT / "service-templates" / name).read_bytes()


@pytest.mark.parametrize("name", OF_TRIALS)
def test_template_of_a_trial_needs_no_root_and_stays_inside(name: str) -> None:
    places = Places("/p/var/qmail", "/p")
    text = templates.render(name, templates.trial(places, 2600, 2601)).decode()
    assert "setuidgid" not in text
    assert '$QMAILDUID" -g' not in text
    outside = text.replace("/p/var/qmail", "").replace("/p/usr/local/bin", "")
    outside = outside.replace("/p/var/log/", "").replace("/p/etc/tcp.smtp", "")
    for path in ("/var/", "/usr/", "/etc/"):
        assert path not in outside


def test_ports_of_a_trial_are_those_asked_for() -> None:
    changes = templates.trial(Places("/p/var/qmail", "/p"), 2600, 2601)
    smtpd = templates.render("qmail-smtpd/run", changes)
    assert b' -c "$MAXSMTPD" \\\n127.0.0.1 2600 /p/var/qmail/bin/qmail-smtpd' in smtpd
    assert b" 127.0.0.1 2601 " in templates.render("trial-sink/run", changes)


def test_queue_server_of_another_home_has_a_log_of_its_own() -> None:
    places = Places("/opt/mail")
    text = templates.render("qmail-queued/log/run", templates.paths(places))
    assert places.queued == "qmail-queued-opt-mail"
    assert text.endswith(b"multilog t /var/log/qmail-queued-opt-mail\n")


def test_replacements_do_not_see_each_other() -> None:
    places = Places("/x/usr/local/bin/var/qmail", "/x/usr/local/bin")
    text = templates.render("qmail-send/run", templates.paths(places))
    assert text == b"#!/bin/sh\nexec /x/usr/local/bin/var/qmail/rc\n"
