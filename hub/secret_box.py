"""Secrets of the hub itself: sealing what must be readable again, and keys derived by purpose."""

import base64
import binascii
import hmac
import os
from pathlib import Path
from typing import Self

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox as NaClSecretBox
from nacl.utils import random as random_bytes

from hub.errors import InvalidInput
from hub.settings import Settings

KEY_BYTES = 32
_KEY_FILE = "secret.key"


class SecretBox:
    """Seals values with the hub's key. Each purpose has a key of its own, derived from it.

    A value sealed for one purpose does not open for another, so a TOTP secret can never be passed
    off as something else that the hub once encrypted.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidInput(
                "MONSYS_SECRET_KEY must be 32 random bytes in base64, such as `openssl rand"
                " -base64 32` prints."
            )
        self._key = key

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Return the box of the configured key, or of the one kept in the data folder."""
        if settings.secret_key is not None:
            return cls(_decoded(settings.secret_key.get_secret_value()))
        return cls(_decoded(_kept_key(settings.data_dir.expanduser() / _KEY_FILE)))

    def seal(self, value: bytes, *, purpose: str) -> bytes:
        """Return the value encrypted and authenticated, with a nonce of its own."""
        return bytes(NaClSecretBox(self.derive(purpose)).encrypt(value))

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return the value that was sealed for this purpose."""
        try:
            return bytes(NaClSecretBox(self.derive(purpose)).decrypt(sealed))
        except (CryptoError, ValueError) as error:
            raise InvalidInput(
                "A sealed secret does not open: MONSYS_SECRET_KEY is not the key it was sealed"
                " with. Set the former key again."
            ) from error

    def derive(self, purpose: str) -> bytes:
        """Return the key of one purpose."""
        return hmac.digest(self._key, f"monsys:{purpose}".encode(), "sha256")

    def mac(self, message: str, *, purpose: str) -> str:
        """Return a proof that the hub itself made this message for this purpose."""
        proof = hmac.digest(self.derive(purpose), message.encode(), "sha256")
        return base64.urlsafe_b64encode(proof).rstrip(b"=").decode()

    def verify(self, proof: str, message: str, *, purpose: str) -> bool:
        """Tell whether `mac` made this proof; takes the same time for every wrong one."""
        expected = self.mac(message, purpose=purpose)
        return hmac.compare_digest(proof.encode(), expected.encode())


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""  # the constructor says what a key looks like


def _kept_key(path: Path) -> str:
    """Return the key in this file, made by the first process that needs it.

    Made under a name of its own and then linked: processes that start together agree on one key,
    and none reads a half-written file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(random_bytes(KEY_BYTES)))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass  # another process was first; its key is the hub's
        finally:
            draft.unlink()
    return path.read_text("ascii")
