"""The resolver child: answers its relatives' queries, many at a time.

Contract     a connection carries one query (token, kind, name as netstrings) and gets
             one answer; whoever has no token, or says nothing, is hung up on.
Strangers    everybody on this machine can connect. Until one has shown the token, he
             counts against the limits of his uid and of all others together.
Ends         when the last process that holds the other end of ``watch`` is gone: the
             parent, and those of its forks that have not become another program yet.
"""

from __future__ import annotations

import asyncio  # noqa: TID253
import posix
import socket  # noqa: TID253
import struct
from _operator import _compare_digest

from pytools.base import runtime, signals
from pytools.base.netstring import Decoder, Malformed
from pytools.process import title
from pytools.process.dnsanswers import encode_answer
from pytools.process.dnsnames import Names, answer

REQUEST_SECONDS = 5
REQUEST_BYTES = 4096
AT_ONCE = 400
STRANGERS_OF_ONE = 50
"""Connections of one uid without the token yet; those who have it send it at once."""
STRANGERS = 200
"""Of all uids but this process's own, which a crowd of others is not to shut out."""
PAUSE_SECONDS = 0.1


class Service:
    """The names, the token, and how many may ask at once."""

    def __init__(self, token: bytes, names: Names) -> None:
        self._loop = asyncio.get_running_loop()
        self._token = token
        self._names = names
        self._room = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._own_uid = posix.geteuid()
        self._strangers: dict[int, int] = {}

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
            uid = peer_uid(connection)
            if not self._has_room_for(uid):
                connection.close()
                continue
            self._strangers[uid] = self._strangers.get(uid, 0) + 1
            task = asyncio.create_task(self._serve(connection, uid))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            # A request that is there already is read before the next is counted.
            await asyncio.sleep(0)

    def _has_room_for(self, uid: int) -> bool:
        if self._strangers.get(uid, 0) >= STRANGERS_OF_ONE:
            return False
        own = self._strangers.get(self._own_uid, 0)
        others = sum(self._strangers.values()) - own
        return uid == self._own_uid or others < STRANGERS

    def _known(self, uid: int) -> None:
        """A connection of this uid is no stranger's any more."""
        self._strangers[uid] -= 1
        if not self._strangers[uid]:
            del self._strangers[uid]

    async def _serve(self, connection: socket.socket, uid: int) -> None:
        """Answer one connection."""
        try:
            try:
                connection.setblocking(False)
                async with asyncio.timeout(REQUEST_SECONDS):
                    token, kind, name = await self._read_request(connection)
                if not _compare_digest(token, self._token):
                    return
            finally:
                self._known(uid)
            found = await self._look_up_for(connection, kind, name)
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._loop.sock_sendall(connection, found)
        except (OSError, EOFError, Malformed):
            pass
        finally:
            connection.close()

    async def _look_up_for(
        self, connection: socket.socket, kind: bytes, name: bytes
    ) -> bytes:
        """The encoded answer. EOFError when the client waits no longer.

        Who has what he needs hangs up; his query must not take up room until a dead
        server's time is over, or the queries of all others wait behind it.
        """
        looking = asyncio.create_task(self._look_up(kind, name))
        leaving = asyncio.create_task(self._loop.sock_recv(connection, 1))
        try:
            await asyncio.wait((looking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not looking.done():
                raise EOFError
            return looking.result()
        finally:
            looking.cancel()
            leaving.cancel()
            await asyncio.gather(looking, leaving, return_exceptions=True)

    async def _look_up(self, kind: bytes, name: bytes) -> bytes:
        async with self._room:
            return encode_answer(await answer(self._names, kind, name))

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


def peer_uid(connection: socket.socket) -> int:
    """Who has connected; -1 if the kernel does not say."""
    try:
        who = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return -1
    uid: int = struct.unpack("iii", who)[1]
    return uid


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
