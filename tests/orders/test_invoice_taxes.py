"""Do papers divide the tax by where the supply takes place, and name its code?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.models import Connector, Operator
from core.errors import NotAllowed
from orders.balances import income
from orders.changes import Who
from orders.models import Account, PaperKind
from orders.services import (
    change_billing,
    confirm_order,
    init_order,
    select_offer,
)
from orders.services.adjusting import correct_bill
from orders.services.invoices import issue_credit_note
from orders.services.refunds import ask_refund
from tests.factories.orders import (
    BAP,
    BILLING,
    NOW,
    a_confirm,
    a_wish,
    active_order,
    an_init,
    connector_on_sale,
)
from tests.orders.invoicing import GSTIN, billed, papers, registered

MUMBAI = "27AAGCB7383J1Z8"
K = PaperKind


@pytest.mark.django_db
def test_invoice_within_the_state_has_two_equal_taxes_and_across_one() -> None:
    within = billed(active_order(registered(connector_on_sale())))
    across = billed(active_order(registered(connector_on_sale(), state="Tamil Nadu")))
    here, there = papers(within)[0], papers(across)[0]
    assert [(tax["code"], tax["percent"]) for tax in here.taxes] == [("CGST", "9"), ("SGST", "9")]
    assert here.taxes[0]["paise"] == here.taxes[1]["paise"]
    assert [(tax["code"], tax["percent"]) for tax in there.taxes] == [("IGST", "18")]
    assert there.place == {"state": "Tamil Nadu", "code": "33"}


@pytest.mark.django_db
def test_papers_name_the_code_of_the_day_of_the_quote() -> None:
    connector = registered(connector_on_sale())
    rates = [{"percent": "18", "sac": "998719", "from": "2026-01-01"}]
    Operator.objects.filter(pk=connector.evse.station.operator_id).update(gst_rates=rates)
    order = billed(active_order(Connector.objects.get(pk=connector.pk)))
    Operator.objects.filter(pk=order.operator_id).update(sac="998700", gst_rates=[])
    correct_bill(
        order.pk, energy_wh=7_000, started_at=NOW, ended_at=NOW + timedelta(minutes=20),
        now=NOW + timedelta(days=1), actor="test", reason="late meter",
    )  # fmt: skip
    assert {line["sac"] for paper in papers(order) for line in paper.lines} == {"998719"}
    refund = ask_refund(order.pk, 5_000, cause="slow", now=NOW, actor="staff:x")
    note = issue_credit_note(refund, now=NOW)
    assert note is not None
    assert [line["sac"] for line in note.lines] == ["998719"]


@pytest.mark.django_db
def test_payer_registered_in_another_state_is_supplied_there() -> None:
    connector = registered(connector_on_sale())
    draft = select_offer(**a_wish(connector))
    wish = an_init(connector, transaction_id=draft.transaction_id, billing={**BILLING, "tax_id": MUMBAI.lower()})
    order = confirm_order(**a_confirm(init_order(**wish)))
    assert order.billing["tax_id"] == MUMBAI.lower()
    (paper,) = papers(billed(order))
    assert [(tax["code"], tax["percent"]) for tax in paper.taxes] == [("IGST", "18")]
    assert paper.place == {"state": "Maharashtra", "code": "27"}
    assert income(order).get("igst") == paper.taxes[0]["paise"]
    here = billed(active_order(connector, billing={**BILLING, "tax_id": GSTIN}))
    assert [tax["code"] for tax in papers(here)[0].taxes] == ["CGST", "SGST"]


@pytest.mark.django_db
def test_payer_without_a_true_gstin_is_supplied_at_the_station() -> None:
    wrong = MUMBAI[:-1] + ("A" if MUMBAI[-1] != "A" else "B")
    order = billed(active_order(registered(connector_on_sale()), billing={**BILLING, "tax_id": wrong}))
    assert papers(order)[0].place["code"] == "29"


@pytest.mark.django_db
@pytest.mark.parametrize(("quoted", "now"), [("", MUMBAI), (MUMBAI, GSTIN)])
def test_another_state_after_the_quote_is_refused(quoted: str, now: str) -> None:
    connector = registered(connector_on_sale())
    before, after = ({**BILLING, **({"tax_id": number} if number else {})} for number in (quoted, now))
    order = init_order(**an_init(connector, billing=before))
    with pytest.raises(NotAllowed, match="the tax was quoted for"):
        confirm_order(**a_confirm(order, billing=after))
    order = confirm_order(**a_confirm(order, billing=before))
    with pytest.raises(NotAllowed, match="the tax was quoted for"):
        change_billing(order.pk, who=Who.BUYER, billing={"tax_id": now}, now=NOW, actor=BAP)
    init_order(**an_init(connector_on_sale(), billing=after))


@pytest.mark.django_db
def test_taxes_are_those_of_the_books() -> None:
    order = billed(active_order(registered(connector_on_sale())), energy_wh=7_777)
    (paper,) = papers(order)
    parts = income(order)
    assert {tax["code"].lower(): tax["paise"] for tax in paper.taxes} == {
        code: parts[code] for code in ("cgst", "sgst") if code in parts
    }
    assert paper.taxable_paise == parts[Account.REVENUE]
