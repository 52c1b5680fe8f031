"""With which code is a deed refused?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import DomainError


def refusal(deed: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The code of the DomainError that the deed must raise."""
    with pytest.raises(DomainError) as caught:
        deed(*arguments, **named)
    return caught.value.code
