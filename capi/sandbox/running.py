"""A sandbox served from a thread of this process: for tests and for the demonstration."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from capi.sandbox.app import Sandbox
from capi.sandbox.control import SandboxControl
from capi.sandbox.server import SandboxServer


@dataclass(frozen=True)
class RunningSandbox:
    """Where a sandbox is served, its state and its control API. `url` takes the place of LINKEDIN_API_URL."""

    url: str
    origin: str
    state: Sandbox
    control: SandboxControl


@contextmanager
def running_sandbox(port: int = 0, control_key: str = "") -> Iterator[RunningSandbox]:
    """Serve a fresh sandbox until the block ends; port 0 takes a free one."""
    server = SandboxServer(Sandbox(control_key), port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    control = SandboxControl(server.origin, key=control_key)
    try:
        yield RunningSandbox(server.url, server.origin, server.sandbox, control)
    finally:
        server.stop()
        thread.join()
