"""A web process for tests: HTTP on the inherited socket (or --port N), one thread a request, drains on SIGTERM.

It does not drain its accept queue, as gunicorn does not. GET /slow takes --slow seconds; /env answers the
environment; /unread answers without having read the body.
"""

import contextlib
import http.server
import json
import os
import signal
import socket
import sys
import threading
import time

WORD = sys.argv[1]
PORT = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else None
SLOW_S = 1.0
running = threading.Semaphore(0)
active = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        active.append(1)
        try:
            if self.path == "/unread":
                return self.answer_unread()
            body = self.read_body()
            if self.path == "/slow":
                time.sleep(SLOW_S)
            if self.path == "/stream":
                return self.stream()
            if self.path == "/upgrade":
                return self.upgrade()
            answer = self.answer(body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        finally:
            active.pop()

    do_POST = do_GET

    def read_body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, body):
        if self.path == "/env":
            return json.dumps({"env": dict(os.environ), "uid": os.getuid(), "cwd": os.getcwd()}).encode()
        if self.path == "/headers":
            return json.dumps({key.lower(): value for key, value in self.headers.items()}).encode()
        if self.path == "/print":
            print("a line", flush=True)
        if self.path == "/die":
            os._exit(3)
        return WORD.encode() + (b":" + body if body else b"")

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.wfile.flush()
        gate = os.path.join(os.environ["GATE"], "open")
        while not os.path.exists(gate):
            time.sleep(0.01)
        self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

    def answer_unread(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"6\r\nunread\r\n0\r\n\r\n")
        self.close_connection = True

    def upgrade(self):
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.end_headers()
        while data := self.connection.recv(65536):
            self.connection.sendall(data.upper())
        self.close_connection = True

    def log_message(self, *words):
        pass


def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def handle(connection):
    try:
        with contextlib.suppress(OSError):
            Handler(connection, ("", 0), None)
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def drain(*_):
    def end():
        while active:
            time.sleep(0.005)
        time.sleep(0.02)
        os._exit(0)

    listening.close()
    threading.Thread(target=end).start()


if "--abrupt" not in sys.argv:  # else SIGTERM ends it at once, whoever is inside
    signal.signal(signal.SIGTERM, drain)
if PORT:
    listening = socket.create_server(("127.0.0.1", PORT))
else:
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    listening = socket.socket(fileno=3)
threading.Thread(target=serve, args=(listening,), daemon=True).start()
while True:
    signal.pause()
