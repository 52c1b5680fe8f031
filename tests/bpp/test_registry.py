"""Is a counterpart's key what the registry says now, and never what it says of somebody else?"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bpp import registry
from bpp.models import Subscriber
from bpp.registry import KeyRow, RegistryUnavailable, UnknownKey, UnknownSubscriber
from tests.bpp.network import BUYER, Network

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def listed(network: Network) -> None:
    network.join(BUYER, valid_from="2026-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def find(seconds: float = 0, **options: Any) -> KeyRow:
    return registry.resolve(BUYER, "k1", now=after(seconds), **options)


def set_back(network: Network) -> None:
    """Another process, or the same one after a rest: only the table is left, and the registry may be asked again."""
    registry.forget_all()


def test_resolve_reads_the_row(network: Network) -> None:
    row = find()
    assert (row.type, row.domain, row.status, row.url) == (
        "BAP",
        "ev-charging:uei",
        "SUBSCRIBED",
        f"https://{BUYER}/beckn",
    )
    assert len(row.public_key) == 32
    assert (row.fetched_at, row.stale) == (NOW, False)
    assert Subscriber.objects.get().signing_public_key == base64.b64encode(row.public_key).decode()


def test_fresh_row_is_not_asked_for_again(network: Network) -> None:
    find()
    find(300)
    assert network.asked == 1
    set_back(network)
    find(300)
    assert network.asked == 1
    find(301)
    assert network.asked == 2


def test_revoked_key_is_refused_within_five_minutes(network: Network) -> None:
    find()
    network.registry.set_status(BUYER, "UNSUBSCRIBED")
    assert find(300).standing(after(300)) is None
    fault = find(301).standing(after(301))
    assert fault is not None
    assert fault[0] == "NOT_SUBSCRIBED"


def test_row_in_bad_standing_is_asked_for_again_soon(network: Network) -> None:
    network.registry.set_status(BUYER, "UNDER_SUBSCRIPTION")
    find()
    network.registry.set_status(BUYER, "SUBSCRIBED")
    assert find(30).status == "UNDER_SUBSCRIPTION"
    assert find(31).status == "SUBSCRIBED"


def test_stale_row_serves_while_the_registry_is_away_to_fifteen_minutes(network: Network) -> None:
    find()
    network.registry.faults.fail_next = 100
    row = find(900)
    assert (row.stale, row.fetched_at) == (True, NOW)
    with pytest.raises(RegistryUnavailable):
        find(901)


def test_registry_that_is_away_is_not_asked_for_every_message(network: Network) -> None:
    network.registry.faults.fail_next = 100
    for number in range(20):
        with pytest.raises(RegistryUnavailable):
            registry.resolve(f"b{number}.example.org", "k1", now=NOW)
    assert network.asked == 1


def test_slow_registry_is_given_two_seconds(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LOOK_UP_S", 0.2)
    network.registry.faults.delay_s = 1.0
    with pytest.raises(RegistryUnavailable):
        find()


def test_force_asks_at_most_once_in_thirty_seconds(network: Network) -> None:
    find()
    for _ in range(10):
        find(1, force=True)
    assert network.asked == 2


def test_answer_about_another_subscriber_is_not_used(network: Network) -> None:
    network.join("other.example.org")
    network.registry.faults.wrong_next = 2
    with pytest.raises(UnknownSubscriber) as caught:
        find()
    assert not isinstance(caught.value, UnknownKey)
    assert not Subscriber.objects.exists()


def test_unknown_key_of_a_known_subscriber(network: Network) -> None:
    with pytest.raises(UnknownKey):
        registry.resolve(BUYER, "k9", now=NOW)


def test_refusal_is_remembered_for_a_while(network: Network) -> None:
    for _ in range(5):
        with pytest.raises(UnknownSubscriber):
            registry.resolve("nobody.example.org", "k1", now=NOW)
    assert network.asked == 2


def test_key_that_vanished_is_taken_out_of_the_table(network: Network) -> None:
    find()
    network.registry.rows.clear()
    with pytest.raises(UnknownSubscriber):
        find(301)
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("changes", [{"signing_public_key": "AAAA"}, {"valid_until": "soon"}])
def test_unusable_row_is_no_row(network: Network, changes: dict[str, str]) -> None:
    network.join(BUYER, **changes)
    with pytest.raises(UnknownSubscriber):
        find()


def test_der_key_is_understood(network: Network) -> None:
    raw = base64.b64decode(network.registry.rows[-1].signing_public_key)
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + raw).decode()
    network.registry.rows[-1].signing_public_key = der
    assert find().public_key == raw


def test_callback_url_needs_no_registry_for_a_day(network: Network) -> None:
    find()
    network.registry.faults.fail_next = 100
    assert registry.callback_url(BUYER, now=after(86_000)) == f"https://{BUYER}/beckn"
    assert network.asked == 1
    assert registry.callback_url(BUYER, now=after(90_000)) == f"https://{BUYER}/beckn"


def test_callback_url_of_a_stranger_is_asked_for(network: Network) -> None:
    assert registry.callback_url(BUYER, now=NOW) == f"https://{BUYER}/beckn"
    with pytest.raises(UnknownSubscriber):
        registry.callback_url("nobody.example.org", now=NOW)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        (f"https://{BUYER}/beckn/on_select", True),
        (f"https://{BUYER}/elsewhere", True),
        (f"http://{BUYER}/beckn", False),
        (f"https://{BUYER}:8443/beckn", False),
        (f"https://{BUYER}.evil.example/beckn", False),
        (f"https://{BUYER}@evil.example/", False),
        ("https://127.0.0.1/", False),
    ],
)
def test_permits_only_the_registered_scheme_and_host(url: str, *, allowed: bool) -> None:
    assert registry.permits(BUYER, url, now=NOW) is allowed


def test_permits_nothing_for_one_who_left(network: Network) -> None:
    find()
    network.registry.set_status(BUYER, "UNSUBSCRIBED")
    assert registry.permits(BUYER, f"https://{BUYER}/beckn", now=after(301)) is False


def test_forget_asks_again(network: Network) -> None:
    find()
    registry.forget(BUYER)
    find()
    assert network.asked == 2


def test_look_up_is_signed_by_us(network: Network, settings: Any) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = base64.b64encode(bytes(range(32))).decode()
    headers = registry._signed(b"{}", NOW)
    assert headers["Authorization"].startswith('Signature keyId="bpp.example.org|')


def test_without_a_registry_nobody_is_known(network: Network, settings: Any) -> None:
    settings.BECKN_REGISTRY_URL = ""
    with pytest.raises(RegistryUnavailable, match="BECKN_REGISTRY_URL"):
        find()
