"""Secrets of the hub itself: sealing what must be readable again, and keys derived by purpose.

Keys are rotated: what is new is made with the current key, and what former keys made is honoured
while they overlap. A sealed value begins with the id of its key. Keys in the data folder are read
again every minute, and whenever a value turns up that none of them made: a hub that runs for months
uses a new key soon, and lets go of one whose overlap is over.
"""

import base64
import hmac
from collections.abc import Callable
from time import monotonic
from typing import Self

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox as NaClSecretBox

from hub.errors import InvalidInput
from hub.secret_keys import KEY_ID_BYTES, KeyRing, SecretKey, configured_ring, kept_ring
from hub.settings import Settings

_FORMAT = b"\x01"
_REREAD_SECONDS = 60.0


class SecretBox:
    """Seals values with the hub's key. Each purpose has a key of its own, derived from it.

    A value sealed for one purpose does not open for another, so a TOTP secret can never be passed
    off as something else that the hub once encrypted.
    """

    def __init__(
        self, key: bytes, *, former: tuple[bytes, ...] = (), reread: "Reread | None" = None
    ) -> None:
        self._kept = KeyRing(SecretKey(key), tuple(SecretKey(old) for old in former))
        self._reread = reread
        self._read_at = monotonic()

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Return the box of the configured keys, or of those kept in the data folder."""
        if settings.secret_key is not None:
            return cls._of(configured_ring(settings))
        return cls._of(kept_ring(settings), reread=lambda: kept_ring(settings))

    @classmethod
    def _of(cls, ring: KeyRing, *, reread: "Reread | None" = None) -> Self:
        former = tuple(key.secret for key in ring.former)
        return cls(ring.current.secret, former=former, reread=reread)

    @property
    def _ring(self) -> KeyRing:
        if self._reread is not None and monotonic() - self._read_at > _REREAD_SECONDS:
            self._refresh()
        return self._kept

    @property
    def key_id(self) -> str:
        """The id of the key that new values are sealed with."""
        return self._ring.current.id.hex()

    def seal(self, value: bytes, *, purpose: str) -> bytes:
        """Return the value encrypted and authenticated, with a nonce of its own."""
        key = self._ring.current
        return _FORMAT + key.id + bytes(NaClSecretBox(_derive(key, purpose)).encrypt(value))

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return the value that was sealed for this purpose, with this key or a former one."""
        key = self._key_of(sealed)
        if key is None:
            self._refresh()
            key = self._key_of(sealed)
        if key is not None:
            try:
                box = NaClSecretBox(_derive(key, purpose))
                return bytes(box.decrypt(sealed[len(_FORMAT) + KEY_ID_BYTES :]))
            except (CryptoError, ValueError):
                pass  # said below
        raise InvalidInput(
            "A sealed secret does not open: MONSYS_SECRET_KEY is not the key it was sealed with."
            " Set the former key again, or name it in MONSYS_FORMER_SECRET_KEYS."
        )

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether the value is sealed with the current key and needs no former one."""
        return self._key_of(sealed) == self._ring.current

    def derive(self, purpose: str) -> bytes:
        """Return the current key of one purpose."""
        return _derive(self._ring.current, purpose)

    def mac(self, message: str, *, purpose: str) -> str:
        """Return a proof that the hub itself made this message for this purpose."""
        return _mac(self._ring.current, message, purpose)

    def macs(self, message: str, *, purpose: str) -> list[str]:
        """Return the proof by each key, the current one first: to find what was stored by one."""
        return [_mac(key, message, purpose) for key in self._ring.keys]

    def verify(self, proof: str, message: str, *, purpose: str) -> bool:
        """Tell whether `mac` made this proof; takes the same time for every wrong one."""
        if self._matches(proof, message, purpose):
            return True
        # Another process may have rotated the key a moment ago.
        return self._refresh() and self._matches(proof, message, purpose)

    def _matches(self, proof: str, message: str, purpose: str) -> bool:
        given = proof.encode()
        made = [_mac(key, message, purpose).encode() for key in self._ring.keys]
        return any([hmac.compare_digest(given, expected) for expected in made])  # noqa: C419 - all of them, always

    def _key_of(self, sealed: bytes) -> SecretKey | None:
        if not sealed.startswith(_FORMAT):
            return None
        key_id = sealed[len(_FORMAT) : len(_FORMAT) + KEY_ID_BYTES]
        return next((key for key in self._ring.keys if key.id == key_id), None)

    def _refresh(self) -> bool:
        """Read the kept keys again, and tell whether they have changed."""
        if self._reread is None:
            return False
        ring = self._reread()
        has_changed = ring.keys != self._kept.keys
        self._kept, self._read_at = ring, monotonic()
        return has_changed


type Reread = Callable[[], KeyRing]


def _derive(key: SecretKey, purpose: str) -> bytes:
    return hmac.digest(key.secret, f"monsys:{purpose}".encode(), "sha256")


def _mac(key: SecretKey, message: str, purpose: str) -> str:
    proof = hmac.digest(_derive(key, purpose), message.encode(), "sha256")
    return base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
