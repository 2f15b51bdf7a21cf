"""Semantic versions, read as generously as ecosystems write them: `v1.2.3`, `go1.19`, `6.5`.

Missing numbers are 0, and there may be more than three (Linux 2.6.32.61). Build metadata has no
order, except in Dart's Pub.
"""

import re

from hub.vulnerabilities.versions.encoding import InvalidVersion, checked, number, text

_VERSION = re.compile(
    r"(?:[vV]|go)?(?P<numbers>[0-9]+(?:\.[0-9]+)*)"
    r"(?:-(?P<pre>[0-9A-Za-z.~_-]+))?(?:\+(?P<build>.*))?"
)
_NUMBERS = 3
_NO_MORE, _MORE = b"\x01", b"\x02"
_PRERELEASE, _RELEASE = b"\x01", b"\x02"
_END, _NUMERIC, _WORD = b"\x00", b"\x01", b"\x02"


def semver_key(version: str) -> bytes:
    """Return the sort key of a version, without its build metadata."""
    return _key(_parse(version))


def pub_key(version: str) -> bytes:
    """Return the sort key of a version of Dart's Pub, where a build comes after none."""
    found = _parse(version)
    return _key(found) + (_identifiers(found["build"]) if found["build"] else b"")


def numeric_key(version: str) -> bytes:
    """Return the sort key of a list of numbers (CRAN, Hackage): a longer list is newer."""
    parts = re.split(r"[.-]", checked(version))
    if not all(part.isdigit() for part in parts):
        raise InvalidVersion("not a list of numbers")
    return b"".join(_MORE + number(part) for part in parts) + _NO_MORE


def _parse(version: str) -> re.Match[str]:
    found = _VERSION.fullmatch(checked(version))
    if found is None:
        raise InvalidVersion("not a semantic version")
    return found


def _key(found: re.Match[str]) -> bytes:
    numbers = found["numbers"].split(".")
    numbers += ["0"] * (_NUMBERS - len(numbers))
    while len(numbers) > _NUMBERS and not numbers[-1].strip("0"):
        numbers.pop()
    key = b"".join(number(part) for part in numbers[:_NUMBERS])
    key += b"".join(_MORE + number(part) for part in numbers[_NUMBERS:]) + _NO_MORE
    return key + (_PRERELEASE + _identifiers(found["pre"]) if found["pre"] else _RELEASE)


def _identifiers(dotted: str) -> bytes:
    parts = dotted.split(".")
    return b"".join(_NUMERIC + number(p) if p.isdigit() else _WORD + text(p) for p in parts) + _END
