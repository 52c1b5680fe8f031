"""How does a customer fill in a form that a provider hosts? It is read, every box ticked, and sent as by a browser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import aiohttp


class FormError(Exception):
    """The form cannot be filled in; the text says why."""


@dataclass
class Form:
    """The first form of a page: where it is sent, what it holds, and its boxes."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    boxes: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form, self._inside = Form(told.get("action", ""), told.get("method", "get").lower()), True
        elif tag == "input" and self._inside and self.form is not None and told.get("name"):
            if told.get("type") == "checkbox":
                self.form.boxes.append(told["name"])
            self.form.fields[told["name"]] = told.get("value", "on")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def form_in(page: str) -> Form | None:
    """The first form of an HTML page, None where there is none."""
    reader = _Reader()
    reader.feed(page)
    return reader.form


def asked(order: dict[str, Any]) -> str:
    """The address of the form that must be filled in before this order can be confirmed; empty where none is."""
    xinput = order.get("xinput") or {}
    return str((xinput.get("form") or {}).get("url") or "") if xinput.get("required") else ""


async def agree(http: aiohttp.ClientSession, url: str, *, language: str = "en") -> list[str]:
    """Tick every box of the form at `url` and send it; returns the names of the boxes, none where none is left.

    Raises FormError where the page is refused or asks again.
    """
    async with http.get(url, headers={"Accept-Language": language}) as response:
        status, page = response.status, await response.text()
    if status != 200:
        raise FormError(f"the form at {url} answers HTTP {status}")
    form = form_in(page)
    if form is None:
        return []
    if form.method != "post":
        raise FormError(f"the form at {url} is sent by {form.method!r}; post is expected")
    async with http.post(urljoin(url, form.action), data=form.fields, allow_redirects=True) as response:
        status, page = response.status, await response.text()
    if status != 200 or form_in(page) is not None:
        raise FormError(f"the form at {url} was not taken: HTTP {status}")
    return form.boxes
