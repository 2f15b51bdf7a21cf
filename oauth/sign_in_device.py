"""Browsers in which somebody signed in before; see `oauth.sign_in_pace` for what that is good for.

The cookie signs nobody in. It says that this browser once did, for this one account.
"""

import secrets

from hub.secret_box import SecretBox

_PURPOSE = "known-device"
_NONCE_BYTES = 16


def new_device_token(box: SecretBox, *, email: str) -> str:
    """Return the cookie's value for a browser in which this person has signed in."""
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    return f"{nonce}.{box.mac(f'{email}\n{nonce}', purpose=_PURPOSE)}"


def known_device(box: SecretBox, token: str | None, *, email: str) -> str | None:
    """Return the browser's own name when it is known for this account, else None."""
    nonce, _, proof = (token or "").partition(".")
    if not nonce or not box.verify(proof, f"{email}\n{nonce}", purpose=_PURPOSE):
        return None
    return nonce
