"""Python's order (PEP 440), parsed by `packaging`. Legacy versions have no place in it."""

from packaging.version import InvalidVersion as NotPep440
from packaging.version import Version

from hub.vulnerabilities.versions.encoding import InvalidVersion, checked, number, text

_LOWEST, _HIGHEST = b"\x01", b"\x09"
_PRE = {"a": b"\x02", "b": b"\x03", "rc": b"\x04"}
_NO_MORE, _MORE = b"\x01", b"\x02"
_LOCAL_END, _LOCAL_WORD, _LOCAL_NUMBER = b"\x00", b"\x01", b"\x02"


def pep440_key(version: str) -> bytes:
    """Return the sort key of a Python package's version."""
    try:
        parsed = Version(checked(version))
    except NotPep440 as error:
        raise InvalidVersion("not a version of PEP 440") from error
    return b"".join(
        (
            number(str(parsed.epoch)),
            _release(parsed.release),
            _pre(parsed),
            _LOWEST if parsed.post is None else _MORE + number(str(parsed.post)),
            _HIGHEST if parsed.dev is None else _LOWEST + number(str(parsed.dev)),
            _local(parsed.local),
        )
    )


def _release(numbers: tuple[int, ...]) -> bytes:
    significant = list(numbers)
    while significant and not significant[-1]:
        significant.pop()
    return b"".join(_MORE + number(str(part)) for part in significant) + _NO_MORE


def _pre(parsed: Version) -> bytes:
    if parsed.pre is not None:
        return _PRE[parsed.pre[0]] + number(str(parsed.pre[1]))
    # A development release of the release itself comes before its alphas.
    return _LOWEST if parsed.dev is not None and parsed.post is None else _HIGHEST


def _local(local: str | None) -> bytes:
    parts = local.split(".") if local else []
    return (
        b"".join(
            _LOCAL_NUMBER + number(part) if part.isdigit() else _LOCAL_WORD + text(part)
            for part in parts
        )
        + _LOCAL_END
    )
