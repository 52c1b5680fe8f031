"""Do operators get their papers and statements, and nobody another's?"""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Invoice
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
SETTLEMENT = "admin:orders_invoice_settlement"


def paper(tenant: Tenant) -> Invoice:
    return Invoice.objects.get(operator=tenant.operator)


@pytest.mark.parametrize("language", ["en", "hi", "kn", "xx"])
def test_paper_comes_as_a_pdf_in_each_language(language: str, ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("reader"))
    answer = client.get(reverse("admin:orders_invoice_pdf", args=[paper(ours).pk]), {"lang": language})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith('attachment; filename="VB-')
    assert answer.content.startswith(b"%PDF-")


def test_foreign_paper_does_not_exist(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    assert client.get(reverse("admin:orders_invoice_pdf", args=[paper(theirs).pk])).status_code == 404
    assert client.get(reverse("invoice-pdf", args=[paper(theirs).pk])).status_code == 404
    assert client.get(reverse("invoice-detail", args=[paper(theirs).pk])).status_code == 404


def test_stranger_is_asked_to_log_in(ours: Tenant, client: Client) -> None:
    for address in (reverse("admin:orders_invoice_pdf", args=[paper(ours).pk]), reverse(SETTLEMENT)):
        assert client.get(address).status_code == 302
    assert client.get(reverse("invoice-pdf", args=[paper(ours).pk])).status_code in {401, 403}


def test_api_lists_papers_and_hands_out_the_file(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("reader"))
    listed = client.get(reverse("invoice-list")).json()
    rows = listed["results"] if isinstance(listed, dict) else listed
    assert [row["number"] for row in rows] == [paper(ours).number]
    assert client.get(reverse("invoice-pdf", args=[paper(ours).pk])).content.startswith(b"%PDF-")


def test_list_is_narrowed_by_month(ours: Tenant, client: Client, now: datetime) -> None:
    client.force_login(ours.staff("reader"))
    address = reverse("admin:orders_invoice_changelist")
    assert paper(ours).number in client.get(address, {"month": f"{paper(ours).issued_at:%Y-%m}"}).content.decode()
    for month in ("2001-01", "nonsense"):
        assert paper(ours).number not in client.get(address, {"month": month}).content.decode()


def test_order_page_links_its_papers(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("reader"))
    page = client.get(reverse("admin:orders_order_change", args=[ours.order.pk])).content.decode()
    assert paper(ours).number in page
    assert reverse("admin:orders_invoice_pdf", args=[paper(ours).pk]) in page


def test_statement_is_shown_and_downloaded(ours: Tenant, client: Client, now: datetime) -> None:
    client.force_login(ours.staff("reader"))
    asked: dict[str, str | int] = {"operator": ours.operator.pk, "month": f"{now:%Y-%m}", "bap": ours.order.bap_id}
    page = client.get(reverse(SETTLEMENT), asked).content.decode()
    assert ours.order.bap_id in page
    assert "Owed at the end" in page
    table = client.get(reverse(SETTLEMENT), asked | {"format": "csv"})
    assert table["Content-Disposition"].endswith('.csv"')
    assert table.content.decode().startswith("kind,buyer_app,order")
    sheet = client.get(reverse(SETTLEMENT), asked | {"format": "pdf"})
    assert sheet.content.startswith(b"%PDF-")


def test_statement_of_another_operator_is_no_choice(
    ours: Tenant, theirs: Tenant, client: Client, now: datetime
) -> None:
    client.force_login(ours.staff("owner"))
    asked: dict[str, str | int] = {"operator": theirs.operator.pk, "month": f"{now:%Y-%m}", "format": "csv"}
    answer = client.get(reverse(SETTLEMENT), asked)
    assert answer["Content-Type"].startswith("text/html")
    assert theirs.word not in answer.content.decode()


@pytest.mark.parametrize("month", ["2026-13", "x", "2026", ""])
def test_month_that_is_none_is_refused(month: str, ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    asked: dict[str, str | int] = {"operator": ours.operator.pk, "month": month, "format": "csv"}
    answer = client.get(reverse(SETTLEMENT), asked)
    assert answer["Content-Type"].startswith("text/html")
