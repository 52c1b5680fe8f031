"""What needs third-party packages? The venv's Python runs it as `python -m launcher.inside <question>`."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable

REFUSED = ("fsync", "synchronous_commit", "full_page_writes")


def check_database() -> int:
    """Is DATABASE_URL reachable, new enough, and durable? Prints one sentence per fault."""
    import psycopg

    try:
        connection = psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5)
    except psycopg.Error as err:
        print(f"DATABASE_URL does not answer: {' '.join(str(err).split())}")
        return 1
    with connection:
        faults = [
            f"{name} is off in the database, so what it acknowledges may be lost; switch it on in postgresql.conf"
            for name in REFUSED
            if connection.execute("SELECT current_setting(%s)", [name]).fetchone() == ("off",)
        ]
        if connection.info.server_version < 140_000:
            faults.append(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old; 14 is the oldest that will do"
            )
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def check_redis() -> int:
    """Does REDIS_URL answer?"""
    import redis

    try:
        redis.Redis.from_url(os.environ["REDIS_URL"], socket_connect_timeout=3, socket_timeout=3).ping()
    except (redis.RedisError, ValueError) as err:
        print(f"REDIS_URL does not answer: {err}")
        return 1
    return 0


def make_keys() -> int:
    """Prints in base64, one a line: signing seed, its public key, encryption private key, its public key."""
    from nacl.public import PrivateKey
    from nacl.signing import SigningKey

    signing = SigningKey.generate()
    encryption = PrivateKey.generate()
    for raw in (bytes(signing), bytes(signing.verify_key), bytes(encryption), bytes(encryption.public_key)):
        print(base64.b64encode(raw).decode())
    return 0


def imitate_redis() -> int:
    """Serve fakeredis on 127.0.0.1 at the port given as second argument."""
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", int(sys.argv[2])), server_type="redis")
    server.daemon_threads = True
    server.serve_forever()
    return 0


QUESTIONS: dict[str, Callable[[], int]] = {
    "check-database": check_database,
    "check-redis": check_redis,
    "make-keys": make_keys,
    "imitate-redis": imitate_redis,
}


if __name__ == "__main__":
    sys.exit(QUESTIONS[sys.argv[1]]())
