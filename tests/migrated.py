"""What does each worker copy its database from, so that a run migrates once?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def template(server_url: str, *, run: str) -> Iterator[str]:
    """The name of a migrated database without rows of any test, to which nobody is connected.

    Whoever asks first in a run makes it, while the others wait, and removes it in the end.
    Raises: RuntimeError with what `manage.py migrate` said.
    """
    name = f"migrated_{run}"
    made = _make(server_url, name)
    try:
        yield name
    finally:
        if made:
            with psycopg.connect(server_url, autocommit=True) as connection:
                connection.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _make(server_url: str, name: str) -> bool:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])  # until the connection closes
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        connection.execute(_statement("CREATE DATABASE {}", name))
        try:
            _migrate(urlunsplit(urlsplit(server_url)._replace(path=f"/{name}")))
        except BaseException:
            connection.execute(_statement("DROP DATABASE {} WITH (FORCE)", name))
            raise
    return True


def _migrate(url: str) -> None:
    """In a process of its own, where nothing is traced for coverage."""
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py migrate failed:\n{done.stdout}\n{done.stderr}")


def _statement(text: str, name: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(name))
