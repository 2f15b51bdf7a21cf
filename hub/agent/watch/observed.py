"""One thing that a watcher saw, and how it goes over the wire."""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.detections.events import EventKind

MAX_DETAILS = 16
_LENGTHS = {"summary": 500, "user": 64, "process": 200, "path": 1024, "command": 2000}
_MAX_RAW = 2000
_MAX_DETAIL = 500
_REPLACED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)), "�")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedEvent:
    """One thing that happened. Text in it may be an attacker's: `encoded` makes it fit to send.

    `key` says what makes it that one thing: seen twice under one key, it is the same event.
    Without a key it is new each time that it is observed.
    """

    kind: EventKind
    at: datetime
    summary: str
    key: str | None = None
    user: str | None = None
    source_address: str | None = None
    process: str | None = None
    path: str | None = None
    command: str | None = None
    port: int | None = None
    protocol: str | None = None
    sha256: str | None = None
    count: int = 1
    raw: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


def encoded(event: ObservedEvent, *, identity: str) -> dict[str, Any]:
    """Return the event as it goes over the wire; what is not known is left out."""
    told: dict[str, Any] = {
        name: one_line(value, length)
        for name, length in _LENGTHS.items()
        if (value := getattr(event, name))
    }
    for name in ("port", "protocol", "sha256"):
        if (value := getattr(event, name)) is not None:
            told[name] = value
    if (address := ip_address(event.source_address)) is not None:
        told["source_address"] = address
    if event.raw:
        told["raw"] = event.raw.translate(_REPLACED)[:_MAX_RAW]
    if event.details:
        told["details"] = {
            name: one_line(value, _MAX_DETAIL)
            for name, value in list(event.details.items())[:MAX_DETAILS]
        }
    return {
        "id": identity,
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        "count": event.count,
        **told,
    }


def one_line(text: str, length: int) -> str:
    """Return the text without control characters and unpaired surrogates, cut to its length."""
    return text[:length].translate(_REPLACED)


def ip_address(text: str | None) -> str | None:
    """Return the address in its canonical spelling, or None: a host's name is no address.

    An IPv4 address that came in over an IPv6 socket is the IPv4 address.
    """
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def digest_of(*parts: object) -> str:
    """Return a short name for these parts together; the same parts have the same name."""
    joined = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:40]
