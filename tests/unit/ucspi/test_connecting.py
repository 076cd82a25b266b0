"""tcpclient's parts: its command line, the names and addresses of a host, its rounds."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pytools.base.environment import environ
from pytools.base.exits import Exit
from pytools.process import resolver
from pytools.ucspi import connecting, hosts
from pytools.ucspi.client_arguments import USAGE_LINE, Arguments, parse
from pytools.ucspi.qualifying import candidates, rules
from pytools.ucspi.showing import Body, Visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.showing import Filter

BASE = ["tcpclient", "-q", "192.0.2.1", "7", "prog"]


def parsed(*words: str) -> Arguments:
    return parse([word.encode() for word in words])


def test_defaults_are_the_originals() -> None:
    found = parsed("tcpclient", "h.example", "25", "prog", "-x")
    assert (found.host, found.port) == (b"h.example", 25)
    assert found.program == [b"prog", b"-x"]
    assert (found.seconds, found.info_seconds) == ((2, 58), 26)
    assert (found.look_up_host, found.look_up_info, found.no_delay) == (1, 1, 0)
    assert (found.local_host, found.local_ip, found.local_port) == (None, "", 0)
    assert (found.family, found.talk.verbosity) == (0, 1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", (5, 0)),
        ("5+", (5, 0)),
        ("5+6", (5, 6)),
        ("+6", (0, 6)),
        ("5x6", (5, 0)),
        ("", (0, 0)),
    ],
)
def test_times_to_connect(value: str, seconds: tuple[int, int]) -> None:
    assert parsed("tcpclient", "-T", value, "0", "1", "p").seconds == seconds


@pytest.mark.parametrize(
    ("value", "ip"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("383.0.0.1.5", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:DB8:0::5", "2001:db8::5"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_local_address(value: str, ip: str) -> None:
    assert parsed("tcpclient", "-i", value, "0", "1", "p").local_ip == ip


@pytest.mark.parametrize(
    "words",
    [
        ["-i", "1.2.3"],
        ["-i", "x"],
        ["-i", "::g"],
        ["-4", "-i", "::1"],
        ["-i", "127.0.0.1", "-6"],
        ["-46"],
    ],
)
def test_what_makes_no_sense_is_a_misuse(words: list[str]) -> None:
    with pytest.raises(Exit) as caught:
        parsed("tcpclient", *words, "0", "1", "p")
    assert (caught.value.code, caught.value.text) == (100, USAGE_LINE)


def test_host_zero_is_this_machine_in_the_family_wanted() -> None:
    assert parsed("tcpclient", "0", "1", "p").host == b"127.0.0.1"
    assert parsed("tcpclient", "-4", "", "1", "p").host == b"127.0.0.1"
    assert parsed("tcpclient", "-6", "0", "1", "p").host == b"::1"


@pytest.mark.parametrize(
    ("host", "made", "found"),
    [
        ("a", [], ["a"]),
        ("a", ["?:+.x+.y", "*.:"], ["a.x", "a.y"]),
        ("a.b", ["?:+.x", "*.:"], ["a.b"]),
        ("a.b.", ["?:+.x", "*.:"], ["a.b"]),
        ("a[", ["?:.x"], ["a["]),
        ("a.OLD", ["*.old:.new"], ["a.new"]),
        ("a.new", ["=A.NEW:b", "?:.c"], ["b.c"]),
        ("xa.new", ["=a.new:b"], ["xa.new"]),
        ("a.b", ["-b:whole"], ["whole"]),
        ("a", ["# ?:no", "", "?no colon", "!:x"], ["a"]),
        ("a+.b+.c", [], ["a.b", "a.c"]),
        ("a+", [], ["a"]),
    ],
)
def test_rules_make_names(host: str, made: list[str], found: list[str]) -> None:
    names = candidates(host.encode(), [rule.encode() for rule in made])
    assert [name.decode() for name in names] == found


def test_rules_come_from_the_first_source_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite, conf = bytes(tmp_path / "rewrite"), bytes(tmp_path / "conf")
    for name in (b"DNSREWRITEFILE", b"LOCALDOMAIN"):
        monkeypatch.delitem(environ, name, raising=False)
    monkeypatch.setattr("_socket.gethostname", lambda: "me.home.example")
    assert rules(rewrite, conf) == [b"?:.home.example", b"*.:"]
    monkeypatch.setattr("_socket.gethostname", lambda: "me")
    assert rules(rewrite, conf) == [b"*.:"]
    (tmp_path / "conf").write_text("nameserver 1\nsearch\ta  b\ndomain c\n")
    assert rules(rewrite, conf) == [b"?:+.a+.b", b"*.:"]
    monkeypatch.setitem(environ, b"LOCALDOMAIN", b"d e")
    assert rules(rewrite, conf) == [b"?:+.d+.e", b"*.:"]
    (tmp_path / "rewrite").write_text("=a:b \t\r\n#")
    assert rules(rewrite, conf) == [b"=a:b", b"#"]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("[127.0.0.1]", ["127.0.0.1"]),
        ("127..1.257", ["127.0.1.1"]),
        ("1.2.3.4.5.6.7.8.9", ["1.2.3.4", "5.6.7.8"]),
        ("1.2.3", []),
        ("", []),
        ("[::1]", ["::1"]),
        ("fe80::1%lo", ["fe80::1%lo"]),
        ("::ffff:1.2.3.4", ["1.2.3.4"]),
        ("a.example", None),
        ("a:b", None),
    ],
)
def test_literals(host: str, found: list[str] | None) -> None:
    assert hosts.literals(host.encode()) == found


class Dns:
    """Answers, and a note of what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **known: list[bytes]) -> None:
        self.known = known
        self.asked: list[str] = []
        monkeypatch.setattr(resolver, "a", lambda name: self._answer("a", name))
        monkeypatch.setattr(resolver, "aaaa", lambda name: self._answer("aaaa", name))
        monkeypatch.setattr(hosts, "names_for", lambda host: host.split(b","))

    def _answer(self, kind: str, name: bytes) -> list[bytes]:
        self.asked.append(f"{kind} {name.decode()}")
        key = f"{kind}_{name.decode()}"
        if key not in self.known:
            raise resolver.DnsPermanent
        return self.known[key]


