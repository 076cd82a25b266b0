"""Who is sending, as the environment tells it (pure)."""

from __future__ import annotations

ANONYMOUS = b"anonymous"


def first_set(env: dict[bytes, bytes], *names: bytes) -> bytes | None:
    """The value of the first of these variables that is set, if only to nothing."""
    for name in names:
        value = env.get(name)
        if value is not None:
            return value
    return None


class Identity:
    """User and host of From and of the envelope, the full name, QMAILINJECT."""

    __slots__ = (
        "envelope_host",
        "envelope_user",
        "full_name",
        "host",
        "letters",
        "user",
    )

    def __init__(self, env: dict[bytes, bytes]) -> None:
        user = first_set(env, b"QMAILUSER", b"MAILUSER", b"USER", b"LOGNAME")
        self.user = ANONYMOUS if user is None else user
        self.host = first_set(env, b"QMAILHOST", b"MAILHOST")
        envelope_user = env.get(b"QMAILSUSER")
        self.envelope_user = self.user if envelope_user is None else envelope_user
        self.envelope_host = env.get(b"QMAILSHOST", self.host)
        self.full_name = first_set(env, b"QMAILNAME", b"MAILNAME", b"NAME")
        self.letters = frozenset(env.get(b"QMAILINJECT", b""))

    def wants(self, letter: bytes) -> bool:
        """True if QMAILINJECT has the letter."""
        return letter[0] in self.letters
