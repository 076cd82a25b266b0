"""What ps shows, and accounts for warm parents."""

from __future__ import annotations

import os
import sys

import pytest

from pytools.process import accounts, title
from pytools.process.child import fork, in_child, wait_for


def shown() -> bytes:
    """comm and the command line of this process."""
    with (
        open("/proc/self/comm", "rb") as comm,
        open("/proc/self/cmdline", "rb") as line,
    ):
        return comm.read() + line.read().rstrip(b"\0")


def test_program_that_stays_shows_name_and_arguments() -> None:
    def work() -> bytes:
        title.announce(b"multilog", [b"/command/multilog", b"t", b"\xff\0"], stays=True)
        return shown()

    text = in_child(work)
    assert text == b"multilog\nmultilog t \xef\xbf\xbd "


def test_name_is_cut_as_the_kernel_cuts_it() -> None:
    def work() -> bytes:
        title.announce(b"a-name-longer-than-comm", [b""], stays=False)
        return shown().partition(b"\n")[0]

    assert in_child(work) == b"a-name-longer-t"


def test_short_program_loads_nothing_for_its_title() -> None:
    def work() -> bytes:
        sys.modules.pop(title._NAME, None)
        title.announce(b"svok", [b"svok"], stays=False)
        return shown().partition(b"\n")[0] + b" %d" % (title._NAME in sys.modules)

    assert in_child(work) == b"svok 0"


def test_title_loads_without_its_package_s_logging() -> None:
    def work() -> bytes:
        for name in [n for n in sys.modules if n.startswith(("setproctitle", "logg"))]:
            del sys.modules[name]
        title.load()
        title.load()
        return repr([title._NAME in sys.modules, "logging" in sys.modules]).encode()

    assert in_child(work) == b"[True, False]"


@pytest.mark.usefixtures("as_root")
def test_title_is_right_after_a_change_of_user_without_exec() -> None:
    def work() -> bytes:
        title.load()
        title.announce(b"parent", [b""], stays=True)
        os.setgid(65534)
        os.setuid(65534)
        title.announce(b"qmail-local", [b"", b"x"], stays=False)
        # The file belongs to root now, but its reader may be anybody.
        return shown()

    assert in_child(work) == b"qmail-local\nqmail-local x"


def test_title_without_proc_is_no_trouble() -> None:
    def body() -> int:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        sys.modules.pop(title._NAME, None)
        title.announce(b"svok", [b"svok"], stays=False)
        return 0

    assert wait_for(fork(body)) == 0


def test_accounts_are_looked_up_in_a_child() -> None:
    before = set(os.listdir("/proc/self/fd"))
    found = accounts.lookup([b"root", b"no such user", b"root"])
    assert found[b"no such user"] is None
    root = found[b"root"]
    assert root is not None
    assert (root.name, root.uid, root.gid) == (b"root", 0, 0)
    assert root.home.startswith(b"/")
    assert accounts.lookup([]) == {}
    assert set(os.listdir("/proc/self/fd")) == before
