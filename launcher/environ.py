"""With which environment variables do our processes run, and where do secrets of a local group come from?"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from launcher.places import CLONE, Places
from launcher.problems import USAGE, ProblemError

TRUE = {"1", "true", "yes", "on"}
LOOPBACK = "127.0.0.1,localhost"


def base(where: Places) -> dict[str, str]:
    """Ours, with VB_HOME set and loopback calls kept away from any proxy."""
    env = dict(os.environ)
    # A worker that is started again must not compile all our sources again: a third of its start is that.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env["VB_HOME"] = str(where.home)
    env["PYTHONUNBUFFERED"] = "1"
    env["DJANGO_SETTINGS_MODULE"] = "bpp.settings"
    env["PYTHONPATH"] = os.pathsep.join(part for part in (str(CLONE), env.get("PYTHONPATH", "")) if part)
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(part for part in (env.get(name, ""), LOOPBACK) if part)
    return env


def is_given(env: Mapping[str, str], name: str) -> bool:
    """Is the setting there, as text or as a file?"""
    return bool(env.get(name) or env.get(f"{name}_FILE"))


def is_on(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in TRUE


def value_of(env: Mapping[str, str], name: str) -> str:
    """The setting's text, from NAME_FILE where that is set."""
    path = env.get(f"{name}_FILE")
    if not path:
        return env.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as err:
        raise ProblemError(
            f"{name}_FILE names {path}, which cannot be read: {err.strerror}",
            fix="correct the path or its mode",
            exit_code=USAGE,
        ) from err


def for_production(where: Places, *, host: str) -> dict[str, str]:
    """What `serve` runs with. Raises: ProblemError (exit 2) for DEBUG off without SECRET_KEY."""
    env = base(where)
    if not is_given(env, "SECRET_KEY"):
        if not is_on(env, "DEBUG"):
            raise ProblemError(
                "DEBUG is off and SECRET_KEY is not set",
                fix="set SECRET_KEY (or SECRET_KEY_FILE) to a long random text, or DEBUG=1 for a try-out here",
                exit_code=USAGE,
            )
        env["SECRET_KEY"] = kept_secret(where, "secret_key")
    everywhere = host in {"0.0.0.0", "::", "127.0.0.1"}  # noqa: S104 - compared, not bound
    env.setdefault("ALLOWED_HOSTS", LOOPBACK if everywhere else f"{LOOPBACK},{host}")
    return env


def for_development(where: Places) -> dict[str, str]:
    """What `demo` and `manage` run with: as given; without SECRET_KEY one of this home, and DEBUG on."""
    env = base(where)
    if not is_given(env, "SECRET_KEY"):
        env["SECRET_KEY"] = kept_secret(where, "secret_key")
        env.setdefault("DEBUG", "1")
    if is_on(env, "DEBUG"):
        env.setdefault("ALLOWED_HOSTS", LOOPBACK)
    return env


def kept_secret(where: Places, name: str) -> str:
    """A random text made once for this home, in a file only its owner may read."""
    path = where.secrets / name
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