def test_ipv6_counts_when_there_is_no_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"aaaa_both": [b"::5"], "a_six": [], "aaaa_six": [b"::6"]}
    dns = Dns(monkeypatch, a_both=[b"192.0.2.1"], **known)
    assert hosts.addresses(b"both") == ["192.0.2.1"]
    assert dns.asked == ["a both"]
    assert hosts.addresses(b"six") == ["::6"]
    assert hosts.addresses(b"both", hosts.family_of("::")) == ["::5"]
    assert hosts.addresses(b"six", hosts.family_of("0.0.0.0")) == []
    assert hosts.addresses(b"::1", hosts.family_of("0.0.0.0")) == []


def test_next_name_is_tried_when_one_has_no_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dns = Dns(monkeypatch, a_x=[], aaaa_x=[], a_y=[b"192.0.2.1", b"192.0.2.2"])
    assert sorted(hosts.addresses(b"w,x,y,z")) == ["192.0.2.1", "192.0.2.2"]
    assert dns.asked == ["a w", "a x", "aaaa x", "a y"]


def test_addresses_come_in_any_order() -> None:
    items = [f"192.0.2.{number}" for number in range(20)]
    orders = {tuple(hosts.shuffled(items)) for _ in range(20)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(items))}


@pytest.mark.parametrize(
    ("addresses", "seconds", "failures", "tries", "reached"),
    [
        (["a"], (2, 58), {}, ["a 2+58"], True),
        (["a"], (2, 58), {"a": errno.ETIMEDOUT}, ["a 2+58"], False),
        (["a", "b"], (2, 58), {"a": errno.ECONNREFUSED}, ["a 2", "b 2"], True),
        (["a", "b"], (2, 0), {"a": errno.ETIMEDOUT}, ["a 2", "b 2"], True),
        (
            ["a", "b"],
            (2, 58),
            {"a": errno.ETIMEDOUT, "b": errno.ECONNREFUSED},
            ["a 2", "b 2", "a 58"],
            False,
        ),
    ],
)
def test_silent_addresses_get_a_second_round(
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    seconds: tuple[int, int],
    failures: dict[str, int],
    tries: list[str],
    reached: bool,
) -> None:
    tried = []

    def attempt(ip: str, patience: int, arguments: Arguments) -> int:
        shown = "2+58" if patience == 60 else str(patience)
        tried.append(f"{ip} {shown}")
        if ip in failures:
            raise OSError(failures[ip], "no")
        return 5

    monkeypatch.setattr(connecting, "_connect", attempt)
    arguments = parsed(*BASE)
    arguments.seconds = seconds
    assert connecting.connect(addresses, arguments) == (5 if reached else None)
    assert tried == tries


def fed(shown: Filter, text: bytes, size: int) -> bytes:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join([*map(shown.receive, pieces), shown.end()])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_answer_is_shown_the_same_however_it_comes(size: int) -> None:
    text = b"a\r\nb\r\r\n\t\x00\x1f\x7f\x80\x8a\xa0\xff\r"
    assert fed(Visible(), text, size) == (b"a\nb^M\n\t^@^_^?M-^@M-^JM- M-^?^M")
    page = b"HTTP/1.0 200\r\nA: b\r\n\r\none\r\n\r\n\n two\rthree\r"
    assert fed(Body(), page, size) == b"one\n two\rthree\r\n"
    assert fed(Body(), b"no\nheader end", size) == b""
    assert fed(Body(), b"x\n\n\n", size) == b""
