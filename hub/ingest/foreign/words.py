"""Words of other tools, made fit for our tables: bounded, and without what cannot be stored."""

import re
from collections.abc import Mapping
from typing import Any

from hub.severity import Severity
from hub.text import is_storable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SEVERITIES = {
    **dict.fromkeys(
        ("critical", "crit", "page", "emergency", "alert", "fatal", "disaster", "blocker", "p1"),
        Severity.CRITICAL,
    ),
    **dict.fromkeys(("high", "error", "err", "major", "severe", "p2"), Severity.HIGH),
    **dict.fromkeys(
        ("medium", "moderate", "warning", "warn", "average", "ticket", "p3"), Severity.MEDIUM
    ),
    **dict.fromkeys(("low", "minor", "notice", "p4"), Severity.LOW),
    **dict.fromkeys(
        ("info", "information", "informational", "none", "debug", "ok", "p5"), Severity.INFO
    ),
}


def severity_of_word(word: object, *, default: Severity = Severity.MEDIUM) -> Severity:
    """Return the severity that a tool's word means."""
    return _SEVERITIES.get(str(word).strip().lower(), default) if word else default


def one_line(value: object, *, max_characters: int) -> str:
    """Return the value as one line of storable text."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = _CONTROL.sub(" ", storable(str(value)[: max_characters * 2])).strip()
    return text[:max_characters].rstrip()


def paragraphs(value: object, *, max_characters: int) -> str:
    """Return the value as storable text that may have several lines."""
    if value is None or isinstance(value, dict | list):
        return ""
    lines = storable(str(value)[: max_characters * 2]).splitlines()
    kept = "\n".join(_CONTROL.sub(" ", line).rstrip() for line in lines).strip()
    return kept[:max_characters].rstrip()


def storable(text: str) -> str:
    """Return the text without what PostgreSQL or UTF-8 refuse."""
    if is_storable(text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def inner(value: Any, *path: str) -> Any:
    """Return what stands at the path of nested objects, or None where it breaks off.

    A dotted key (`{"source.ip": …}`) is read like the nesting that it abbreviates.
    """
    if not isinstance(value, Mapping):
        return None
    dotted = value.get(".".join(path))
    if dotted is not None:
        return dotted
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
