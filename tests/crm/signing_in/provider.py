"""A service that people sign in with, on a port of this machine: OpenID Connect's pages, and whatever it should say."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT = "client-of-leadmachine"
SECRET = "secret-of-leadmachine"
SIGNING = "not looked at, as the token comes straight from the service"


class FakeService:
    """What it says can be changed: `profile`, `token_claims`, `answers` (by path, instead of what would be right)."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.profile: Any = {
            "sub": "person-1",
            "email": "alice@acme.test",
            "email_verified": True,
            "name": "Al",
        }
        self.token_claims: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def answer(self, path: str, sent: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((path, sent))
        if path in self.answers:
            return self.answers[path]
        said: Any = {
            "/.well-known/openid-configuration": {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "userinfo_endpoint": f"{self.origin}/profile",
                "jwks_uri": f"{self.origin}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
            "/token": {"access_token": "CANARY-access", "id_token": self._id_token()},
            "/profile": self.profile,
        }
        return (200, json.dumps(said[path]).encode()) if path in said else (404, b"")

    def _id_token(self) -> str:
        person = self.profile if isinstance(self.profile, dict) else {}
        claims = {
            "iss": self.origin,
            "aud": CLIENT,
            "exp": int(time.time()) + 300,
            **person,
            **self.token_claims,
        }
        return jwt.encode(claims, SIGNING, algorithm="HS256")


@contextmanager
def running_service() -> Iterator[FakeService]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            sent = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/authorize":  # a browser, and somebody who says yes at once
                back = urlencode({"code": "code-1", "state": sent["state"]})
                self.send_response(302)
                self.send_header("Location", f"{sent['redirect_uri']}?{back}")
                self.end_headers()
                return
            self._say(*service.answer(url.path, sent))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say(
                *service.answer(self.path, {name: values[0] for name, values in parse_qs(body).items()})
            )

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing: what was asked is in `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = FakeService(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
