"""A network that fails: a TCP proxy on loopback that resets, stalls, trickles, and cuts off."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Self

PIECE_BYTES = 16_384
FOR_EVER = 1 << 60


class End(Enum):
    """How a connection ends, or goes on, once it has carried so many bytes."""

    NONE = "it goes on"
    RESET = "both sides get a reset"
    CLOSE = "both sides see an orderly end"
    STALL = "it stays open, and nothing comes through any more"
    TRICKLE = "a byte at a time comes through"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a connection: `end` after so many bytes to the server, or from it."""

    end: End = End.NONE
    up_bytes: int = FOR_EVER
    down_bytes: int = FOR_EVER


PASS = Fate()
TRICKLE_S = 0.1


class TcpProxy:
    """Stands before `port` of this machine while the block lasts.

    `fate` decides on each connection by its number, from 1. With `tls` it speaks that to clients.
    """

    host = "127.0.0.1"

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.fate: Callable[[int], Fate] = lambda _: PASS
        self.connections = 0
        self.ended: list[End] = []
        self.port = 0
        self.upstream = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._hearing = asyncio.Event()
        self._hearing.set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        self.reset()
        await asyncio.gather(*(c.done.wait() for c in self._open))

    async def open(self) -> None:
        """Take connections (again, on the same port)."""
        self._server = await asyncio.start_server(self._take, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse new connections; those that are there stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Reset all connections."""
        for connection in tuple(self._open):
            connection.finish(End.RESET)

    def fall_deaf(self) -> None:
        """Be a black hole, for what is connected and for what comes."""
        self._hearing.clear()

    def hear_again(self) -> None:
        """Carry what comes from now on, and what was kept."""
        self._hearing.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = _Connection(self.fate(self.connections), self._hearing, self.ended)
        self._open.add(connection)
        try:
            await connection.carry(reader, writer, self.upstream)
        finally:
            self._open.discard(connection)
            connection.done.set()


class _Connection:
    def __init__(self, fate: Fate, hearing: asyncio.Event, ended: list[End]) -> None:
        self.done = asyncio.Event()
        self._fate = fate
        self._hearing = hearing
        self._ended = ended
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        self._writers = [writer]
        try:
            there, theirs = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.finish(End.RESET)
            return
        self._writers.append(theirs)
        self._pumps = [
            asyncio.create_task(self._pump(reader, theirs, self._fate.up_bytes)),
            asyncio.create_task(self._pump(there, writer, self._fate.down_bytes)),
        ]
        await asyncio.wait(self._pumps)
        for one in self._writers:
            one.close()

    def finish(self, end: End) -> None:
        for pump in self._pumps:
            pump.cancel()
        for writer in self._writers:
            if end is End.RESET:
                with suppress(OSError):
                    link: socket.socket = writer.get_extra_info("socket")
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int
    ) -> None:
        left = most
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                await self._hearing.wait()
                now, later = piece[:left], piece[left:]
                writer.write(now)
                await writer.drain()
                left -= len(now)
                if left == 0:
                    await self._meet_fate(writer, later)
                    return
            with suppress(OSError):
                if writer.can_write_eof():  # TLS can't
                    writer.write_eof()

    async def _meet_fate(self, writer: asyncio.StreamWriter, later: bytes) -> None:
        end = self._fate.end
        self._ended.append(end)
        if end is End.TRICKLE:
            for byte in later:
                writer.write(bytes([byte]))
                await asyncio.sleep(TRICKLE_S)
        if end in {End.STALL, End.TRICKLE}:
            await asyncio.Event().wait()
        self.finish(end)
