"""rpm's order (`rpmvercmp`): `~` before the end, the end before `^`, letters before numbers."""

import re

from hub.vulnerabilities.versions.encoding import checked, number, text

_SEGMENTS = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = (bytes((mark,)) for mark in range(1, 6))
_NO_EPOCH = frozenset({"", "(none)"})  # `%{EPOCH}:…` where a package has none
_NO_RELEASE, _RELEASE = b"\x00", b"\x01"


def rpm_key(version: str) -> bytes:
    """Return the sort key of `[epoch:]version[-release]`; an absent epoch is 0.

    Whatever is neither letter, digit, `~` nor `^` only separates, letters of other scripts too.
    """
    epoch, colon, rest = checked(version, any_letters=True).partition(":")
    if not colon:
        epoch, rest = "0", epoch
    elif epoch in _NO_EPOCH:
        epoch = "0"
    upstream, dash, release = rest.rpartition("-")
    if not dash:
        return _segments(epoch) + _segments(rest) + _NO_RELEASE
    return _segments(epoch) + _segments(upstream) + _RELEASE + _segments(release)


def _segments(part: str) -> bytes:
    return b"".join(_segment(found) for found in _SEGMENTS.findall(part)) + _END


def _segment(found: str) -> bytes:
    if found == "~":
        return _TILDE
    if found == "^":
        return _CARET
    return _DIGITS + number(found) if found[0].isdigit() else _LETTERS + text(found)
