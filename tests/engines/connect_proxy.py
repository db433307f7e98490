"""An HTTP proxy on loopback that tunnels TLS, as companies have them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """Where it is, whom it let through to where (`tunnels`), and the login that it wants ('': none)."""

    login: str
    port: int = 0
    tunnels: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        _, place, _ = head.split(" ", 2)
        wanted = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        self.tunnels.append(place)
        host, _, port = place.rpartition(":")
        to_server = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(reader, to_server[1]))
            group.create_task(_carry(to_server[0], writer))


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
async def proxying(login: str = "") -> AsyncGenerator[ConnectProxy]:
    """A proxy within the block."""
    proxy = ConnectProxy(login)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
