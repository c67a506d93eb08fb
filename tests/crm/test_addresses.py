"""Where a request comes from, with and without a proxy the operator trusts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from crm.addresses import client_address


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_the_address_is_the_peers(remote: str, shown: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert client_address(request) == shown


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("198.51.100.1", "198.51.100.1"),
        # The client wrote the first hop; the proxy wrote the last.
        ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("6.6.6.6,2001:db8::9", "2001:db8::9"),
        ("nonsense", ""),
        ("", "127.0.0.1"),
    ],
)
def test_behind_a_trusted_proxy_it_is_the_last_hop(settings: Any, header: str, shown: str) -> None:
    settings.TRUST_PROXY = True
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=header)
    assert client_address(request) == shown
