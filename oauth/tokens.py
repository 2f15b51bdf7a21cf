"""What our opaque tokens look like, and what is stored of them.

A prefix says what it is, 256 random bits follow, and a CRC-32 of both closes it. Secret scanners
recognise a leak by shape and checksum without asking us, and the bearer check turns away typing
errors and guesses without asking the database.
"""

import hashlib
import re
import secrets
import string
import zlib

ACCESS_TOKEN_PREFIX = "mat_"  # noqa: S105 - what every token begins with
REFRESH_TOKEN_PREFIX = "mrt_"  # noqa: S105
CLIENT_SECRET_PREFIX = "mcs_"  # noqa: S105
CLIENT_ID_PREFIX = "mcp_"

_ALPHABET = string.digits + string.ascii_letters
_RANDOM_CHARACTERS = 43  # 62^43 is more than 2^256
_CHECKSUM_CHARACTERS = 6  # 62^6 is more than 2^32
# For secret scanners, published in the documentation. The last six characters are the CRC-32 of
# all before them in base 62 (0-9, a-z, A-Z), most significant first: chance matches fail it.
SCANNER_PATTERN = r"\bm(?:at|rt|cs)_[0-9A-Za-z]{49}\b"
_TOKEN = re.compile(r"m[a-z]{2}_[0-9A-Za-z]{49}")
_CLIENT_ID = re.compile(r"mcp_[0-9a-f]{32}")


def new_token(prefix: str) -> str:
    """Return a new token that starts with this prefix."""
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return body + _checksum(body)


def is_well_formed(token: str, prefix: str) -> bool:
    """Tell whether we could have made this token: its prefix, its shape and its checksum."""
    if not (token.startswith(prefix) and _TOKEN.fullmatch(token)):
        return False
    body, checksum = token[:-_CHECKSUM_CHARACTERS], token[-_CHECKSUM_CHARACTERS:]
    return checksum == _checksum(body)


def new_client_id() -> str:
    """Return a new client id."""
    return CLIENT_ID_PREFIX + secrets.token_hex(16)


def is_client_id(text: str) -> bool:
    """Tell whether a client id has the shape of those we hand out."""
    return _CLIENT_ID.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256. It is random, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
