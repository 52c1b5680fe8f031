"""Can everybody use the live board and the page of a station's use, by day and by night, on a small screen?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client

from catalog.models import Evse
from fulfillment.models import Session
from tests.admin.crowd import crowd
from tests.admin.tenants import Tenant, make_tenant
from tests.browser import PHONE, Page, phone

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
WIDE = "document.documentElement.scrollWidth"
MARKS = "document.querySelectorAll('.vb-pin').length"
DARK = "document.documentElement.classList.toggle('dark', {})"


@pytest.fixture
def busy(now: datetime) -> Tenant:
    """A tenant with a dozen stations, where one charger is out of order and one silent."""
    with transaction.atomic():
        busy = make_tenant("ourslark", now)
    sessions = crowd(busy.operator, stations=12, sessions=6, now=now)
    Evse.objects.filter(pk=sessions[0].evse_id).update(status="faulted")
    Session.objects.filter(pk=sessions[1].pk).update(read_at=None, asked_at=None, started_at=None)
    return busy


def walked(folder: Path, cookie: str, url: str, walk: Callable[[Page], Awaitable[list[str]]]) -> list[str]:
    async def look() -> list[str]:
        async with phone(folder) as page:
            await page.tell("Network.setCookie", name=settings.SESSION_COOKIE_NAME, value=cookie, url=url)
            return await walk(page)

    return asyncio.run(look())


def signed_in(tenant: Tenant, client: Client) -> str:
    client.force_login(tenant.staff())
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def seen(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it stands, by day and by night."""
    found = []
    for scheme in ("false", "true"):
        await page.run(DARK.format(scheme))
        found += [f"{name}, dark {scheme}: {fault}" for fault in await page.violations()]
    if (wide := await page.run(WIDE)) > PHONE["width"]:
        found.append(f"{name}: {wide} px wide")
    return found


@pytest.mark.parametrize("query", ["", "?view=map", "?text=nothing+here", "?view=map&state=faulted"])
def test_board_has_no_fault(live_server: Any, tmp_path: Path, busy: Tenant, client: Client, query: str) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/admin/live/{query}")
        return await seen(page, query)

    assert walked(tmp_path, signed_in(busy, client), live_server.url, walk) == []


def test_use_of_a_station_has_no_fault(live_server: Any, tmp_path: Path, busy: Tenant, client: Client) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/admin/catalog/station/{busy.station.pk}/usage/")
        await page.run("document.querySelectorAll('details').forEach(part => part.open = true)")
        return await seen(page, "use")

    assert walked(tmp_path, signed_in(busy, client), live_server.url, walk) == []


def test_map_shows_the_list_and_answers_the_keyboard(
    live_server: Any, tmp_path: Path, busy: Tenant, client: Client
) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/admin/live/?view=map")
        assert await page.run(MARKS) == 13
        assert await page.run("document.querySelectorAll('.vb-pin-faulted, .vb-pin-silent').length") >= 2
        await page.run("document.querySelector('.vb-pin-faulted').focus()")
        assert "out of order" in await page.run("document.activeElement.getAttribute('aria-label')")
        for kind in ("keyDown", "keyUp"):
            await page.tell("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                            windowsVirtualKeyCode=13)  # fmt: skip
        opened = "new Promise(done => setTimeout(() => done(document.querySelectorAll('.vb-popup a').length), 400))"
        assert await page.run(opened) >= 3
        return await seen(page, "popup")

    assert walked(tmp_path, signed_in(busy, client), live_server.url, walk) == []


def test_figures_follow_without_a_new_page(live_server: Any, tmp_path: Path, busy: Tenant, client: Client) -> None:
    cookie = signed_in(busy, client)

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/admin/live/?text={busy.station.code}")
        await page.run("window.mine = true; document.querySelector('.vb-sessions a').focus()")
        await asyncio.to_thread(Session.objects.filter(pk=busy.session.pk).update, meter_wh=9_999)
        await page.run("""new Promise(done => document.getElementById('live').addEventListener('live:rows', done))
                          .then(() => null)""")
        assert "8.999 kWh" in await page.run("document.querySelector('.vb-sessions').textContent")
        assert "Updated" in await page.run("document.getElementById('live-age').textContent")
        assert await page.run("window.mine && document.activeElement.closest('.vb-sessions') !== null")
        return []

    assert walked(tmp_path, cookie, live_server.url, walk) == []
