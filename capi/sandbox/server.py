"""The sandbox's HTTP server: threads, HTTP/1.1 keep-alive, and connections that can be spoilt on demand.

Our own small handler and not wsgiref's, because that closes after every request and hides the socket.
"""

import socket
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final

from capi.sandbox.app import WIRE_SLOT, Sandbox
from capi.sandbox.wire import Wire

HOST: Final = "127.0.0.1"
# Longer than any sender keeps an idle connection, so that it is the sender who hangs up.
KEEP_ALIVE_SECONDS: Final = 75


class SandboxServer(ThreadingMixIn, TCPServer):
    """Serves one sandbox on the loopback interface; port 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, sandbox: Sandbox, port: int = 0) -> None:
        self.sandbox = sandbox
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The base address, in the place of https://api.linkedin.com/rest."""
        return f"{self.origin}/rest"

    def stop(self) -> None:
        """End `serve_forever` and hang up on everyone, at once: no thread outlives its wait."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            _hang_up(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Senders that hang up are what this server is for; anything else is our mistake and is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve(
    port: int, control_key: str = "", announce: Callable[["SandboxServer"], None] | None = None
) -> None:
    """Serve a fresh sandbox until the calling thread is interrupted; `announce` is called once it listens.

    Raises OSError if the port cannot be had.
    """
    server = SandboxServer(Sandbox(control_key), port)
    try:
        if announce is not None:
            announce(server)
        server.serve_forever()
    finally:
        server.closing.set()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection. Reads a request, asks the WSGI application, and writes or spoils its answer."""

    server: SandboxServer
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Quiet: the control API tells what was received."""

    def _serve(self) -> None:
        spoilt: list[Wire] = []
        head: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head.append(_head(status, headers))
            if ("Connection", "close") in headers:
                self.close_connection = True

        chunks = self.server.sandbox(self._environ(spoilt), start_response)
        body = b"".join(chunks)
        if spoilt:
            self._spoil(spoilt[0], head[0], body)
        else:
            self.wfile.write(head[0] + (b"" if self.command == "HEAD" else body))

    def _environ(self, spoilt: list[Wire]) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": self.headers.get("content-length", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self.rfile,
            "wsgi.errors": BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            WIRE_SLOT: spoilt,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def _spoil(self, wire: Wire, head: bytes, body: bytes) -> None:
        if wire.kind == "slow":
            self._wait(wire.seconds)
            self.wfile.write(head + body)
            return
        self.close_connection = True
        match wire.kind:
            case "hold":
                self._wait(wire.seconds)
            case "reset":
                self._reset()
            case "raw":
                self.wfile.write(body)
            case "drip":
                self._drip(head + body, wire.seconds)
            case "stall":
                self.wfile.write(head)
                self._wait(wire.seconds)
            case "cut":
                self.wfile.write(head + body[: len(body) // 2])

    def _drip(self, answer: bytes, seconds: float) -> None:
        for byte in answer:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(seconds):
                return

    def _wait(self, seconds: float) -> None:
        self.server.closing.wait(seconds)

    def _reset(self) -> None:
        """Close with an RST instead of a FIN: lingering for 0 seconds drops the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _head(status: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was quicker
