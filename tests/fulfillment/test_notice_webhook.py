"""Does the operator's system get a notice it can trust, and is nothing else called?"""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from fulfillment import services as fulfillment
from fulfillment.models import NoticeSettings
from fulfillment.notices import webhook
from fulfillment.services.writing import webhook_secret
from orders.models import Order
from tests.factories.fulfillment import later
from tests.factories.orders import BILLING
from tests.fulfillment.notified import send, the_one
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.test_notices import charging

pytestmark = pytest.mark.django_db
ONLY = {"switches": ["webhook:started"]}


class Hook(ThreadingHTTPServer):
    """The operator's end: answers these statuses, then 200; `mute` never answers, `drops` cuts the connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Ear)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.mute = self.drops = False
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=of-the-operator"


class _Ear(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        if self.server.drops:
            return
        if self.server.mute:
            self.server.over.wait(30)
            return
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hook(settings: Settings) -> Iterator[Hook]:
    settings.NOTICES_ALLOW_PRIVATE = True
    with Hook() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def fits(headers: dict[str, str], body: bytes, told: NoticeSettings, number: int = 1) -> bool:
    """Whether a signature of the message was made with this secret, as the receiver would check it."""
    what = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mark = base64.b64encode(hmac.new(webhook_secret(told, number), what, sha256).digest()).decode()
    return f"v1,{mark}" in headers["webhook-signature"].split()


def test_message_is_signed_and_names_nobody(supplier: FakeSupplier, hook: Hook) -> None:
    order, session = charging(webhook_url=hook.url, **ONLY)
    assert send() == 1
    ((headers, body),) = hook.heard
    notice = the_one(order, "started", way="webhook")
    told = json.loads(body)
    assert fits(headers, body, order.operator.notice_settings)
    assert not fits(headers, body + b" ", order.operator.notice_settings)
    assert headers["webhook-id"] == f"notice-{notice.pk}"
    assert told["type"] == "driver-notice.started"
    assert told["data"]["order"] == order.code
    assert told["data"]["evse"] == session.evse.uid
    assert told["data"]["subject"].startswith("Charging has started")
    for secret in (*BILLING.values(), "/track/", "/notices/"):
        assert secret not in body.decode()
    assert (notice.state, notice.sent_to) == ("sent", hook.url.split("/")[2])


def test_link_is_given_only_where_the_operator_wants_it(supplier: FakeSupplier, hook: Hook) -> None:
    charging(webhook_url=hook.url, links=["webhook"], **ONLY)
    send()
    told = json.loads(hook.heard[0][1])
    assert told["data"]["url"] in told["data"]["text"]
    assert "/notices/" not in told["data"]["text"]


@pytest.mark.parametrize(
    ("status", "state"),
    [(204, "sent"), (302, "due"), (401, "due"), (404, "due"), (410, "dead"), (422, "dead"), (429, "due"), (503, "due")],
)
def test_answer_says_whether_to_try_again(supplier: FakeSupplier, hook: Hook, status: int, state: str) -> None:
    order, _ = charging(webhook_url=hook.url, **ONLY)
    hook.statuses = [status]
    send()
    notice = the_one(order, "started", way="webhook")
    assert notice.state == state
    assert state == "sent" or notice.reason == f"the webhook answered {status}"
    if state == "due":
        send(later(10))
        assert len({headers["webhook-id"] for headers, _ in hook.heard}) == 1
        assert len(hook.heard) == 2


@pytest.mark.parametrize("how", ["mute", "drops"])
def test_ill_webhook_is_tried_again_and_harms_no_other(
    supplier: FakeSupplier, hook: Hook, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    order, _ = charging(webhook_url=hook.url, **ONLY)
    setattr(hook, how, True)
    send()
    notice = the_one(order, "started", way="webhook")
    assert (notice.state, notice.next_at) == ("due", later(10))
    assert "of-the-operator" not in notice.reason


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "http://hooks.example.org/x"]
)
def test_private_address_is_not_called(supplier: FakeSupplier, url: str) -> None:
    order, _ = charging(webhook_url=url, **ONLY)
    send()
    notice = the_one(order, "started", way="webhook")
    assert notice.state == "dead"
    assert notice.reason


def test_old_secret_signs_for_one_more_day(supplier: FakeSupplier, hook: Hook) -> None:
    order, _ = charging(webhook_url=hook.url, **ONLY)
    told = fulfillment.renew_webhook_secret(order.operator.notice_settings.pk, now=later(-3600))
    send()
    ((headers, body),) = hook.heard
    assert fits(headers, body, told, 1)
    assert fits(headers, body, told, 2)
    NoticeSettings.objects.update(webhook_changed_at=later(-90_000))
    charging_again, _ = charging(webhook_url=hook.url, webhook_number=2, webhook_changed_at=later(-90_000), **ONLY)
    send()
    headers, body = hook.heard[-1]
    assert not fits(headers, body, charging_again.operator.notice_settings, 1)
    assert fits(headers, body, charging_again.operator.notice_settings, 2)


def test_secrets_of_operators_differ(supplier: FakeSupplier) -> None:
    one, other = (charging()[0].operator.notice_settings for _ in range(2))
    assert webhook_secret(one, 1) != webhook_secret(other, 1)


def test_reader_without_an_address_is_told_by_webhook_alone(supplier: FakeSupplier, hook: Hook) -> None:
    order, _ = charging(webhook_url=hook.url)
    Order.objects.filter(pk=order.pk).update(billing={})
    send()
    told: Any = {way: the_one(order, "started", way=way).state for way in ("email", "webhook")}
    assert told == {"email": "dropped", "webhook": "sent"}
