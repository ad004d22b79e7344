"""Steady traffic while something happens: GET and POST, on fresh and on kept-alive connections.

Open loop: each request has its moment, whatever became of the one before, so a stall is seen as the wait that
visitors would have. Runs as a process of its own (`python -m benchmarks.load`), so that it does not wait for us.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field

KINDS = (("GET", False), ("GET", True), ("POST", False), ("POST", True))
REQUEST_TIMEOUT_S = 30.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Asked:
    """One request. Times are of the monotonic clock, which all processes share."""

    due: float
    begun: float = 0.0
    """When the generator came to it: later than due only when it was itself kept waiting."""
    sent: float = 0.0
    """When it was written to its connection; 0 when it never got that far."""
    ended: float = 0.0
    failure: str = ""

    @property
    def wait_s(self) -> float:
        return self.ended - self.due


@dataclass
class Tally:
    """What became of the requests."""

    asked: list[Asked] = field(default_factory=list)
    closed: int = 0
    """Kept-alive connections that the other side closed between two requests, as it may."""

    @property
    def requests(self) -> int:
        return len(self.asked)

    @property
    def failures(self) -> list[str]:
        return [one.failure for one in self.asked if one.failure]

    @property
    def waits_s(self) -> list[float]:
        return [one.wait_s for one in self.asked]


class Traffic:
    """Traffic in another process, from `start` to `stop`."""

    def __init__(self, port: int, host: str, rate: int) -> None:
        self._argv = [sys.executable, "-m", "benchmarks.load", str(port), host, str(rate)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Traffic:
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "running\n"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> Tally:
        """End the traffic, wait for what is under way, and say what became of it."""
        assert self._process is not None
        out, _ = self._process.communicate("stop\n", timeout=REQUEST_TIMEOUT_S * 2)
        said = json.loads(out)
        return Tally([Asked(*values) for values in said["asked"]], said["closed"])


async def generate(port: int, host: str, rate: int) -> Tally:
    """`rate` requests a second, the four kinds in turn, until a line comes on stdin."""
    tally = Tally()
    idle: dict[int, list[Connection]] = {1: [], 3: []}
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
    print("running", flush=True)
    tasks: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    while not stopped.is_set():
        asked = Asked(began + tally.requests / rate)
        await asyncio.sleep(max(0.0, asked.due - time.monotonic()))
        kind = tally.requests % len(KINDS)
        tally.asked.append(asked)
        task = asyncio.create_task(_ask(port, host, kind, idle.get(kind), tally, asked))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return tally


async def _ask(port: int, host: str, kind: int, idle: list[Connection] | None, tally: Tally, asked: Asked) -> None:
    method, keeps = KINDS[kind]
    asked.begun = time.monotonic()
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            reader, writer = _take_open(idle, tally) or await asyncio.open_connection("127.0.0.1", port)
            body = b"x=1" if method == "POST" else b""
            head = f"{method} / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            head += "" if keeps else "Connection: close\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            asked.sent = time.monotonic()
            await writer.drain()
            status = await _read_answer(reader)
        if status != 200:
            asked.failure = f"{method} {'kept' if keeps else 'fresh'}: {status}"
        if keeps and idle is not None and status == 200:
            idle.append((reader, writer))
        else:
            writer.close()
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        asked.failure = f"{method} {'kept' if keeps else 'fresh'}: {type(error).__name__} {error}"
    asked.ended = time.monotonic()


def _take_open(idle: list[Connection] | None, tally: Tally) -> Connection | None:
    """A kept connection that is still open: every client looks before it sends."""
    while idle:
        reader, writer = idle.pop()
        if not (reader.at_eof() or reader.exception() or writer.is_closing()):
            return reader, writer
        tally.closed += 1
        writer.close()
    return None


async def _read_answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if "content-length" in fields:
        await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.read()
    return int(head[0].split()[1])


def main() -> None:
    port, host, rate = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    tally = asyncio.run(generate(port, host, rate))
    print(json.dumps({"asked": [dataclasses.astuple(asked) for asked in tally.asked], "closed": tally.closed}))


if __name__ == "__main__":
    main()
