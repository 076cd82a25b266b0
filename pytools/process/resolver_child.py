"""The resolver child: answers its relatives' queries, many at a time.

Contract     a connection carries one query (token, kind, name as netstrings) and gets
             one answer; whoever has no token, or says nothing, is hung up on.
Ends         when the last process that holds the other end of ``watch`` is gone: the
             parent, and those of its forks that have not become another program yet.
"""

from __future__ import annotations

import asyncio  # noqa: TID253
import socket  # noqa: TID253
from _operator import _compare_digest

from pytools.base import runtime, signals
from pytools.base.netstring import Decoder, Malformed
from pytools.process import title
from pytools.process.dnsnames import Names, answer_soon

REQUEST_SECONDS = 5
REQUEST_BYTES = 4096
AT_ONCE = 400
PAUSE_SECONDS = 0.1


class Service:
    """The names, the token, and how many may ask at once."""

    def __init__(self, token: bytes, names: Names) -> None:
        self._loop = asyncio.get_running_loop()
        self._token = token
        self._names = names
        self._room = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until cancelled.

        SECURITY: not asyncio's own server, which listens anew: then the kernel would
        name this process, not the parent, to a client that asks whose socket it is.
        """
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            task = asyncio.create_task(self._serve(connection))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _serve(self, connection: socket.socket) -> None:
        """Answer one connection."""
        try:
            connection.setblocking(False)
            async with asyncio.timeout(REQUEST_SECONDS):
                token, kind, name = await self._read_request(connection)
            if not _compare_digest(token, self._token):
                return
            async with self._room:
                answer = await answer_soon(self._names, kind, name)
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._loop.sock_sendall(connection, answer)
        except (OSError, EOFError, Malformed):
            pass
        finally:
            connection.close()

    async def _read_request(self, connection: socket.socket) -> list[bytes]:
        decoder = Decoder(REQUEST_BYTES)
        words: list[bytes] = []
        while len(words) < 3:
            chunk = await self._loop.sock_recv(connection, REQUEST_BYTES)
            if not chunk:
                raise EOFError
            decoder.receive(chunk)
            while len(words) < 3 and (word := decoder.next()) is not None:
                words.append(word)
        return words


def serve(
    listener: int, watch: int, token: bytes, servers: list[tuple[str, int]] | None
) -> int:
    """Serve the listening socket until ``watch`` says that nobody is left."""
    signals.ignore(signals.SIGPIPE)
    title.announce(b"resolver", [b"resolver", b"of", runtime.program], stays=False)

    async def run() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(watch, ended.set)
        service = Service(token, Names(servers))
        with socket.socket(fileno=listener) as listening:
            listening.setblocking(False)
            accepting = asyncio.create_task(service.accept(listening))
            await ended.wait()
            accepting.cancel()

    asyncio.run(run())
    return 0
