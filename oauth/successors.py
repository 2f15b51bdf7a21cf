"""A rotated refresh token keeps its successor, sealed so that only the old token opens it.

Several requests of one client may refresh at once, and a lost answer is asked for again. Each of
them gets the same successor for a short while, so the chain never forks: whoever stole a token can
not walk a chain of their own beside the client's, and the next reuse still shows (RFC 9700 §4.14).
The database alone opens none of them, because it holds digests only.
"""

import hmac

from nacl.secret import SecretBox

_PURPOSE = b"monsys:refresh-successor"


def seal_successor(successor: str, *, token: str) -> bytes:
    """Return the successor, readable by whoever shows the token."""
    return bytes(_box(token).encrypt(successor.encode("ascii")))


def open_successor(sealed: bytes, *, token: str) -> str:
    """Return the successor that was sealed for this token."""
    return bytes(_box(token).decrypt(sealed)).decode("ascii")


def _box(token: str) -> SecretBox:
    return SecretBox(hmac.digest(token.encode("ascii"), _PURPOSE, "sha256"))
