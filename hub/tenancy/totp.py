"""One-time codes (RFC 6238). The secret is sealed with the hub's key: it must be readable again."""

import hmac
from datetime import datetime

import pyotp

from hub.secret_box import SecretBox

TOTP_PURPOSE = "totp"
_ISSUER = "monsys"
_STEP_SECONDS = 30
# RFC 6238 §5.2: at most one step for the time a person takes to type, and for clocks that differ.
_STEPS_AROUND = (0, -1, 1)


def new_totp_secret() -> str:
    """Return a new secret of 160 bits in base32 (RFC 4226 §4)."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, *, email: str) -> str:
    """Return what the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)


def matching_step(secret: str, code: str, *, at: datetime) -> int | None:
    """Return the half minute that this code belongs to, None when it is none of those about now."""
    totp, now = pyotp.TOTP(secret), int(at.timestamp()) // _STEP_SECONDS
    matching = [
        now + offset
        for offset in _STEPS_AROUND
        if hmac.compare_digest(totp.generate_otp(now + offset).encode(), code.encode())
    ]
    return matching[0] if matching else None


def seal_totp_secret(box: SecretBox, secret: str) -> bytes:
    """Return the secret as `users.totp_secret_sealed` keeps it."""
    return box.seal(secret.encode("ascii"), purpose=TOTP_PURPOSE)


def open_totp_secret(box: SecretBox, sealed: bytes) -> str:
    """Return the secret in base32, as authenticator apps take it."""
    return box.open(sealed, purpose=TOTP_PURPOSE).decode("ascii")
