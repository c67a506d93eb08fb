"""A TCP proxy that makes a line bad on purpose: before PostgreSQL, the broker or LinkedIn. asyncio, nothing else.

    with FaultProxy(target) as proxy:      # target: ("127.0.0.1", 5432), or the path of a Unix socket
        proxy.latency(0.2, jitter=0.1)     # each piece comes so much later
        proxy.slice(1, pause=0.01)         # in pieces of so many bytes
        proxy.bandwidth(10_000)            # so many bytes a second
        proxy.hold()                       # takes bytes and passes none on
        proxy.limit(500)                   # passes so many bytes to the target, then resets
        proxy.reset()                      # resets what is connected now (RST, not FIN)
        proxy.down()                       # resets, and refuses who comes
        proxy.heal()

Faults hold for what is connected already, too. Random is only the jitter; its seed is printed.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

Target = tuple[str, int] | str
_PIECE: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: the close is a reset


@dataclass(frozen=True)
class Faults:
    """What is wrong with the line now."""

    latency: float = 0.0
    jitter: float = 0.0
    slice: int = 0
    pause: float = 0.0
    bandwidth: float = 0.0
    held: bool = False
    limit: int | None = None


class FaultProxy:
    """Use as a context. `port` is where it listens, on the loopback interface; `passed` counts connections."""

    def __init__(self, target: Target, seed: int = 0) -> None:
        self.target = target
        self.faults = Faults()
        self.passed = 0
        self._chance = random.Random(seed)
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.port = _free_port()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- faults

    def latency(self, seconds: float, jitter: float = 0.0) -> None:
        """Each piece comes later by `seconds`, and by up to `jitter` more."""
        self.faults = replace(self.faults, latency=seconds, jitter=jitter)

    def slice(self, size: int, pause: float = 0.0) -> None:
        """Pieces of `size` bytes, `pause` seconds apart."""
        self.faults = replace(self.faults, slice=size, pause=pause)

    def bandwidth(self, bytes_a_second: float) -> None:
        """No more than so much."""
        self.faults = replace(self.faults, bandwidth=bytes_a_second)

    def hold(self) -> None:
        """Take everything, pass nothing on, until `heal`."""
        self.faults = replace(self.faults, held=True)

    def limit(self, size: int) -> None:
        """Pass so many bytes of each new connection to the target, then reset it."""
        self.faults = replace(self.faults, limit=size)

    def reset(self) -> None:
        """Reset whatever is connected."""

        async def reset() -> None:
            for line in list(self._lines):
                _reset(line)

        self._do(reset)

    def down(self) -> None:
        """Reset whatever is connected and refuse who comes."""

        async def close() -> None:
            if self._server:
                self._server.close()
                self._server = None
            for line in list(self._lines):
                _reset(line)
            for task in list(self._tasks):
                task.cancel()

        self._do(close)

    def heal(self) -> None:
        """Nothing is wrong any more; listens again after `down`."""
        self.faults = Faults()
        if self._server is None:
            self._do(self._listen)

    # --- parts

    def _do(self, work: Callable[[], object]) -> None:
        """Run a coroutine of ours in the proxy's thread, to its end."""
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await self._open()
        except OSError:
            _reset(writer)
            return
        self.passed += 1
        self._lines |= {writer, there[1]}
        budget = [self.faults.limit]
        ways = [self._pump(reader, there[1], budget), self._pump(there[0], writer, [None])]
        tasks = [asyncio.ensure_future(way) for way in ways]
        self._tasks |= set(tasks)
        await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)
        self._tasks -= set(tasks)
        self._lines -= {writer, there[1]}
        for one in (writer, there[1]):
            one.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, budget: list[int | None]
    ) -> None:
        """One direction, until either side ends; the other side learns of it."""
        try:
            while piece := await source.read(_PIECE):
                while self.faults.held:
                    await asyncio.sleep(0.01)
                await self._late(len(piece))
                if budget[0] is not None:
                    piece = piece[: budget[0]]
                    budget[0] -= len(piece)
                await self._write(sink, piece)
                if budget[0] == 0:
                    # The bytes are there before the reset is.
                    await asyncio.sleep(0.05)
                    for line in list(self._lines):
                        _reset(line)
                    return
            if sink.can_write_eof():
                sink.write_eof()
        except (OSError, asyncio.CancelledError):
            _reset(sink)

    async def _late(self, size: int) -> None:
        faults = self.faults
        seconds = faults.latency + faults.jitter * self._chance.random()
        if faults.bandwidth:
            seconds += size / faults.bandwidth
        if seconds:
            await asyncio.sleep(seconds)

    async def _write(self, sink: asyncio.StreamWriter, piece: bytes) -> None:
        size = self.faults.slice or len(piece) or 1
        for start in range(0, len(piece), size):
            sink.write(piece[start : start + size])
            await sink.drain()
            if self.faults.pause:
                await asyncio.sleep(self.faults.pause)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX and connection.fileno() != -1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
