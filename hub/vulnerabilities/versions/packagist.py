"""Packagist's order, PHP's `version_compare`: dev, alpha, beta, RC, release, numbers, pl."""

import re

from hub.vulnerabilities.versions.encoding import InvalidVersion, checked, number

_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
_WORDS = {
    "dev": b"\x02",
    "alpha": b"\x03",
    "a": b"\x03",
    "beta": b"\x04",
    "b": b"\x04",
    "rc": b"\x05",
    "patch": b"\x08",
    "pl": b"\x08",
    "p": b"\x08",
}
_UNKNOWN_WORD, _END, _NUMBER = b"\x01", b"\x06", b"\x07"


def packagist_key(version: str) -> bytes:
    """Return the sort key of a Composer package's version."""
    cleaned = checked(version)
    parts = _PARTS.findall(cleaned[1:] if cleaned[0] in "vV" else cleaned)
    if not parts or not any(part.isdigit() for part in parts):
        raise InvalidVersion("a branch, not a version")
    return b"".join(_part(part) for part in parts) + _END


def _part(part: str) -> bytes:
    return _NUMBER + number(part) if part.isdigit() else _WORDS.get(part.lower(), _UNKNOWN_WORD)
