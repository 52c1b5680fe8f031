"""Who gets in, how often may one guess, and what do watchers see?"""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from bpp import keys
from bpp.models import SignInAttempt
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
RIGHT = "right-password-1"


def sign_in(client: Client, password: str, *, username: str = "root", address: str = "203.0.113.7") -> str:
    data = {"username": username, "password": password, "next": reverse("admin:index")}
    answer = client.post(reverse("admin:login"), data, REMOTE_ADDR=address)
    return "in" if answer.status_code == 302 else answer.content.decode()


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=RIGHT)


def test_right_password_gets_in_and_clears_the_slate(root: User, client: Client) -> None:
    sign_in(client, "wrong")
    assert sign_in(client, RIGHT) == "in"
    assert not SignInAttempt.objects.exists()


def test_sixth_guess_for_a_user_is_refused_from_anywhere(root: User, client: Client) -> None:
    for number in range(5):
        sign_in(client, "wrong", address=f"203.0.113.{number}")
    shown = sign_in(client, RIGHT, address="203.0.113.99")
    assert "Too many wrong passwords. Wait 15 minutes" in shown


def test_sixth_guess_from_an_address_is_refused_for_anyone(root: User, client: Client) -> None:
    for number in range(5):
        sign_in(client, "wrong", username=f"guess-{number}")
    assert "Too many" in sign_in(client, RIGHT)
    assert sign_in(client, RIGHT, address="203.0.113.8") == "in"


def test_guesses_count_no_longer_after_the_window(root: User, client: Client, now: datetime) -> None:
    for _ in range(5):
        sign_in(client, "wrong")
    SignInAttempt.objects.update(at=now - timedelta(minutes=16))
    assert sign_in(client, RIGHT) == "in"
    assert not SignInAttempt.objects.exists()


def test_refused_guesses_do_not_prolong_the_wait(root: User, client: Client) -> None:
    for _ in range(9):
        sign_in(client, "wrong")
    assert SignInAttempt.objects.count() == 5


def link(settings: object) -> str:
    settings.DEBUG = True  # type: ignore[attr-defined]
    said = StringIO()
    call_command("demo_login", base_url="http://testserver/", stdout=said, stderr=StringIO())
    return said.getvalue().strip()


def test_demo_link_works_once(client: Client, settings: object) -> None:
    address = link(settings)
    assert client.get(address)["Location"] == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200
    assert Client().get(address).status_code == 403


def test_demo_link_dies_after_ten_minutes_and_by_tampering(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link(settings)
    assert Client().get(address[:-3] + "abc").status_code == 403
    monkeypatch.setattr("bpp.entrance.LINK_S", -1)
    assert Client().get(address).status_code == 403


def test_demo_link_does_not_exist_in_production(settings: object) -> None:
    address = link(settings)
    settings.DEBUG = False  # type: ignore[attr-defined]
    assert Client().get(address).status_code == 404
    with pytest.raises(CommandError, match="DEBUG=1"):
        call_command("demo_login")


def test_front_page_leads_to_the_admin(client: Client) -> None:
    assert client.get("/")["Location"] == reverse("admin:index")


def test_process_is_alive(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"


def test_ready_names_every_part(client: Client, settings: object) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="  # type: ignore[attr-defined]
    keys.forget()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    names = {"database", "migrations", "signing_key", "redis", "registry", "inbox", "outbox", "books", "meters"}
    assert set(answer.json()["parts"]) == names


def test_not_ready_without_a_signing_key(client: Client, settings: object) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = ""  # type: ignore[attr-defined]
    keys.forget()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["signing_key"]["status"] == "failed"


def test_lost_broker_is_degraded_not_unready(client: Client, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    settings.BECKN_SIGNING_PRIVATE_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="  # type: ignore[attr-defined]
    keys.forget()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["parts"]["redis"]["status"] == "degraded"


def test_metrics_count_what_the_database_holds(ours: Tenant, client: Client) -> None:
    shown = client.get("/metrics").content.decode()
    for line in ("dead_letters 1.0", "sessions_live 1.0", 'orders{state="active"} 1.0', "charging_power_watts 29500.0",
                 "database_up 1.0", "tickets_open 1.0", "inbox_oldest_seconds 0.0"):  # fmt: skip
        assert line in shown, line


def test_forms_keep_their_origin(client: Client) -> None:
    # Under no-referrer a browser posts `Origin: null`, which the CSRF check refuses.
    assert client.get(reverse("admin:login"))["Referrer-Policy"] == "same-origin"
