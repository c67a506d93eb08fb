"""Where a request comes from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address, as its shortest text; "" where there is none, such as on a Unix socket.

    Behind a proxy that the operator trusts it is the last hop that proxy named; whatever stands before it in the
    header was written by the client. Without one, the header counts for nothing.
    """
    told = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_PROXY:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        told = hops[-1].strip() or told
    try:
        address = ip_address(told.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
