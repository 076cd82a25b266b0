"""The small modules of the base: tai, ip, services, locks, accounts, exits, netstring."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

import pytest

from pytools.base import accounts, exits, ip, locks, netstring, services, tai
from pytools.process.child import fork, wait_for


def test_tai64n_is_unix_time_and_ten_seconds_in_hex() -> None:
    assert tai.tai64n(0) == b"400000000000000a00000000"
    assert tai.tai64n(1127359865_997071500) == b"40000000433225833b6e1a8c"
    assert len(tai.tai64n()) == 24


def test_tai_stamp_goes_both_ways() -> None:
    stamp = tai.pack(1, 999_999_999)
    assert stamp == bytes.fromhex("400000000000000b3b9ac9ff")
    assert tai.unpack(stamp) == (1, 999_999_999)
    assert tai.unpack(bytes(12)) == (-tai.TAI_OFFSET, 0)


@pytest.mark.parametrize("text", [b"0.0.0.0", b"127.0.0.1", b"255.255.255.255"])
def test_address_goes_both_ways(text: bytes) -> None:
    address = ip.parse_ip4(text)
    assert address is not None
    assert ip.format_ip4(address) == text


@pytest.mark.parametrize(
    "text",
    [b"", b"1.2.3", b"1.2.3.4.5", b"256.1.1.1", b"1.2.3.x", b"1..2.3", b"1.2.3.-4"],
)
def test_text_that_is_no_address_is_none(text: bytes) -> None:
    assert ip.parse_ip4(text) is None


@pytest.mark.parametrize(
    ("name", "port"),
    [
        (b"first", 1),
        (b"alias", 1),
        (b"udp", None),
        (b"later", None),
        (b"smtp", 2525),
        (b"imaps", 993),
        (b"nosuch", None),
        (b"", None),
    ],
)
def test_service_is_looked_up_in_the_table_then_among_the_known(
    tmp_path: Path, name: bytes, port: int | None
) -> None:
    table = tmp_path / "services"
    text = "# a comment with first\nfirst 1/tcp other alias # later\nudp 2/udp\n"
    table.write_text(text + "smtp 2525/tcp mail\nsmtp 25/tcp\nbroken\nfirst x/tcp\n")
    assert services.port_by_name(name, bytes(table)) == port


def test_services_are_known_without_a_table(tmp_path: Path) -> None:
    assert services.port_by_name(b"smtp", bytes(tmp_path / "none")) == 25


def test_lock_keeps_another_process_out_until_unlocked(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = os.open(path, os.O_RDWR | os.O_CREAT)
    locks.lock_ex(held)

    def try_it() -> int:
        other = os.open(path, os.O_RDWR)
        try:
            locks.lock_ex_nb(other)
        except BlockingIOError:
            return 1
        return 0

    assert os.waitstatus_to_exitcode(wait_for(fork(try_it))) == 1
    locks.unlock(held)
    assert os.waitstatus_to_exitcode(wait_for(fork(try_it))) == 0
    os.close(held)


def test_account_is_that_of_the_password_file() -> None:
    account = accounts.by_name(b"root")
    assert account is not None
    found = pwd.getpwnam("root")
    assert (account.uid, account.gid) == (found.pw_uid, found.pw_gid)
    assert (account.home, account.shell) == (
        os.fsencode(found.pw_dir),
        os.fsencode(found.pw_shell),
    )
    assert accounts.group_id(b"root") == 0


@pytest.mark.parametrize("name", [b"", b"no such user", b"root\0", b"\xff\xfe"])
def test_account_that_is_none_is_none(name: bytes) -> None:
    assert accounts.by_name(name) is None
    assert accounts.group_id(name) is None


def test_reason_is_in_the_originals_words() -> None:
    assert exits.reason(FileNotFoundError(errno.ENOENT, "")) == b"file does not exist"
    assert exits.reason(OSError(errno.EACCES, "")) == b"access denied"
    assert exits.reason(OSError(errno.EPERM, "")) == b"permission denied"
    assert exits.reason(OSError(9999, "")) == b"unknown error"
    assert exits.reason(OSError("text alone")) == b"text alone"


def test_diagnostics_have_program_severity_text_and_reason() -> None:
    strerr = exits.Strerr(b"prog")
    end = strerr.fatal(b"unable to open ", b"x", error=OSError(errno.ENOENT, ""))
    assert end.code == 111
    assert end.text == b"prog: fatal: unable to open x: file does not exist"
    end = strerr.usage(b"prog file")
    assert (end.code, end.text) == (100, b"prog: usage: prog file")


def test_warning_without_a_descriptor_to_write_to_is_lost_silently() -> None:
    def body() -> int:
        os.close(2)
        exits.Strerr(b"prog").warn(b"nobody hears")
        return 7

    assert os.waitstatus_to_exitcode(wait_for(fork(body))) == 7


@pytest.mark.parametrize(
    "data", [b"x", b":", b"5", b"1x:a,", b"1:ab", b"-1:,", b" 1:a,", b"123456789012"]
)
def test_bytes_that_are_no_netstring_are_malformed_or_wait(data: bytes) -> None:
    decoder = netstring.Decoder()
    decoder.receive(data)
    if data == b"5":
        assert decoder.next() is None
    else:
        with pytest.raises(netstring.Malformed):
            decoder.next()


def test_netstring_over_the_limit_is_malformed_before_it_is_read() -> None:
    decoder = netstring.Decoder(limit=10)
    decoder.receive(b"11:")
    with pytest.raises(netstring.Malformed):
        decoder.next()
