"""Does the driver say of a session what the supplier keeps of it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from core.errors import DriverError
from fulfillment.drivers import Options, driver_for
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


def test_session_is_told_as_the_supplier_keeps_it(fake: FakeSupplier, driver: PowerSupplier) -> None:
    session, _ = fake.rules.acquire("ST-1", "card-1", wished_slot=2)
    fake.rules.lock("ST-1", 2)
    fake.rules.start(session.id)
    fake.after(60)
    fake.rules.end(session.id)
    ack = driver.status(session.id)
    assert ack is not None
    assert (ack.session_id, ack.slot_number, ack.over, ack.energy_wh) == (session.id, 2, True, 500)
    assert ack.meter_wh == (ack.meter_start_wh or 0) + 500


def test_server_error_is_an_unknown_outcome(fake: FakeSupplier, driver: PowerSupplier) -> None:
    fake.fail_next("session_state", status=502)
    with pytest.raises(DriverError) as failed:
        driver.status("ses-1")
    assert (failed.value.unknown, failed.value.permanent, failed.value.status) == (True, False, 502)


def test_slow_answer_is_an_unknown_outcome(fake: FakeSupplier) -> None:
    fake.fail_next("session_state", latency_s=0.6)
    with pytest.raises(DriverError) as failed:
        PowerSupplier(fake.url, TOKEN, timeout_s=0.3).status("ses-1")
    assert failed.value.unknown


def test_empty_id_is_never_sent(driver: PowerSupplier, fake: FakeSupplier) -> None:
    with pytest.raises(DriverError, match="empty"):
        driver.status("")
    assert not fake.api.calls


def test_id_is_quoted_into_the_path(driver: PowerSupplier, fake: FakeSupplier) -> None:
    assert driver.status("ses/1?x#") is None
    assert [call["route"] for call in fake.api.calls] == ["session_state"]


def test_wrong_token_is_permanent_and_says_so(fake: FakeSupplier) -> None:
    with pytest.raises(DriverError, match="401 a bearer token") as refused:
        PowerSupplier(fake.url, "wrong").status("ses-1")
    assert refused.value.permanent


def test_unknown_session_is_none_not_an_error(driver: PowerSupplier) -> None:
    assert driver.status("ses-unknown") is None


def test_nobody_listening_is_not_permanent() -> None:
    with pytest.raises(DriverError) as failed:
        PowerSupplier("http://127.0.0.1:9/api/v2", TOKEN).status("ses-1")
    assert not failed.value.permanent


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
