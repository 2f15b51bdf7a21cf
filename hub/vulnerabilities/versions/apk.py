"""apk's order: `number{.number}{letter}{_suffix{number}}{~hash}{-r#}` (apk-package(5)).

A component with a leading zero is a fraction and compares as text. Commit hashes have no order.
Alpine has also published versions outside of its own grammar (`5.1p1-r0`): a number after the
letter counts, and what follows that puts a version just before the same one without it.
"""

import re

from hub.vulnerabilities.versions.encoding import InvalidVersion, checked, number, text

_VERSION = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+)*)?(?P<letter>[a-z]?)(?P<patch>[0-9]*)"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)"
    r"(?:~[0-9a-f]+)?(?P<build>-r[0-9]*)?(?P<rest>.*)"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")
_WEIGHTS = {
    name: bytes((weight,))
    for weight, name in enumerate(
        ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"), start=1
    )
}
_NO_MORE, _FRACTION, _NUMBER = b"\x01", b"\x02", b"\x03"


def apk_key(version: str) -> bytes:
    """Return the sort key of an Alpine, Wolfi or Chainguard version."""
    found = _VERSION.fullmatch(checked(version))
    if found is None or not (found["numbers"] or found["letter"]) or found["rest"][:1] == ".":
        raise InvalidVersion("not a version of apk")
    first, *more = (found["numbers"] or "0").split(".")
    return b"".join(
        (
            number(first),
            *(_component(digits) for digits in more),
            _NO_MORE,
            text(found["letter"]),
            number(found["patch"]),
            *(
                _WEIGHTS[name] + number(digits)
                for name, digits in _SUFFIX.findall(found["suffixes"])
            ),
            _WEIGHTS[""],
            number(found["build"].removeprefix("-r")) if found["build"] else b"\x00",
            b"\x00" if found["rest"] else b"\x01",
        )
    )


def _component(digits: str) -> bytes:
    return _FRACTION + text(digits) if digits[0] == "0" else _NUMBER + number(digits)
