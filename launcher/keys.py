"""With which keys does a group on one machine sign, when nobody gave it any?"""

from __future__ import annotations

from dataclasses import dataclass

from launcher import environ
from launcher.group import Group

NAMES = ("signing", "signing-public", "encryption", "encryption-public")


@dataclass(frozen=True)
class LocalKeys:
    """Base64 of 32 bytes each."""

    signing: str
    signing_public: str
    encryption: str
    encryption_public: str

    def settings(self) -> dict[str, str]:
        return {"BECKN_SIGNING_PRIVATE_KEY": self.signing, "BECKN_ENCRYPTION_PRIVATE_KEY": self.encryption}


def local(group: Group) -> LocalKeys:
    """The key pair of this home, made once; its files may be read by their owner alone."""
    paths = [group.where.secrets / f"local-{name}" for name in NAMES]
    if not all(path.exists() for path in paths):
        for path, text in zip(paths, group.ask_inside("make-keys").split(), strict=True):
            environ.write_private(path, text)
    return LocalKeys(*(path.read_text().strip() for path in paths))


def fill_in(group: Group) -> None:
    """A try-out (DEBUG on) without keys gets this home's; a real installation must be given its own."""
    if environ.is_on(group.env, "DEBUG") and not environ.is_given(group.env, "BECKN_SIGNING_PRIVATE_KEY"):
        group.env.update(local(group).settings())
