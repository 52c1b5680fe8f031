"""Does the driver say what the supplier did, and never do a thing twice?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from core.errors import DriverError
from fulfillment.drivers import Options, driver_for
from fulfillment.drivers.base import Light
from fulfillment.drivers.power_supplier import PowerSupplier
from fulfillment.drivers.supplier_json import ack_of, problem_text, read_object
from tests.fulfillment.supplier import TOKEN, FakeSupplier, running_supplier


@pytest.fixture
def fake() -> Iterator[FakeSupplier]:
    with running_supplier() as supplier:
        yield supplier


@pytest.fixture
def driver(fake: FakeSupplier) -> PowerSupplier:
    return PowerSupplier(fake.url, TOKEN, timeout_s=1.0)


def start(driver: PowerSupplier, card: str = "card-1") -> str:
    ack = driver.acquire("ST-1", card, slot_number=2, key=f"{card}-a", repeated=False)
    driver.lock("ST-1", ack.slot_number or 0, session_id=ack.session_id, key=f"{card}-l", repeated=False)
    driver.start(ack.session_id, key=f"{card}-s", repeated=False)
    return ack.session_id


def test_whole_session_by_the_supplier_api(fake: FakeSupplier, driver: PowerSupplier) -> None:
    session = start(driver)
    fake.after(60)
    ack = driver.stop(session, key="e", repeated=False)
    assert (ack.slot_number, ack.over, ack.energy_wh) == (2, True, 500)
    assert ack.meter_wh == (ack.meter_start_wh or 0) + 500
    assert driver.settle(session, key="p", repeated=False).reference.startswith("pay-")
    driver.unlock("ST-1", 2, session_id=session, key="u", repeated=False)
    driver.signal("ST-1", 2, Light("flicker", "white", 3000), key="led")
    driver.signal("ST-1", None, Light("on", "red"), key="main")
    assert driver.support("ST-1", "broken", key="t") == "T-1"
    assert driver.find("ST-1", "card-1") is None
    assert [led["led"] for led in fake.rules.leds] == ["2", "main"]
    assert all(call["key"] for call in fake.api.calls if call["method"] != "GET")


def test_acquire_that_was_cut_is_found_by_the_card_and_not_repeated(fake: FakeSupplier, driver: PowerSupplier) -> None:
    fake.fail_next("acquire", reset="after-commit")
    ack = driver.acquire("ST-1", "card-1", slot_number=None, key="a", repeated=False)
    assert ack.session_id == fake.session.id
    assert len(fake.calls("acquire")) == 1


def test_server_error_is_an_unknown_outcome(fake: FakeSupplier, driver: PowerSupplier) -> None:
    fake.fail_next("acquire", status=502)
    with pytest.raises(DriverError) as failed:
        driver.acquire("ST-1", "card-1", slot_number=None, key="a", repeated=False)
    assert (failed.value.unknown, failed.value.permanent, failed.value.status) == (True, False, 502)


def test_slow_answer_is_an_unknown_outcome_resolved_by_asking(fake: FakeSupplier) -> None:
    hasty = PowerSupplier(fake.url, TOKEN, timeout_s=0.3)
    session = start(PowerSupplier(fake.url, TOKEN))
    fake.fail_next("end", latency_s=0.6)
    with pytest.raises(DriverError) as failed:
        hasty.stop(session, key="e", repeated=False)
    assert failed.value.unknown
    assert hasty.stop(session, key="e", repeated=True).over


def test_full_station_is_temporary_and_a_blocked_card_permanent(fake: FakeSupplier, driver: PowerSupplier) -> None:
    fake.rules.acquire("ST-1", "other-1")
    fake.rules.acquire("ST-1", "other-2")
    with pytest.raises(DriverError, match="No charging slots available") as full:
        driver.acquire("ST-1", "card-1", slot_number=1, key="a", repeated=False)
    assert not full.value.permanent
    fake.rules.blocked_cards.add("bad")
    with pytest.raises(DriverError, match="unknown or blocked") as blocked:
        driver.acquire("ST-1", "bad", slot_number=1, key="b", repeated=False)
    assert (blocked.value.permanent, blocked.value.status) == (True, 403)


def test_wrong_token_is_permanent_and_says_so(fake: FakeSupplier) -> None:
    with pytest.raises(DriverError, match="401 a bearer token") as refused:
        PowerSupplier(fake.url, "wrong").status("ses-1")
    assert refused.value.permanent


def test_unknown_session_is_none_not_an_error(driver: PowerSupplier) -> None:
    assert driver.status("ses-unknown") is None


def test_release_ends_pays_and_opens_whatever_the_card_holds(fake: FakeSupplier, driver: PowerSupplier) -> None:
    assert driver.release("ST-1", "card-1", key="r") is None
    start(driver)
    driver.release("ST-1", "card-1", key="r")
    assert (fake.session.status, fake.session.paid) == ("closed", True)
    assert fake.rules.station("ST-1").slots[2].status == "free"


def test_nobody_listening_is_not_permanent() -> None:
    with pytest.raises(DriverError) as failed:
        PowerSupplier("http://127.0.0.1:9/api/v2", TOKEN).status("ses-1")
    assert not failed.value.permanent


def test_empty_id_is_never_sent(driver: PowerSupplier, fake: FakeSupplier) -> None:
    with pytest.raises(DriverError, match="empty"):
        driver.start("", key="s", repeated=False)
    assert not fake.api.calls


def test_ids_are_quoted_into_the_path(driver: PowerSupplier, fake: FakeSupplier) -> None:
    assert driver.find("ST/1?x", "card 1#") is None
    assert [call["route"] for call in fake.api.calls] == ["session"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_answer_that_is_no_json_object_is_an_unknown_outcome(body: bytes) -> None:
    with pytest.raises(DriverError) as failed:
        read_object(body)
    assert failed.value.unknown


@pytest.mark.parametrize(
    "session", [{"id": "x" * 129}, {"id": {}}, {"slotNumber": 0}, {"slotNumber": 70_000}, {"soc": 101}, {"powerW": -1}]
)
def test_answer_beyond_every_limit_is_not_taken(session: dict[str, object]) -> None:
    with pytest.raises(DriverError, match="not understood"):
        ack_of({"session": session})


@pytest.mark.parametrize("value", ["many", True, [], 1e300, -1])
def test_answer_with_a_wrong_value_is_not_guessed(value: object) -> None:
    with pytest.raises(DriverError, match="meterWh"):
        ack_of({"session": {"id": "1", "meterWh": value}})


def test_problem_is_told_by_its_sentence() -> None:
    assert problem_text(b'{"title": "Full", "detail": "No charging slots available"}') == "No charging slots available"
    assert problem_text(b'{"title": "Full"}') == "Full"
    assert problem_text(b"plain words") == "plain words"


def test_driver_is_chosen_by_the_station() -> None:
    options = Options("http://supplier.example", "t")
    assert isinstance(driver_for(SimpleNamespace(driver="power_supplier"), options), PowerSupplier)
    with pytest.raises(DriverError, match="unknown"):
        driver_for(SimpleNamespace(driver="steam"), options)
    with pytest.raises(DriverError, match="EV_POWER_SUPPLIER_URL"):
        driver_for(SimpleNamespace(driver="power_supplier"), Options("", ""))


def test_huge_answer_is_not_read_to_its_end() -> None:
    class Flood(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b" " * 65_536)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Flood) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(DriverError, match="larger than"):
            PowerSupplier(f"http://127.0.0.1:{server.server_port}", TOKEN).status("ses-1")
