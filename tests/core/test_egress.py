"""Is every address a counterpart could trick us into refused?"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from core.egress import AddressRefused, Egress

PUBLIC = Egress(allow_private=False)
DEVELOPMENT = Egress(allow_private=True)
NEVER_URLS = [
    "",
    "example.org",
    "//example.org/",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "javascript:alert(1)",
    "https://user@127.0.0.1/",
    "https://user:secret@example.org/",
    "https://example.org#@127.0.0.1/",
    "https://example.org/#fragment"[:20] + "\t",
    "https://example.org:80\t@x/",
    "https://exa mple.org/",
    "https://example.org/\r\nHost: x",
    "https://example.org\\@127.0.0.1/",
    "https://exämple.org/",
    "https://ex\u0430mple.org/",
    "https://example.org./",
    "https://-example.org/",
    "https://.example.org/",
    "https:///path",
    "https://example.org:0/",
    "https://example.org:65536/",
    "https://example.org:443:443/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://" + "a" * 3000 + ".org/",
]
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "::1", "fd00::1"),
]
NEVER = [
    *("0.0.0.0", "169.254.169.254", "169.254.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"),
    *("::", "fe80::1", "ff02::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0"),
]
NOT_PUBLIC = [
    *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1"),
    *("2001:0:7f00:1::", "::7f00:1", "fec0::1", "2001:db8::1", "100::1", "192.88.99.1"),
]


@pytest.mark.parametrize("url", NEVER_URLS)
def test_check_url_refuses_always(url: str) -> None:
    for egress in (PUBLIC, DEVELOPMENT):
        with pytest.raises(AddressRefused):
            egress.check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.org", "https://example.org:8443/a/b?c=d&e=%20", "https://[2606:4700::1]/"]
)
def test_check_url_takes_a_plain_https_url(url: str) -> None:
    PUBLIC.check_url(url)


@pytest.mark.parametrize(
    "url", ["http://example.org/", "https://127.0.0.1/", "https://[::1]/", "https://a.org:22/", "https://a.org:5432/"]
)
def test_check_url_takes_these_in_development_only(url: str) -> None:
    DEVELOPMENT.check_url(url)
    with pytest.raises(AddressRefused):
        PUBLIC.check_url(url)


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *NOT_PUBLIC])
def test_check_address_refuses_what_is_not_public(address: str) -> None:
    with pytest.raises(AddressRefused):
        PUBLIC.check_address("x", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_check_address_takes_public_ones(address: str) -> None:
    PUBLIC.check_address("x", address)


def test_development_reaches_private_networks_but_no_metadata_service() -> None:
    for address in PRIVATE:
        DEVELOPMENT.check_address("x", address)
    for address in NEVER:
        with pytest.raises(AddressRefused):
            DEVELOPMENT.check_address("x", address)


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0"])
def test_resolve_refuses_names_of_this_machine(name: str) -> None:
    with pytest.raises((AddressRefused, OSError)):
        PUBLIC.resolve(name, 443, wait_s=2)


def test_resolve_refuses_a_name_with_one_bad_address_among_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(AddressRefused):
        PUBLIC.resolve("mixed.example.org", 443, wait_s=2)
