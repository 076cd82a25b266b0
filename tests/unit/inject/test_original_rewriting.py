"""Address lists against what netqmail 1.06 made of them, row by row.

Every row was run through the compiled original's qmail-inject, in a To field with the
default host ``host`` and the domains ``dom.example`` and ``plus.example``.
"""

from __future__ import annotations

import pytest

from qmail.inject.composing import BadField, Composer
from qmail.inject.identity import Identity
from qmail.inject.rewriting import Rewriter

# (what stands after the colon and a blank, what stands after the colon, recipients)
REWRITTEN: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "box": (b"joe", b" joe@host.dom.example", [b"joe@host.dom.example"]),
    "box with a dot": (
        b"joe.q",
        b" joe.q@host.dom.example",
        [b"joe.q@host.dom.example"],
    ),
    "host without dot": (b"joe@mx", b" joe@mx.dom.example", [b"joe@mx.dom.example"]),
    "full address": (b"joe@mx.org", b" joe@mx.org", [b"joe@mx.org"]),
    "host in capitals": (b"Joe@MX.Org", b" Joe@MX.Org", [b"Joe@MX.Org"]),
    "plus": (b"joe@mx+", b" joe@mx.plus.example", [b"joe@mx.plus.example"]),
    "plus after a dot": (
        b"joe@a.b+",
        b" joe@a.b.plus.example",
        [b"joe@a.b.plus.example"],
    ),
    "plus in the box": (b"joe+", b" joe+@host.dom.example", [b"joe+@host.dom.example"]),
    "plus alone": (b"joe@+", b" joe@.plus.example", [b"joe@.plus.example"]),
    "plus quoted": (b'joe@"mx+"', b' joe@"mx+".dom.example', [b"joe@mx+.dom.example"]),
    "two plus": (b"joe@mx++", b" joe@mx+.plus.example", [b"joe@mx+.plus.example"]),
    "plus before the dot": (b"joe@mx+.org", b" joe@mx+.org", [b"joe@mx+.org"]),
    "dot at the end": (b"joe@mx.", b" joe@mx.dom.example", [b"joe@mx.dom.example"]),
    "dot after a domain": (b"joe@mx.org.", b" joe@mx.org", [b"joe@mx.org"]),
    "two dots at the end": (b"joe@mx..", b" joe@mx.", [b"joe@mx."]),
    "dot after the box": (b"joe.", b" joe@host.dom.example", [b"joe@host.dom.example"]),
    "dot first": (b".joe", b" .joe@host.dom.example", [b".joe@host.dom.example"]),
    "dots inside": (b"a..b@c.d", b" a..b@c.d", [b"a..b@c.d"]),
    "dot after at": (b"joe@.mx", b" joe@.mx", [b"joe@.mx"]),
    "dot alone": (b".", b"", [b""]),
    "two dots": (b"..", b" .@host.dom.example", [b".@host.dom.example"]),
    "at at the end": (b"joe@", b" joe@host.dom.example", [b"joe@host.dom.example"]),
    "at first": (b"@mx", b"", [b""]),
    "at alone": (b"@", b"", [b""]),
    "two at": (b"a@b@c.d", b" a@b@c.d", [b"a@b@c.d"]),
    "two at, none with a dot": (
        b"a@b@c",
        b" a@b@c.dom.example",
        [b"a@b@c.dom.example"],
    ),
    "dot in the first host only": (
        b"a@b.c@d",
        b" a@b.c@d.dom.example",
        [b"a@b.c@d.dom.example"],
    ),
    "two colons": (b"a:b:c;", b" a: b: c@host.dom.example;", [b"c@host.dom.example"]),
    "route in brackets": (
        b"<@a:joe@mx>",
        b" <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "route of two in brackets": (
        b"<@a,@b:joe@mx>",
        b" <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "route without a box": (b"<@a:>", b" <>", [b""]),
    "route alone": (b"<@a>", b" <>", [b""]),
    "route with a name": (
        b"Joe <@a.b,@c.d:joe@mx>",
        b" Joe <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "nothing": (b"", b"", []),
    "blanks": (b" \t", b"", []),
    "comma alone": (b",", b" ,", []),
    "commas": (
        b", , a,, b,",
        b" , , a@host.dom.example, , b@host.dom.example,",
        [b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "empty in brackets": (b"<>", b" <>", [b""]),
    "empty and others": (
        b"a, <>, b",
        b" a@host.dom.example, <>, b@host.dom.example",
        [b"b@host.dom.example", b"", b"a@host.dom.example"],
    ),
    "dot in brackets": (b"<.>", b" <>", [b""]),
    "at in brackets": (b"<@>", b" <>", [b""]),
    "foo@[]": (b"foo@[]", b" foo@[]", [b"foo@[]"]),
    "foo@[] in brackets": (b"<foo@[]>", b" <foo@[]>", [b"foo@[]"]),
    "#@[]": (b"#@[]", b" #@[]", [b"#@[]"]),
    "[] alone": (b"[]", b" []@host.dom.example", [b"[]@host.dom.example"]),
    "two words @[]": (
        b"a b@[]",
        b" a@host.dom.example, b@[]",
        [b"b@[]", b"a@host.dom.example"],
    ),
    "blank literal": (b"joe@[ ]", b" joe@[ ]", [b"joe@[ ]"]),
    "literal": (b"joe@[127.0.0.1]", b" joe@[127.0.0.1]", [b"joe@[127.0.0.1]"]),
    "literal with a bracket": (b"joe@[a[b\\]c]", b" joe@[a\\[b\\]c]", [b"joe@[a[b]c]"]),
    "literal with comment": (b"joe@[(x)]", b" joe@[\\(x\\)]", [b"joe@[(x)]"]),
    "literal alone": (
        b"[127.0.0.1]",
        b" [127.0.0.1]@host.dom.example",
        [b"[127.0.0.1]@host.dom.example"],
    ),
    "literal as box": (
        b"[a b]@mx",
        b" [a b]@mx.dom.example",
        [b"[a b]@mx.dom.example"],
    ),
    "IPv6 literal": (
        b"joe@[IPv6:2001:db8::1]",
        b" joe@[IPv6:2001:db8::1]",
        [b"joe@[IPv6:2001:db8::1]"],
    ),
    "quoted box": (b'"joe q"@mx.org', b' "joe q"@mx.org', [b"joe q@mx.org"]),
    "quoted without need": (b'"joe"@mx.org', b' "joe"@mx.org', [b"joe@mx.org"]),
    "quoted empty": (b'""@mx.org', b' ""@mx.org', [b"@mx.org"]),
    "quoted at": (b'"a@b"@mx.org', b' "a@b"@mx.org', [b"a@b@mx.org"]),
    "quoted quote": (b'"a\\"b"@mx.org', b' "a\\"b"@mx.org', [b'a"b@mx.org']),
    "quoted backslash": (b'"a\\\\b"@mx.org', b' "a\\\\b"@mx.org', [b"a\\b@mx.org"]),
    "needless escape": (b'"a\\b"@mx.org', b' "ab"@mx.org', [b"ab@mx.org"]),
    "quoted with dot": (
        b'"a".b."c d"@mx.org',
        b' "a".b."c d"@mx.org',
        [b"a.b.c d@mx.org"],
    ),
    "quoted host": (
        b'joe@"mx.org"',
        b' joe@"mx.org".dom.example',
        [b"joe@mx.org.dom.example"],
    ),
    "quoted line break": (b'"a\n b"@mx.org', b' "a\\\n b"@mx.org', [b"a\n b@mx.org"]),
    "quoted parentheses": (b'"(a)"@mx.org', b' "\\(a\\)"@mx.org', [b"(a)@mx.org"]),
    "quoted brackets": (b'"<[a]>"@mx.org', b' "<\\[a\\]>"@mx.org', [b"<[a]>@mx.org"]),
    "quoted CR": (b'"a\rb"@mx.org', b' "a\\\rb"@mx.org', [b"a\rb@mx.org"]),
    "escape in a word": (b"a\\@b@mx.org", b" a@b@mx.org", [b"a@b@mx.org"]),
    "escaped blank": (b"a\\ b@mx.org", b" a b@mx.org", [b"a b@mx.org"]),
    "escaped quote": (b'a\\"b@mx.org', b' a\\"b@mx.org', [b'a"b@mx.org']),
    "escaped letter": (b"\\joe@mx.org", b" joe@mx.org", [b"joe@mx.org"]),
    "8-bit": (
        b"j\xf6rg@m\xfcller.de",
        b' "j\xf6rg"@"m\xfcller".de',
        [b"j\xf6rg@m\xfcller.de"],
    ),
    "control": (b"a\x01b@mx.org", b' "a\x01b"@mx.org', [b"a\x01b@mx.org"]),
    "DEL": (b"a\x7fb@mx.org", b' "a\x7fb"@mx.org', [b"a\x7fb@mx.org"]),
    "NUL": (b"a\x00b@mx.org", b' "a\x00b"@mx.org', [b"a"]),
    "single quotes": (b"'joe'@mx.org", b" 'joe'@mx.org", [b"'joe'@mx.org"]),
    "percent": (
        b"joe%host@mx",
        b" joe%host@mx.dom.example",
        [b"joe%host@mx.dom.example"],
    ),
    "bang": (
        b"host!joe",
        b" host!joe@host.dom.example",
        [b"host!joe@host.dom.example"],
    ),
    "equals": (
        b"=?x?q?y?= <joe@mx>",
        b" =?x?q?y?= <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "escaped line break": (
        b"joe\\\n @mx",
        b' "joe\\\n"@mx.dom.example',
        [b"joe\n@mx.dom.example"],
    ),
    "comment after": (
        b"joe@mx (Joe)",
        b" joe@mx.dom.example (Joe)",
        [b"joe@mx.dom.example"],
    ),
    "comment before": (
        b"(Joe) joe@mx",
        b" joe@mx.dom.example (Joe)",
        [b"joe@mx.dom.example"],
    ),
    "comments inside": (
        b"j (a) oe (b) @ (c) mx (d)",
        b" j@host.dom.example, oe@mx.dom.example (a) (b) (c) (d)",
        [b"oe@mx.dom.example", b"j@host.dom.example"],
    ),
    "comment in the host": (
        b"joe@mx(a).(b)org",
        b" joe@mx.org (a) (b)",
        [b"joe@mx.org"],
    ),
    "comments nested": (
        b"joe (a (b (c)) d)",
        b" joe@host.dom.example (a b c d)",
        [b"joe@host.dom.example"],
    ),
    "comment escaped": (
        b"joe (a\\)b)",
        b" joe@host.dom.example (a\\)b)",
        [b"joe@host.dom.example"],
    ),
    "comment with comma": (
        b"joe (a, b@c)",
        b" joe@host.dom.example (a, b@c)",
        [b"joe@host.dom.example"],
    ),
    "comment with quote": (
        b'joe (a"b)',
        b' joe@host.dom.example (a\\"b)',
        [b"joe@host.dom.example"],
    ),
    "comment with backslash": (
        b"joe (a\\\\b)",
        b" joe@host.dom.example (a\\\\b)",
        [b"joe@host.dom.example"],
    ),
    "comment folded": (
        b"joe (a\n b)",
        b" joe@host.dom.example (a\\\n b)",
        [b"joe@host.dom.example"],
    ),
    "comment empty": (
        b"joe ()",
        b" joe@host.dom.example ()",
        [b"joe@host.dom.example"],
    ),
    "comment alone": (b"(nobody)", b" (nobody)", []),
    "comment in brackets": (
        b"Joe <(a) joe@mx (b)>",
        b" Joe <(a) joe@mx (b).dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "comment after brackets": (
        b"<joe@mx> (Joe)",
        b" <joe@mx.dom.example>(Joe)",
        [b"joe@mx.dom.example"],
    ),
    "comment before brackets": (
        b"Joe (a) <joe@mx>",
        b" Joe (a) <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "comment between words": (
        b"a (c) b",
        b" a@host.dom.example, b@host.dom.example (c)",
        [b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "name": (
        b"Joe Q <joe@mx>",
        b" Joe Q <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "name with dots": (
        b"J. Q. Public <jq@mx>",
        b" J.Q.Public <jq@mx.dom.example>",
        [b"jq@mx.dom.example"],
    ),
    "name quoted": (
        b'"Public, J." <jq@mx>',
        b' "Public, J." <jq@mx.dom.example>',
        [b"jq@mx.dom.example"],
    ),
    "name with at": (
        b"joe@home <joe@mx>",
        b" joe@home <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "name 8-bit": (
        b"J\xf6rg <j@mx>",
        b' "J\xf6rg" <j@mx.dom.example>',
        [b"j@mx.dom.example"],
    ),
    "name with a comma": (
        b"Public, Joe <jq@mx>",
        b" Public@host.dom.example, Joe <jq@mx.dom.example>",
        [b"jq@mx.dom.example", b"Public@host.dom.example"],
    ),
    "name without blank": (
        b"Joe<joe@mx>",
        b" Joe <joe@mx.dom.example>",
        [b"joe@mx.dom.example"],
    ),
    "blanks in brackets": (b"< joe @ mx . org >", b" <joe@mx.org>", [b"joe@mx.org"]),
    "brackets only": (b"<joe>", b" <joe@host.dom.example>", [b"joe@host.dom.example"]),
    "two in brackets": (
        b"<a@b c@d>",
        b" <a@b c@d.dom.example>",
        [b"a@bc@d.dom.example"],
    ),
    "comma in brackets": (
        b"<a@b, c@d>",
        b" <a@b, c@d.dom.example>",
        [b"a@b,c@d.dom.example"],
    ),
    "name after": (
        b"<joe@mx> Joe",
        b" <joe@mx.dom.example>, Joe@host.dom.example",
        [b"Joe@host.dom.example", b"joe@mx.dom.example"],
    ),
    "missing comma": (
        b"djb fred",
        b" djb@host.dom.example, fred@host.dom.example",
        [b"fred@host.dom.example", b"djb@host.dom.example"],
    ),
    "missing commas": (
        b"a@b c@d <e@f> g@h",
        b" a@b c@d <e@f.dom.example>, g@h.dom.example",
        [b"g@h.dom.example", b"e@f.dom.example"],
    ),
    "missing comma before name": (
        b"a@b Joe <c@d>",
        b" a@b Joe <c@d.dom.example>",
        [b"c@d.dom.example"],
    ),
    "missing comma after brackets": (
        b"<a@b> <c@d>",
        b" <a@b.dom.example> <c@d.dom.example>",
        [b"c@d.dom.example", b"a@b.dom.example"],
    ),
    "missing comma after group": (
        b"g: a; b",
        b" g: a@host.dom.example;, b@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "missing comma at quoted": (
        b'"a" "b"@c',
        b' "a"@host.dom.example, "b"@c.dom.example',
        [b"b@c.dom.example", b"a@host.dom.example"],
    ),
    "missing comma at literal": (
        b"a@[1.2.3.4] b",
        b" a@[1.2.3.4], b@host.dom.example",
        [b"b@host.dom.example", b"a@[1.2.3.4]"],
    ),
    "tabs": (
        b"a,\tb\tc",
        b" a@host.dom.example, b@host.dom.example, c@host.dom.example",
        [b"c@host.dom.example", b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "folded": (
        b"a,\n b\n\tc",
        b" a@host.dom.example, b@host.dom.example, c@host.dom.example",
        [b"c@host.dom.example", b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "CR": (
        b"a,\r\n b\r",
        b" a@host.dom.example, b@host.dom.example",
        [b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "group": (
        b"friends: a@b, c@d;",
        b" friends: a@b.dom.example, c@d.dom.example;",
        [b"c@d.dom.example", b"a@b.dom.example"],
    ),
    "group empty": (b"nobody: ;", b" nobody: ;", []),
    "group and others": (
        b"x, friends: a, b;, y",
        b" x@host.dom.example, friends: a@host.dom.example, b@host.dom.example;,\n"
        b"  y@host.dom.example",
        [
            b"y@host.dom.example",
            b"b@host.dom.example",
            b"a@host.dom.example",
            b"x@host.dom.example",
        ],
    ),
    "two groups": (
        b"g: a;, h: b;",
        b" g: a@host.dom.example;, h: b@host.dom.example;",
        [b"b@host.dom.example", b"a@host.dom.example"],
    ),
    "two groups without comma": (
        b"g: a; h: b;",
        b" g: a;h: b@host.dom.example;",
        [b"b@host.dom.example"],
    ),
    "group of two words": (
        b"my friends: a;",
        b" my friends: a@host.dom.example;",
        [b"a@host.dom.example"],
    ),
    "group with names": (
        b"g: Joe <a@b>, c (d);",
        b" g: Joe <a@b.dom.example>, c@host.dom.example (d);",
        [b"c@host.dom.example", b"a@b.dom.example"],
    ),
    "group name quoted": (
        b'"a, b": c;',
        b' "a, b": c@host.dom.example;',
        [b"c@host.dom.example"],
    ),
    "group name with comment": (
        b"g (x): a;",
        b" g (x): a@host.dom.example;",
        [b"a@host.dom.example"],
    ),
    "group without name": (b": a;", b" : a@host.dom.example;", [b"a@host.dom.example"]),
    "group with empty": (b"g: <>;", b" g: <>;", [b""]),
    "group with route": (
        b"g: <@r:a@b>;",
        b" g: <a@b.dom.example>;",
        [b"a@b.dom.example"],
    ),
    "group after a word": (
        b"a b: c;",
        b" a b: c@host.dom.example;",
        [b"c@host.dom.example"],
    ),
    "group name with brackets": (
        b"<x> g: c;",
        b" <x>g: c@host.dom.example;",
        [b"c@host.dom.example"],
    ),
    "bracket open": (
        b"joe <a",
        b" joe <a@host.dom.example",
        [b"joe<a@host.dom.example"],
    ),
    "semicolon": (b"joe;", b" joe@host.dom.example;", [b"joe@host.dom.example"]),
    "bracket open and comma": (
        b"<a, b",
        b" <a@host.dom.example, b@host.dom.example",
        [b"b@host.dom.example", b"<a@host.dom.example"],
    ),
    "name and open bracket": (
        b"Joe <joe@mx",
        b" Joe <joe@mx.dom.example",
        [b"Joe<joe@mx.dom.example"],
    ),
    "semicolon alone": (b";", b" ;", []),
    "backslash at the end": (
        b"joe\\",
        b' "joe\\\n"@host.dom.example',
        [b"joe\n@host.dom.example"],
    ),
}

REFUSED = {
    "quote open": b'"joe',
    "comment open": b"joe (a",
    "comment open inside": b"joe (a (b)",
    "literal open": b"joe@[1",
    "parenthesis closed": b"joe )",
    "literal closed": b"joe ]",
    "bracket closed": b"joe>",
    "bracket closed late": b"a, joe@mx>",
    "colon": b"g: a",
    "group without end": b"g: a, b",
    "group in a group": b"g: h: a;;",
    "semicolons": b"g: a;;",
    "route without brackets": b"@a:b@c, g: x",
    "scheme": b"http://x",
    "escaped end of quote": b'"joe\\"',
    "route": b"@a:joe@mx",
    "route of two": b"@a,@b:joe@mx",
}


@pytest.fixture
def composer() -> Composer:
    rewriter = Rewriter(b"host", b"dom.example", b"plus.example")
    return Composer(Identity({b"USER": b"me"}), rewriter, b"id.example", 0, 1)


@pytest.mark.parametrize("name", list(REWRITTEN))
def test_list_is_rewritten_as_by_the_original(composer: Composer, name: str) -> None:
    given, expected, recipients = REWRITTEN[name]
    composer.field(b"To: " + given + b"\n")
    assert composer.finish().endswith(b"\nTo:" + expected + b"\n")
    assert [found.partition(b"\0")[0] for found in composer.header_recipients] == (
        recipients
    )


@pytest.mark.parametrize("name", list(REFUSED))
def test_list_that_the_original_refuses_is_refused(
    composer: Composer, name: str
) -> None:
    with pytest.raises(BadField):
        composer.field(b"To: " + REFUSED[name] + b"\n")
