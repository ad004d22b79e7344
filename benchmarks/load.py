"""Steady traffic while something happens: GET and POST, on fresh and on kept-alive connections.

Open loop: each request has its moment, whatever became of the one before, so a stall is seen as the wait that
visitors would have. Runs as a process of its own (`python -m benchmarks.load`), so that it does not wait for us.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field

KINDS = (("GET", False), ("GET", True), ("POST", False), ("POST", True))
REQUEST_TIMEOUT_S = 30.0


@dataclass
class Tally:
    """What became of the requests."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)


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
        return Tally(**json.loads(out))


async def generate(port: int, host: str, rate: int) -> Tally:
    """`rate` requests a second, the four kinds in turn, until a line comes on stdin."""
    tally = Tally()
    idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {1: [], 3: []}
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
    print("running", flush=True)
    tasks: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    while not stopped.is_set():
        due = began + tally.requests / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        kind = tally.requests % len(KINDS)
        tally.requests += 1
        task = asyncio.create_task(_ask(port, host, kind, idle.get(kind), tally, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return tally


async def _ask(
    port: int,
    host: str,
    kind: int,
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None,
    tally: Tally,
    due: float,
) -> None:
    method, keeps = KINDS[kind]
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
            body = b"x=1" if method == "POST" else b""
            head = f"{method} / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            head += "" if keeps else "Connection: close\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()
            status = await _read_answer(reader)
        if status != 200:
            tally.failures.append(f"{method} {'kept' if keeps else 'fresh'}: {status}")
        if keeps and idle is not None and status == 200:
            idle.append((reader, writer))
        else:
            writer.close()
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        tally.failures.append(f"{method} {'kept' if keeps else 'fresh'}: {type(error).__name__} {error}")
    tally.waits_s.append(time.monotonic() - due)


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
    print(json.dumps({"requests": tally.requests, "failures": tally.failures, "waits_s": tally.waits_s}))


if __name__ == "__main__":
    main()
