"""Where recipients go."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmail.control.maps import ConstMap
from qmail.send import controls as control_files
from qmail.send.bounces import note
from qmail.send.rewriting import (
    LOCAL,
    REMOTE,
    Rewriter,
    bounce_address,
    sender_for,
)
from tests.unit.send import originals

REWRITER = Rewriter(
    ConstMap([b"here.example", b"Also.Example"]),
    ConstMap(
        [
            *(b"v.example:vu", b"one@w.example:single", b".suffix.example:suf"),
            *(b"except.suffix.example:", b"v.example:", b"v.example:vuser"),
            *(b"no colon here", b"colons.example:a:b", b"here.example:never"),
        ],
        colon=True,
    ),
    ConstMap([b"here.example", b"hack.example"]),
    b"env.example",
)

ROUTES = [
    (b"joe@here.example", LOCAL, b"joe@here.example"),
    (b"joe@HERE.example", LOCAL, b"joe@HERE.example"),
    (b"joe@also.example", LOCAL, b"joe@also.example"),
    (b"joe@far.example", REMOTE, b"joe@far.example"),
    (b"joe", REMOTE, b"joe@env.example"),
    (b"", REMOTE, b"@env.example"),
    (b"joe@v.example", LOCAL, b"vuser-joe@v.example"),
    (b"joe@V.Example", LOCAL, b"vuser-joe@V.Example"),
    (b"joe@sub.v.example", REMOTE, b"joe@sub.v.example"),
    (b"one@w.example", LOCAL, b"single-one@w.example"),
    (b"two@w.example", REMOTE, b"two@w.example"),
    (b"joe@a.b.suffix.example", LOCAL, b"suf-joe@a.b.suffix.example"),
    (b"joe@suffix.example", REMOTE, b"joe@suffix.example"),
    (b"joe@except.suffix.example", REMOTE, b"joe@except.suffix.example"),
    (b"joe@colons.example", LOCAL, b"a:b-joe@colons.example"),
    (b"joe.here.example@far", REMOTE, b"joe.here.example@far"),
    (b"joe%far.example@here.example", REMOTE, b"joe@far.example"),
    (b"joe%far%hack.example@here.example", REMOTE, b"joe@far"),
    (b"joe%here.example@hack.example", LOCAL, b"joe@here.example"),
    (b"joe%v.example@here.example", LOCAL, b"vuser-joe@v.example"),
    (b"joe%far.example@v.example", LOCAL, b"vuser-joe%far.example@v.example"),
    (b"a@b%far@here.example", REMOTE, b"a@b@far"),
    (b"two@ats@here.example", LOCAL, b"two@ats@here.example"),
]


@pytest.mark.parametrize(("recipient", "channel", "address"), ROUTES)
def test_route_of_recipient_is_channel_and_address(
    recipient: bytes, channel: int, address: bytes
) -> None:
    assert REWRITER.route(recipient) == (channel, address)


def test_route_with_empty_key_takes_all_but_locals_and_exceptions() -> None:
    rewriter = Rewriter(
        ConstMap([b"here"]),
        ConstMap([b":all", b"out.example:"], colon=True),
        ConstMap([]),
        b"here",
    )
    assert rewriter.route(b"a@b.c") == (LOCAL, b"all-a@b.c")
    assert rewriter.route(b"a@here") == (LOCAL, b"a@here")
    assert rewriter.route(b"a@out.example") == (REMOTE, b"a@out.example")


def test_route_after_reload_uses_new_lists_and_keeps_the_rest() -> None:
    reloaded = REWRITER.reloaded(
        ConstMap([b"new.example"]), ConstMap([b"v.example:w"], colon=True)
    )
    assert reloaded.route(b"joe@here.example")[0] == REMOTE
    assert reloaded.route(b"a%new.example@hack.example") == (LOCAL, b"a@new.example")
    assert reloaded.route(b"joe@v.example") == (LOCAL, b"w-joe@v.example")


@pytest.mark.parametrize(
    ("recipient", "named"),
    [
        (b"vuser-joe@v.example", b"joe@v.example"),
        (b"suf-joe@x.suffix.example", b"joe@x.suffix.example"),
        (b"joe@v.example", b"joe@v.example"),
        (b"VUSER-joe@v.example", b"VUSER-joe@v.example"),
        (b"vuserjoe@v.example", b"vuserjoe@v.example"),
        (b"suf-joe@except.suffix.example", b"suf-joe@except.suffix.example"),
        # The entry is for an address, and only domains are looked at.
        (b"single-one@w.example", b"single-one@w.example"),
        (b"no-at-sign", b"no-at-sign"),
    ],
)
def test_strip_prepend_names_recipient_as_sender_wrote_it(
    recipient: bytes, named: bytes
) -> None:
    assert REWRITER.strip_prepend(recipient) == named


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        (b"l-owner-@h-@[]", b"joe@far", b"l-owner-joe=far@h"),
        (b"l-owner-@h-@[]", b"a@b@far", b"l-owner-a@b=far@h"),
        (b"a@b-@h-@[]", b"joe@far", b"a@b-joe=far@h"),
        (b"l-owner-@h-@[]", b"no-at", b"l-owner-@h-@[]"),
        (b"no-at-@[]", b"joe@far", b"no-at-@[]"),
        (b"-@[]", b"joe@far", b"-@[]"),
        (b"#@[]", b"joe@far", b"#@[]"),
        (b"", b"joe@far", b""),
        (b"joe@far", b"x@y", b"joe@far"),
    ],
)
def test_sender_for_recipient_expands_the_mark(
    sender: bytes, recipient: bytes, expected: bytes
) -> None:
    assert sender_for(sender, recipient) == expected


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (b"l-owner-@h-@[]", b"l-owner-@h"),
        (b"-@[]", b""),
        (b"#@[]", b"#@[]"),
        (b"", b""),
        (b"joe@far", b"joe@far"),
    ],
)
def test_bounce_address_drops_the_mark(sender: bytes, expected: bytes) -> None:
    assert bounce_address(sender) == expected


@pytest.mark.parametrize(
    ("controls", "rows"),
    originals.routes(),
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_recipients_go_where_the_original_sends_them(
    controls: dict[str, bytes],
    rows: list[list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "control").mkdir()
    for name, content in controls.items():
        (tmp_path / "control" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    rewriter = control_files.read().rewriter
    for recipient, channel, address, *named in rows:
        wanted = (REMOTE if channel == b"remote" else LOCAL, address)
        assert rewriter.route(recipient) == wanted, recipient
        # A line with three fields: the notice has the address of the delivery.
        noted = note(rewriter.strip_prepend(address), b"no")
        assert noted == b"<%b>:\nno\n\n" % (named or [address])[0], recipient
