"""The image's health check, run as a script: does the web server in this container answer?

Imports next to nothing, as it runs every few seconds.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit


def main() -> int:
    """0 for healthy, 1 for not, as Docker reads it."""
    # The name that people use is always among the allowed ones; the loopback address may not be.
    host = urlsplit(os.environ.get("PUBLIC_URL", "")).netloc or "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=4)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
