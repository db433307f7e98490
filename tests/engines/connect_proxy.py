"""An HTTP proxy on loopback that tunnels TLS, as companies have them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """Where it is, whom it let through to where (`tunnels`), and the login that it wants ('': none).

    Where `ports` has an entry for a place such as example.com:443, tunnels end at that port on
    loopback; where it has any, other places are refused.
    """

    login: str
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    port: int = 0
    tunnels: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        _, place, _ = head.split(" ", 2)
        wanted = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and wanted not in head:
            await _refuse(writer, "407 Proxy Authentication Required")
            return
        if self.ports and place not in self.ports:
            await _refuse(writer, "403 Forbidden")
            return
        self.tunnels.append(place)
        host, _, port = place.rpartition(":")
        if place in self.ports:
            host, port = "127.0.0.1", self.ports[place]
        to_server = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await join((reader, writer), to_server)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def join(one: Ends, other: Ends) -> None:
    """Carry what comes from each of two connections to the other, until both have ended."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_carry(one[0], other[1]))
        group.create_task(_carry(other[0], one[1]))


async def _refuse(writer: asyncio.StreamWriter, why: str) -> None:
    writer.write(f"HTTP/1.1 {why}\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying(
    login: str = "", ports: Mapping[str, int] | None = None
) -> AsyncGenerator[ConnectProxy]:
    """A proxy within the block."""
    proxy = ConnectProxy(login, ports or {})
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
