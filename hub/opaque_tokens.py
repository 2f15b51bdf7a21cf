"""What our opaque tokens look like, and what is stored of them.

A prefix says what it is, 256 random bits follow, and a CRC-32 of both closes it. Secret scanners
recognise a leak by shape and checksum without asking us, and typing errors and guesses are turned
away without asking the database.
"""

import hashlib
import re
import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_letters
_RANDOM_CHARACTERS = 43  # 62^43 is more than 2^256
_CHECKSUM_CHARACTERS = 6  # 62^6 is more than 2^32
_TOKEN = re.compile(r"m[a-z]{2}_[0-9A-Za-z]{49}")


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
