"""The parameters behind the address of MAIL and RCPT.

Grammar      ``KEYWORD`` or ``KEYWORD=value``, separated by blanks (RFC 5321 4.1.2).
Known        SIZE (RFC 1870), BODY (RFC 6152); AUTH (RFC 4954 5), which says nothing to a
             server that knows no users, and which some clients send to everybody.
Others       555 (RFC 5321 4.1.1.11): who asks for SMTPUTF8 or a BINARYMIME body and is not
             told otherwise relies on it.
COMPAT       the original ignores all of them. So it still is after HELO, where a client
             cannot know what there is: only old programs send any there.
"""

from __future__ import annotations

from qmail.smtp import replies

_SIZE_DIGITS = 20
_BODIES = {b"7BIT", b"8BITMIME"}


def refusal_of_sender(parameters: bytes, max_size: int, *, is_extended: bool) -> bytes:
    """The reply to MAIL if its parameters do not let it in; else b"".

    ``max_size`` is in bytes; 0 is no limit. ``is_extended``: the client said EHLO.
    """
    unknown = False
    for word in parameters.split():
        keyword, _, value = word.upper().partition(b"=")
        if keyword == b"SIZE" and value.isdigit() and len(value) <= _SIZE_DIGITS:
            # COMPAT: the size is that on the wire, with CR LF at each line's end (RFC
            # 1870 3), databytes is that on disk: a message may be refused here that
            # would have fitted. The server has said the limit, and means this size.
            if 0 < max_size < int(value):
                return replies.TOO_BIG
        elif keyword == b"BODY":
            unknown |= value not in _BODIES
        elif keyword != b"AUTH":
            unknown = True
    return replies.BAD_PARAMETER if unknown and is_extended else b""


def refusal_of_recipient(parameters: bytes, *, is_extended: bool) -> bytes:
    """The reply to RCPT if it has parameters; else b""."""
    if is_extended and parameters.split():
        return replies.BAD_PARAMETER
    return b""
