"""The hub's secret keys: the current one and the former ones that are still honoured.

Configured ones come from the settings. In development they are files in the data folder, made by
the first process that needs them.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nacl.utils import random as random_bytes
from pydantic import SecretStr

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.settings import Settings

KEY_BYTES = 32
KEY_ID_BYTES = 4
_KEY_FILE = "secret.key"
_FORMER_FILE = "secret.key.former"  # a line each: the key, and when it was retired


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key, and a name that gives nothing of it away."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise InvalidInput(
                "MONSYS_SECRET_KEY must be 32 random bytes in base64, such as `openssl rand"
                " -base64 32` prints."
            )

    @property
    def id(self) -> bytes:
        """What values sealed with this key begin with."""
        return hashlib.sha256(b"monsys:key-id" + self.secret).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The current key, and former ones while they overlap."""

    current: SecretKey
    former: tuple[SecretKey, ...] = ()

    @property
    def keys(self) -> tuple[SecretKey, ...]:
        """All of them, the current one first."""
        return (self.current, *self.former)


def configured_ring(settings: Settings) -> KeyRing:
    """Return the keys that the settings name."""
    assert settings.secret_key is not None  # noqa: S101 - the caller has checked
    return KeyRing(
        _key(settings.secret_key), tuple(_key(former) for former in settings.former_secret_keys)
    )


def kept_ring(settings: Settings) -> KeyRing:
    """Return the keys in the data folder, without those retired too long ago."""
    folder = settings.data_dir.expanduser()
    overlap = timedelta(days=settings.secret_key_overlap_days)
    current = SecretKey(_decoded(_kept_key(folder / _KEY_FILE)))
    return KeyRing(current, tuple(_former_keys(folder / _FORMER_FILE, since=utc_now() - overlap)))


def new_key() -> str:
    """Return a new key as MONSYS_SECRET_KEY takes it."""
    return base64.b64encode(random_bytes(KEY_BYTES)).decode("ascii")


def rotate_kept_key(settings: Settings) -> KeyRing:
    """Retire the key in the data folder and make a new one; running hubs notice by themselves.

    The former one is written down first: a crash in between loses none.
    """
    folder = settings.data_dir.expanduser()
    retired = _kept_key(folder / _KEY_FILE).strip()
    line = f"{retired} {utc_now().isoformat()}\n"
    former = folder / _FORMER_FILE
    earlier = former.read_text("ascii") if former.exists() else ""
    _replace(former, earlier + line)
    _replace(folder / _KEY_FILE, new_key())
    return kept_ring(settings)


def _former_keys(path: Path, *, since: datetime) -> list[SecretKey]:
    if not path.exists():
        return []
    keys = []
    for line in reversed(path.read_text("ascii").splitlines()):
        text, _, retired_at = line.partition(" ")
        if datetime.fromisoformat(retired_at).astimezone(UTC) >= since:
            keys.append(SecretKey(_decoded(text)))
    return keys


def _key(setting: SecretStr) -> SecretKey:
    return SecretKey(_decoded(setting.get_secret_value()))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""  # the key says what it should look like


def _kept_key(path: Path) -> str:
    """Return the key in this file, made by the first process that needs it.

    Made under a name of its own and then linked: processes that start together agree on one key,
    and none reads a half-written file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = _draft(path, new_key())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass  # another process was first; its key is the hub's
        finally:
            draft.unlink()
    return path.read_text("ascii")


def _replace(path: Path, text: str) -> None:
    _draft(path, text).replace(path)


def _draft(path: Path, text: str) -> Path:
    """Write a file of its own that only this user can read."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    return draft
