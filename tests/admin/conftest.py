"""What do the tests of the operators' pages share?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.admin.tenants import Tenant, make_tenant


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def ours(now: datetime) -> Tenant:
    return make_tenant("ourslark", now)


@pytest.fixture
def theirs(now: datetime) -> Tenant:
    return make_tenant("theirsheron", now)


@pytest.fixture(autouse=True)
def _plain_http(plain_http: None) -> None:
    """Every page of the admin."""
