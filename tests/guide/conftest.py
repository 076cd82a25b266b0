"""One installed server serves all the tests of this directory; each restores it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guide.server import SERVICES, GuideServer, installed, now

LIMIT_SECONDS = 600
"""Of a test, and of the installation before the first: minutes on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this directory their time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LIMIT_SECONDS))


@pytest.fixture(scope="session")
def installed_server() -> Iterator[GuideServer]:
    """The guide followed once, to its last step."""
    server = installed()
    yield server
    server.close()


@pytest.fixture
def server(installed_server: GuideServer) -> GuideServer:
    """The server with its services up and Maildir delivery, whatever ran before.

    What ran before is over, and so are its lines in the logs.
    """
    server = installed_server
    server.test_began = b""
    server.run("qmailctl start")
    server.wait_up(*SERVICES, "qmail-queued")
    server.wait_port()
    if server.run("cat /var/qmail/control/defaultdelivery").stdout != "./Maildir/\n":
        server.default_delivery("./Maildir/")
    server.until(server.queue_is_empty, "an empty queue to begin with")
    server.run("rm -f /home/dave/Maildir/new/*")
    server.until(
        lambda: server.has_written_logs() and not server.sessions(), "no session"
    )
    server.test_began = now()
    return server
