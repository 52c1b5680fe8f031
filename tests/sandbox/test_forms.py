"""Does the sandbox's customer fill in a form as a browser would, and say when it is refused?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from sandbox.forms import FormError, agree, asked, form_in
from sandbox.serving import serve

FORM = """<form id="a" method="post"><input type="hidden" name="digest" value="d1">
<label><input type="checkbox" name="agree-service" value="1" required> yes</label><button>Agree</button></form>
<input name="outside" value="x">"""


class Host:
    """A provider's form: `page` is shown until the right answer came."""

    def __init__(self) -> None:
        self.page, self.url, self.taken = FORM, "", []  # type: str, str, list[dict[str, str]]

    async def show(self, request: web.Request) -> web.Response:
        return web.Response(text=self.page, content_type="text/html")

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append({name: str(value) for name, value in (await request.post()).items()})
        self.page = "<p>Agreed</p>"
        raise web.HTTPSeeOther(str(request.rel_url))


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host, app = Host(), web.Application()
    app.router.add_get("/terms/t", host.show)
    app.router.add_post("/terms/t", host.take)
    server = await serve(app)
    host.url = f"{server.url}/terms/t"
    yield host
    await server.stop()


async def test_form_is_filled_in_and_sent_once(host: Host, http: aiohttp.ClientSession) -> None:
    assert await agree(http, host.url) == ["agree-service"]
    assert host.taken == [{"digest": "d1", "agree-service": "1"}]
    assert await agree(http, host.url) == []
    assert len(host.taken) == 1


async def test_form_that_is_not_there_is_said(host: Host, http: aiohttp.ClientSession) -> None:
    with pytest.raises(FormError, match="HTTP 404"):
        await agree(http, host.url + "x")


async def test_form_that_asks_again_is_said(host: Host, http: aiohttp.ClientSession) -> None:
    host.page = FORM.replace('method="post"', 'method="get"')
    with pytest.raises(FormError, match="post is expected"):
        await agree(http, host.url)


def test_page_without_a_form_has_none() -> None:
    assert form_in("<p>Agreed</p>") is None


@pytest.mark.parametrize(
    ("xinput", "url"),
    [
        ({"form": {"url": "http://a/terms"}, "required": True}, "http://a/terms"),
        ({"form": {"url": "http://a/terms"}, "required": False}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_form_is_asked_for_only_where_it_is_required(xinput: dict[str, object] | None, url: str) -> None:
    assert asked({"xinput": xinput}) == url
