"""A WebSocket client of the few lines that a test needs. Source: RFC 6455."""

from __future__ import annotations

import base64
import hashlib
import os
import socket

TEXT, CLOSE, PING = 1, 8, 9
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocket:
    """One connection through the router. Raises AssertionError when the handshake is not answered by the book."""

    def __init__(self, port: int, host: str, path: str = "/ws") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n\r\n".encode())
        head = [self._file.readline().decode().strip().lower()]
        while head[-1]:
            head.append(self._file.readline().decode().strip().lower())
        accept = base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode()).digest()).decode()
        assert head[0].startswith("http/1.1 101 "), head
        assert f"sec-websocket-accept: {accept}".lower() in head, head

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def echo(self, text: str) -> str:
        """Send `text`; what comes back."""
        mask, data = os.urandom(4), text.encode()
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | TEXT, 0x80 | len(data)]) + mask + masked)
        kind, answer = self.read()
        assert kind == TEXT, (kind, answer)
        return answer.decode()

    def read(self) -> tuple[int | None, bytes]:
        """The next frame but for pings: (kind, data); (None, b"") when the connection has ended."""
        while True:
            head = self._file.read(2)
            if len(head) < 2:
                return None, b""
            data = self._file.read(head[1] & 127)
            if head[0] & 15 != PING:
                return head[0] & 15, data
