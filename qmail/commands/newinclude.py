"""newinclude: compile an :include: file into a mailing list, for fastforward.

Contract     newinclude(1): LIST into LIST.bin by way of LIST.tmp. 0; 100 for misuse; 111
             for anything else, and then the old list stays as it is.
"""

from __future__ import annotations

import posix

from pytools.base.environment import environ
from pytools.base.exits import Strerr
from qmail.forwarding.files import read_completion, read_source, store
from qmail.forwarding.lists import compile_include
from qmail.forwarding.source import Refused

ERRORS = Strerr(b"newinclude")


def main(argv: list[bytes]) -> int:
    posix.umask(0o033)
    completion = read_completion(ERRORS, environ)
    if len(argv) < 2:
        raise ERRORS.usage(b"newinclude list")
    path = argv[1]
    text = read_source(path, ERRORS)
    try:
        data = compile_include(text, completion)
    except Refused as refused:
        raise ERRORS.fatal(refused.reason, code=refused.code) from None
    store(path + b".bin", data, path + b".tmp", ERRORS)
    return 0
