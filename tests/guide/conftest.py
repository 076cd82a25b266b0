"""One installed server serves all the tests of this directory; each restores it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guide.server import GuideServer, installed, now


@pytest.fixture(scope="session")
def installed_server() -> Iterator[GuideServer]:
    """The guide followed once, to its last step."""
    server = installed()
    yield server
    server.close()


@pytest.fixture
def server(installed_server: GuideServer) -> GuideServer:
    """The server with its services up and Maildir delivery, whatever ran before."""
    server = installed_server
    server.test_began = now()
    server.run("qmailctl start")
    server.wait_up()
    server.wait_port()
    if server.run("cat /var/qmail/control/defaultdelivery").stdout != "./Maildir/\n":
        server.default_delivery("./Maildir/")
    server.until(server.queue_is_empty, "an empty queue to begin with")
    server.run("rm -f /home/dave/Maildir/new/*")
    return server
