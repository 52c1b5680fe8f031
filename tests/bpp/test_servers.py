"""Do the entrances for other servers lead to the same project?"""

from __future__ import annotations

import os
from typing import Any
from wsgiref.util import setup_testing_defaults

from celery import current_app
from django.conf import settings

from bpp.celery import app
from bpp.wsgi import application
from tests.bpp.conftest import apart


async def test_wsgi_server_reaches_the_pages(settings: Any, plain_http: None, tables: None) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    environ: dict[str, Any] = {"PATH_INFO": "/healthz"}
    setup_testing_defaults(environ)
    heads: list[str] = []

    def start(status: str, *_: object) -> Any:
        heads.append(status)

    body = await apart(lambda: b"".join(application(environ, start)))
    assert (heads, body) == (["200 OK"], b"ok\n")


def test_clock_rings_only_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    wanted = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert wanted == {"process", "deliver", "advance", "expire", "notice", "collect", "refund"}
    assert wanted <= set(app.tasks)


def test_nudges_from_any_thread_go_to_our_broker() -> None:
    assert current_app.conf.broker_url == settings.REDIS_URL
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "bpp.settings"
