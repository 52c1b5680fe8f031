"""May we open a connection to this address?

A counterpart names the URLs we call. So the URL's grammar is narrow, a name is resolved once, every address it gives is
checked, and the socket goes to a checked address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as ResolveTimeout
from typing import Any, Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressInfo = tuple[int, int, int, str, Any]

_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*"
    r"[A-Za-z0-9])?)*)(?::([0-9]{1,5}))?(?:/[!-~]*)?",
    re.ASCII,
)
_LONGEST_URL = 2048
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)", re.ASCII)
# Ports of services that could mistake an HTTP request for a command of their own.
_NOT_WEB: Final = frozenset({1433, 1883, 2049, 2375, 2379, 3306, 4369, 5432, 5672, 6379, 6380, 9200, 11211, 27017})
# is_global holds for these, yet they lead elsewhere: IPv4 inside IPv6, and the 6to4 relay.
_TRANSLATED: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "192.88.99.0/24")
)
_RESOLVER = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")


class AddressRefused(Exception):
    """A URL or address we do not call; the text says why."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Egress:
    """The rule of where connections may go; `allow_private` also lets them go to loopback and private networks."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private

    def check_url(self, url: str) -> None:
        """Nothing where the URL is plain http(s) with a host we could call. Raises AddressRefused."""
        match = _URL.fullmatch(url) if len(url) <= _LONGEST_URL else None
        if match is None:
            raise AddressRefused(f"'{ascii(url[:80])[1:-1]}' is not a plain http(s) URL (no user, no fragment, ASCII)")
        scheme, host, port = match.groups()
        if scheme == "http" and not self.allow_private:
            raise AddressRefused(f"{url[:80]} is not https; plain http is for development only")
        if port is not None and not self._allows_port(int(port)):
            raise AddressRefused(f"port {port} of {url[:80]} is not a web server's")
        if host.startswith("[") or _ENDS_IN_NUMBER.fullmatch(host):
            try:
                address = str(ipaddress.ip_address(host.strip("[]")))
            except ValueError as err:
                raise AddressRefused(f"the host '{host}' looks like an address but is not written as one") from err
            self.check_address(host, address)

    def check_address(self, host: str, address: str) -> None:
        """Nothing where a socket to `address`, found for `host`, may open. Raises AddressRefused."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None)
        if not self._allows(mapped or ip):
            raise AddressRefused(f"{host} leads to {address}, which is not a public address")

    def resolve(self, host: str, port: int, *, wait_s: float) -> list[AddressInfo]:
        """The addresses of `host`, all of them checked. Raises AddressRefused; OSError where there are none."""
        asked = _RESOLVER.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = asked.result(wait_s)
        except ResolveTimeout as err:
            asked.cancel()
            raise TimeoutError(f"the name {host} did not resolve within {wait_s} s") from err
        for info in found:
            self.check_address(host, str(info[4][0]))
        return [(int(family), int(kind), proto, name, place) for family, kind, proto, name, place in found]

    def connect(self, host: str, port: int, *, wait_s: float) -> socket.socket:
        """A connected socket to one of the checked addresses of `host`. Raises AddressRefused, OSError."""
        fault: OSError = OSError(f"the name {host} has no address")
        for family, kind, proto, _, place in self.resolve(host, port, wait_s=wait_s)[:3]:
            sock = socket.socket(family, kind, proto)
            try:
                sock.settimeout(wait_s)
                sock.connect(place)
            except OSError as err:
                sock.close()
                fault = err
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        raise fault

    def _allows(self, ip: IPAddress) -> bool:
        if ip.is_multicast or ip.is_link_local or ip.is_unspecified or (ip.version == 4 and ip.is_reserved):
            return False
        if self.allow_private and (ip.is_loopback or ip.is_private):
            return True
        if any(ip.version == network.version and ip in network for network in _TRANSLATED):
            return False
        return ip.is_global and not ip.is_reserved and not getattr(ip, "is_site_local", False)

    def _allows_port(self, port: int) -> bool:
        if not 0 < port < 65536:
            return False
        return self.allow_private or port in {80, 443} or (port >= 1024 and port not in _NOT_WEB)
