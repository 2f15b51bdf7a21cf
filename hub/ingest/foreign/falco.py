"""Falco's events, straight from Falco (`http_output`, JSON lines) or through falcosidekick."""

import hashlib
import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.falco_alerts import falco_event_kind
from hub.detections.foreign import rules_that_see
from hub.errors import InvalidInput
from hub.ingest.foreign.bodies import parsed_json
from hub.ingest.foreign.hosts import hint_of
from hub.ingest.foreign.instants import instant_of, instant_of_number
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.seen import MAX_ITEMS, Batch, Seen, time_problem
from hub.ingest.foreign.words import one_line, paragraphs
from hub.severity import Severity

# Of Falco about itself: how many events it saw, which rules it dropped.
_ABOUT_ITSELF = "falco internal:"
_PRIORITIES = {
    "emergency": Severity.CRITICAL,
    "alert": Severity.CRITICAL,
    "critical": Severity.CRITICAL,
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "notice": Severity.LOW,
    "informational": Severity.INFO,
    "info": Severity.INFO,
    "debug": Severity.INFO,
}
_MAX_LINES = MAX_ITEMS + 1


def parse_falco(body: bytes, *, now: datetime) -> Batch:
    """Return what the body tells of: one event, a list of events, or one event a line."""
    items = _items(body)
    if len(items) > MAX_ITEMS:
        raise InvalidInput(f"At most {MAX_ITEMS} events a request.", field="body")
    outcome = Outcome()
    seen = [
        one
        for index, item in enumerate(items)
        if (one := _seen(index, item, outcome, now)) is not None
    ]
    return Batch(seen, outcome)


def _items(body: bytes) -> list[Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        lines = body.split(b"\n", _MAX_LINES)
        return [parsed_json(line) for line in lines if line.strip()] or parsed_json(body)
    if isinstance(payload, list):
        return payload
    return [payload]


def _seen(index: int, item: Any, outcome: Outcome, now: datetime) -> Seen | None:
    if not isinstance(item, Mapping):
        outcome.refuse(index, "item", "An event must be an object.")
        return None
    rule = one_line(item.get("rule"), max_characters=200)
    if rule.lower().startswith(_ABOUT_ITSELF):
        outcome.unchanged += 1
        note = "Falco's reports about itself are no security events and were not stored."
        if note not in outcome.notes:
            outcome.notes.append(note)
        return None
    fields = item.get("output_fields")
    fields = fields if isinstance(fields, Mapping) else {}
    severity = _PRIORITIES.get(str(item.get("priority")).strip().lower())
    at = instant_of(item.get("time")) or instant_of_number(fields.get("evt.time"))
    for wrong, name, reason in (
        (not rule, "rule", "The event has no `rule`."),
        (severity is None, "priority", "`priority` must be one of Falco's, Emergency to Debug."),
        (at is None, "time", "`time` must be an RFC 3339 instant, or `evt.time` nanoseconds."),
    ):
        if wrong:
            outcome.refuse(index, name, reason)
            return None
    assert at is not None  # noqa: S101 - looked at above
    assert severity is not None  # noqa: S101
    if problem := time_problem(at, now):
        outcome.refuse(index, "time", problem)
        return None
    return Seen(
        index=index,
        source="falco",
        host=hint_of(item.get("hostname") or fields.get("evt.hostname")),
        host_field="hostname",
        rule=rule,
        subject=_subject(fields),
        at=at,
        severity=severity,
        title=rule,
        description=paragraphs(item.get("output"), max_characters=2000),
        event=_event(item, fields, rule, at),
    )


def _event(
    item: Mapping[str, Any], fields: Mapping[str, Any], rule: str, at: datetime
) -> SecurityEvent | None:
    """Return what our rules read of it; None when there is none that does."""
    tags = item.get("tags")
    tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    kind = falco_event_kind(rule, tags=tags, output_fields=fields)
    if kind is None:
        return None
    event = _event_of_kind(kind, item, fields, rule=rule, at=at)
    return event if rules_that_see(event) else None


def _event_of_kind(
    kind: EventKind,
    item: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    rule: str,
    at: datetime,
) -> SecurityEvent:
    output = paragraphs(item.get("output"), max_characters=4000)
    return SecurityEvent(
        id=_id(item, rule, at),
        kind=kind,
        at=at,
        summary=one_line(output or rule, max_characters=500),
        user=_text(fields, "user.name", maximum=64),
        source_address=_address(fields),
        process=_text(fields, "proc.name", maximum=200),
        path=_text(fields, "fd.name", "proc.exepath", "evt.arg.path", maximum=1024),
        command=_text(fields, "proc.cmdline", maximum=2000),
        port=_port(fields),
        protocol=_protocol(fields),
        raw=output or None,
        details={"source": "falco", "rule": rule},
    )


def _id(item: Mapping[str, Any], rule: str, at: datetime) -> str:
    """Return Falco's own id, or one that is the same when the event is sent again."""
    told = one_line(item.get("uuid"), max_characters=64)
    if told and told.isascii():
        return told
    parts = (rule, at.isoformat(), str(item.get("hostname")), str(item.get("output")))
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()


def _subject(fields: Mapping[str, Any]) -> str:
    """Return what the event is about: where it ran, and which file or program."""
    names = ("container.id", "k8s.pod.name", "ka.target.name", "fd.name", "proc.name", "user.name")
    return " ".join(text for name in names if (text := _text(fields, name, maximum=200)))[:500]


def _text(fields: Mapping[str, Any], *names: str, maximum: int) -> str | None:
    for name in names:
        # Falco writes <NA> for what it could not find out.
        text = one_line(fields.get(name), max_characters=maximum)
        if text and text != "<NA>":
            return text
    return None


def _address(fields: Mapping[str, Any]) -> str | None:
    for name in ("fd.rip", "fd.cip", "fd.sip", "ka.sourceips"):
        text = _text(fields, name, maximum=64)
        try:
            return str(ipaddress.ip_address(text)) if text else None
        except ValueError:
            continue
    return None


def _port(fields: Mapping[str, Any]) -> int | None:
    for name in ("fd.rport", "fd.sport", "fd.lport"):
        told = fields.get(name)
        if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= 65_535:  # noqa: PLR2004
            return told
    return None


def _protocol(fields: Mapping[str, Any]) -> str | None:
    told = str(fields.get("fd.l4proto", "")).lower()
    return told if told in {"tcp", "udp"} else None
