"""Can everybody use the form for the terms, on a small phone, in each language, by day and by night?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from catalog.models import Operator
from orders.models import Order
from orders.papers.labels import LANGUAGES
from orders.seed import OPERATOR
from orders.services.consent import form_token
from tests.browser import PHONE, Page, phone
from tests.factories.orders import connector_on_sale, initiated_order
from tests.factories.terms import published_terms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_http"),
]
TICK = "document.querySelectorAll('[type=checkbox]').forEach(box => box.checked = true);"
SEND = "document.forms[0].submit()"
STYLED = "document.styleSheets[0].cssRules.length"
WIDE = "document.documentElement.scrollWidth"
TARGETS = "[...document.querySelectorAll('header a, input[type=checkbox], button')]"
SMALL = f"{TARGETS}.filter(it => it.getBoundingClientRect().height < 24).length"


@pytest.fixture
def order() -> Order:
    """An order of the demonstration's operator, with its six texts."""
    operator = Operator.objects.create(code=OPERATOR, name="Kaveri Spark")
    call_command("seed_terms")
    return initiated_order(connector_on_sale(operator=operator), now=timezone.now())


def faults_of(folder: Path, walk: Any) -> list[str]:
    async def look() -> list[str]:
        async with phone(folder) as page:
            return await walk(page)  # type: ignore[no-any-return]

    return asyncio.run(look())


async def seen(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it stands, by day and by night."""
    found = []
    for scheme in ("light", "dark"):
        await page.prefer(scheme)
        found += [f"{name}, {scheme}: {fault}" for fault in await page.violations()]
    if (wide := await page.run(WIDE)) > PHONE["width"]:
        found.append(f"{name}: {wide} px wide")
    if small := await page.run(SMALL):
        found.append(f"{name}: {small} targets lower than 24 px")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_form_and_its_answers_have_no_fault(live_server: Any, tmp_path: Path, order: Order, language: str) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/terms/{form_token(order)}?lang={language}")
        found = await seen(page, "asking")
        assert await page.run("document.documentElement.lang") == language
        assert await page.run(STYLED) > 10
        assert await page.run("document.querySelectorAll('[type=checkbox]').length") == 2
        await page.leave_by(SEND)
        found += await seen(page, "not ticked")
        assert await page.run("document.querySelectorAll('[role=alert]').length") == 2
        await page.leave_by(TICK + SEND)
        found += await seen(page, "agreed")
        assert await page.run("document.forms.length") == 0
        return found

    assert faults_of(tmp_path, walk) == []
    assert order.consents.count() == 6


@pytest.mark.parametrize("language", LANGUAGES)
def test_closed_doors_have_no_fault(live_server: Any, tmp_path: Path, language: str) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    connector = connector_on_sale()
    published_terms(connector.evse.station.operator, now=long_ago)
    late = initiated_order(connector, now=long_ago)

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/terms/{form_token(late)}?lang={language}")
        found = await seen(page, "expired")
        await page.open(f"{live_server.url}/terms/{'a' * 44}?lang={language}")
        return found + await seen(page, "unknown")

    assert faults_of(tmp_path, walk) == []


def test_axe_sees_a_fault_where_there_is_one(live_server: Any, tmp_path: Path, order: Order) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/terms/{form_token(order)}")
        await page.run(
            "document.documentElement.removeAttribute('lang'); document.querySelector('label').replaceWith()"
        )
        await page.run("document.querySelector('h1').style.color = '#ccc'")
        return await page.violations()

    rules = {fault.partition(":")[0] for fault in faults_of(tmp_path, walk)}
    assert {"html-has-lang", "color-contrast"} <= rules
