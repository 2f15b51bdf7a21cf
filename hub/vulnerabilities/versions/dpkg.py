"""Debian's order (deb-version(7)): `~` before the end, the end before letters, then the rest.

Numbers compare by value; an absent revision is the same as `0`.
"""

import re

from hub.vulnerabilities.versions.encoding import InvalidVersion, checked, number

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_END = 0x02
_TILDE = 0x01


def _weight(character: int) -> int:
    if character == ord("~"):
        return _TILDE
    return character if chr(character).isalpha() else character + 0x80


_WEIGHTS = bytes(_weight(code) if code < 0x80 else 0 for code in range(256))  # noqa: PLR2004


def dpkg_key(version: str) -> bytes:
    """Return the sort key of `[epoch:]upstream[-revision]`."""
    epoch, colon, rest = checked(version).partition(":")
    if not colon:
        epoch, rest = "0", epoch
    if not epoch.isdigit():
        raise InvalidVersion("the epoch is not a number")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    if not upstream:
        raise InvalidVersion("there is no upstream version")
    return number(epoch) + _part(upstream) + _part(revision)


def _part(part: str) -> bytes:
    key = bytearray()
    for other, digits in _PARTS.findall(part)[:-1] or [("", "")]:
        key += other.encode().translate(_WEIGHTS)
        key.append(_END)
        key += number(digits)
    key.append(_END)
    return bytes(key)
