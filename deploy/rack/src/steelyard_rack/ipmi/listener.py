"""The UDP port of an IPMI BMC. All BMCs of the rack live on the one event loop: no thread of pyghmi's is started."""

import asyncio
from typing import Any

from .bmc import IpmiBmc


class DatagramSocket:
    """What pyghmi expects of a socket, on an asyncio transport."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None

    def setblocking(self, _flag: object) -> None:
        """A transport never blocks."""

    def sendto(self, packet: bytes, client: Any) -> None:
        """Send, unless the port was closed meanwhile."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(bytes(packet), client)


class IpmiListener(asyncio.DatagramProtocol):
    """One UDP port in front of one BMC; knows the faults that concern the wire."""

    def __init__(self, bmc: IpmiBmc, socket: DatagramSocket, address: str, port: int) -> None:
        self.bmc = bmc
        self._socket = socket
        self.address = address
        self.port = port

    async def open(self) -> None:
        """Listen. Port 0 is chosen at the first time and kept after that. Raises OSError."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, self.port))
        self.port = transport.get_extra_info("sockname")[1]
        self._socket.transport = transport

    def close(self) -> None:
        """Stop listening."""
        if self._socket.transport is not None:
            self._socket.transport.close()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """A packet came."""
        faults = self.bmc.faults
        if faults.dead:
            return
        if faults.latency_s:
            asyncio.get_running_loop().call_later(faults.latency_s, self.bmc.receive, data, addr)
        else:
            self.bmc.receive(data, addr)
