"""Preflight: host names, ports and who holds them."""

from __future__ import annotations

import os
import socket

import pytest

from qmail.operator import preflight, processes
from qmail.operator.mailserver import find_admin
from qmail.operator.places import SetupError


@pytest.mark.parametrize(
    "host",
    ["mail.example.com", "example.com", "x1.a-b.example", "xn--bcher-kva.example"],
)
def test_host_with_a_domain_is_accepted(host: str) -> None:
    preflight.check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "mail",
        ".example.com",
        "example.com.",
        "-x.example",
        "x-.example",
        "a b.example",
    ]
    + [
        "192.0.2.1",
        "a..b",
        "a_b.example",
        "x" * 64 + ".example",
        "m.example\n",
        "a/b.c",
    ],
)
def test_host_that_is_none_is_refused_with_a_remedy(host: str) -> None:
    with pytest.raises(SetupError, match=r"\n\.\.\.try: "):
        preflight.check_host(host)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_listener_names_the_process_that_has_the_port(address: str) -> None:
    with socket.socket() as held:
        held.bind((address, 0))
        held.listen()
        holder = processes.listener(held.getsockname()[1])
    assert holder is not None
    assert holder.pid == os.getpid()
    assert str(holder).endswith(f"(pid {os.getpid()})")


def test_port_that_is_bound_but_not_listened_on_has_no_listener() -> None:
    with socket.socket() as held:
        # On every address: so nobody else listens there on another.
        held.bind(("0.0.0.0", 0))
        assert processes.listener(held.getsockname()[1]) is None


def test_members_of_our_session_contain_us() -> None:
    assert os.getpid() in processes.members(os.getsid(0))
    assert processes.start_of(os.getpid()).isdigit()


@pytest.mark.parametrize(
    ("admin", "caller", "expected"),
    [
        ("joe@example.com", "", "joe@example.com"),
        ("", "", ""),
        ("", "root", ""),
        ("", "no-such-user", ""),
        ("nobody", "root", "nobody"),
        ("", "nobody", "nobody"),
    ],
)
def test_admin_is_who_was_named_or_who_called_sudo(
    monkeypatch: pytest.MonkeyPatch, admin: str, caller: str, expected: str
) -> None:
    monkeypatch.setenv("ADMIN", admin)
    monkeypatch.setenv("SUDO_USER", caller)
    assert find_admin() == expected


@pytest.mark.parametrize("admin", ["root", "no-such-user", "a@b c", "a\n|x", "@"])
def test_admin_who_cannot_get_mail_is_refused(
    monkeypatch: pytest.MonkeyPatch, admin: str
) -> None:
    monkeypatch.setenv("ADMIN", admin)
    with pytest.raises(SetupError):
        find_admin()
