"""How a receiver knows that a notification is ours, unchanged, and new.

`X-Monsys-Signature: sha256=<hex>` is HMAC-SHA256, keyed with the webhook's secret, over
`<X-Monsys-Timestamp>.<body>`. For a day after the secret was rotated there are two, separated by a
comma and a space: one for each secret, so that a receiver may change over when it suits. In Python:

    def is_from_monsys(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
        timestamp = headers["X-Monsys-Timestamp"]
        if abs(time.time() - int(timestamp)) > 300:
            return False  # replayed
        signed = timestamp.encode() + b"." + body
        expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        given = headers["X-Monsys-Signature"].split(", ")
        return any(hmac.compare_digest(one, expected) for one in given)

A notification may come more than once (an answer can get lost): `X-Monsys-Delivery` names it, and
is the same each time.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret; its prefix lets scanners recognise it where it should not be."""
    return f"whsec_{secrets.token_urlsafe(_SECRET_BYTES)}"


def signature_of(secret: str, *, timestamp: int, body: bytes) -> str:
    """Return one signature."""
    signed = b"%d.%s" % (timestamp, body)
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def signed_headers(
    secrets_in_use: Sequence[str], *, delivery: str, event: str, body: bytes, at: datetime
) -> dict[str, str]:
    """Return the headers that prove where the body comes from."""
    timestamp = int(at.timestamp())
    signatures = (signature_of(one, timestamp=timestamp, body=body) for one in secrets_in_use)
    return {
        "X-Monsys-Delivery": delivery,
        "X-Monsys-Event": event,
        "X-Monsys-Timestamp": str(timestamp),
        "X-Monsys-Signature": ", ".join(signatures),
    }
