"""Second factors: the secret is sealed with the hub's key, because it must be readable again."""

from hub.secret_box import SecretBox

TOTP_PURPOSE = "totp"


def seal_totp_secret(box: SecretBox, secret: str) -> bytes:
    """Return the secret as `users.totp_secret_sealed` keeps it."""
    return box.seal(secret.encode("ascii"), purpose=TOTP_PURPOSE)


def open_totp_secret(box: SecretBox, sealed: bytes) -> str:
    """Return the secret in base32, as authenticator apps take it."""
    return box.open(sealed, purpose=TOTP_PURPOSE).decode("ascii")
