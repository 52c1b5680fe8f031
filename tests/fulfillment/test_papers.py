"""Does the driver find the invoice on the live page, and nobody without the link?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from fulfillment import services as fulfillment
from orders.models import Invoice
from tests.factories.fulfillment import run_steps, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.pages import get
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http"), pytest.mark.urls("fulfillment.urls")]


@pytest.fixture
def token(supplier: FakeSupplier) -> str:
    """The link of a session that was billed."""
    session = waiting_session()
    fulfillment.request_start(session.order_id, NOW)
    run_steps(NOW)
    run_steps(supplier.after(300))
    fulfillment.request_stop(session.order_id, supplier.at)
    run_steps(supplier.at)
    return fulfillment.open_link(session.order_id, timezone.now())


def test_page_links_the_invoice_once_there_is_a_bill(token: str) -> None:
    paper = Invoice.objects.get()
    page = get(f"/track/{token}").content.decode()
    assert paper.number in page
    for query in ("", "?lang=hi", "?lang=kn"):
        assert f'href="/track/{token}/papers/1.pdf{query}"' in page


def test_running_session_has_no_invoice_yet(supplier: FakeSupplier) -> None:
    session = waiting_session()
    fulfillment.request_start(session.order_id, NOW)
    run_steps(NOW)
    token = fulfillment.open_link(session.order_id, timezone.now())
    assert "papers" not in get(f"/track/{token}").content.decode()
    assert get(f"/track/{token}/papers/1.pdf").status_code == 404


@pytest.mark.parametrize("language", ["en", "hi", "kn", "zz"])
def test_invoice_comes_as_a_pdf_that_keeps_the_link_to_itself(token: str, language: str) -> None:
    answer = get(f"/track/{token}/papers/1.pdf?lang={language}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("place", [0, 2, 99])
def test_paper_that_is_none_is_not_there(token: str, place: int) -> None:
    assert get(f"/track/{token}/papers/{place}.pdf").status_code == 404


def test_closed_link_opens_no_invoice(token: str) -> None:
    fulfillment.revoke_links(Invoice.objects.get().order_id, timezone.now() + timedelta(seconds=1))
    assert get(f"/track/{token}/papers/1.pdf").status_code == 404
    assert get(f"/track/{'x' * 43}/papers/1.pdf").status_code == 404
