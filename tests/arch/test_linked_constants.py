"""Constants that are written in two places, or that mean something only together."""

from __future__ import annotations

import errno
import signal
import socket
import tomllib

from pytools.base import exits, limits, services, signals, tai
from pytools.process import (
    chain,
    dnsnames,
    launcher,
    programs,
    resolver,
    resolver_child,
    resolver_client,
)
from qmail.control import tcpto
from qmail.operator import hier, runtime
from qmail.queue import layout
from tests.conftest import CHECKOUT


def project() -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())[
        "project"
    ]
    return table


def test_runtime_has_the_version_and_the_libraries_of_the_project() -> None:
    assert project()["version"] == runtime.VERSION
    assert list(runtime.DEPENDENCIES) == project()["dependencies"]


def test_signal_numbers_are_those_of_this_machine() -> None:
    named = {name: value for name, value in vars(signals).items() if name[:3] == "SIG"}
    assert len(named) > 10
    for name, value in named.items():
        assert value == getattr(signal, name), name


def test_all_signals_are_what_can_be_blocked() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ALL)
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert blocked >= signals.ALL
    unblockable = {signal.SIGKILL, signal.SIGSTOP}
    assert signal.valid_signals() - unblockable == signals.ALL


def test_socket_option_numbers_are_those_of_this_machine() -> None:
    assert resolver_client._SO_PEERCRED == socket.SO_PEERCRED


def test_every_reason_is_said_once() -> None:
    assert len(set(exits.REASONS.values())) == len(exits.REASONS)
    assert set(exits.REASONS) <= set(errno.errorcode)


def test_tai_offset_is_two_to_the_62_and_ten_seconds() -> None:
    assert tai.TAI_OFFSET == 2**62 + 10


def test_launcher_fits_into_the_read_that_recognises_it() -> None:
    longest = max(programs.PYTOOLS | programs.QMAIL, key=len)
    text = launcher.render(longest, b"/a/quite/long/home/directory" * 8)
    assert len(text) < chain._LAUNCHER_SIZE


def test_long_lived_programs_are_programs() -> None:
    assert programs.LONG_LIVED <= programs.PYTOOLS | programs.QMAIL
    assert not programs.PYTOOLS & programs.QMAIL


def test_known_ports_agree_with_this_machine_where_it_knows_them() -> None:
    for name, port in services.KNOWN.items():
        assert services.port_by_name(name) == port, name


def test_writer_gives_up_before_the_cleaner_comes() -> None:
    assert layout.WRITER_SECONDS < layout.OSSIFIED_SECONDS


def test_tcpto_is_the_file_that_the_installer_makes() -> None:
    sizes = {entry.path: entry.size for entry in hier.queue_files()}
    assert sizes[tcpto.PATH.decode()] == tcpto.SIZE
    assert sizes[tcpto.PATH6.decode()] == tcpto.SIZE6


def test_client_of_the_resolver_waits_longer_than_the_resolver_asks() -> None:
    asks = dnsnames.LIMIT_SECONDS + 2 * resolver_child.REQUEST_SECONDS
    assert asks < resolver.ANSWER_SECONDS


def test_query_of_the_longest_name_fits_into_a_request() -> None:
    # A name of 255 bytes in dot form, each as a backslash and three digits.
    assert resolver_child.REQUEST_BYTES > 4 * 255 + 100


def test_memory_reserve_leaves_something_of_the_guide_s_softlimit() -> None:
    assert limits.RESERVE < 5_000_000 // 4
