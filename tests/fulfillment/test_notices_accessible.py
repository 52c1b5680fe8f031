"""Can everybody use the page that switches notices off, on a small phone, in each language, by day and by night?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fulfillment.services.unsubscribing import off_token
from orders.papers.labels import LANGUAGES
from tests.browser import PHONE, phone
from tests.factories.catalog import OperatorFactory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_http"),
]
WIDE = "document.documentElement.scrollWidth"
PUSH = "document.querySelector('form button').click()"


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_has_no_fault_before_and_after(live_server: Any, tmp_path: Path, language: str) -> None:
    token = off_token(OperatorFactory.create(name="Kaveri Spark").pk, "driver@example.org")

    async def walk() -> list[str]:
        found: list[str] = []
        async with phone(tmp_path) as page:
            await page.open(f"{live_server.url}/notices/{token}?lang={language}")
            for state in ("on", "off"):
                for scheme in ("light", "dark"):
                    await page.prefer(scheme)
                    found += [f"{state}, {scheme}: {fault}" for fault in await page.violations()]
                if (wide := await page.run(WIDE)) > PHONE["width"]:
                    found.append(f"{state}: {wide} px wide")
                if state == "on":
                    await page.leave_by(PUSH)
            assert await page.run("document.querySelector('button').name") == "on"
        return found

    assert asyncio.run(walk()) == []
