"""Alertmanager's webhook, version 4: what one request tells of, in our terms.

A group may be `firing` while one of its alerts is resolved, so each alert's own status counts.
Senders before 0.22 leave out `fingerprint` and `status`: then the labels and the end decide.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hub.alerts.models import AlertCategory
from hub.errors import InvalidInput
from hub.ingest.foreign.bodies import parsed_json
from hub.ingest.foreign.hosts import HostHint, hint_of
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.words import one_line, paragraphs, severity_of_word
from hub.severity import Severity

MAX_ALERTS = 1_000
_MAX_LABELS = 200
_MAX_CLOCK_AHEAD = timedelta(minutes=5)
_HOST_LABELS = ("host", "hostname", "nodename", "node", "instance")
_SEVERITY_LABELS = ("severity", "priority", "level")
# The first that matches; the words stand in the names that common rule sets give their alerts.
_CATEGORY_WORDS = {
    AlertCategory.CERTIFICATE: ("cert", "tls", "ssl"),
    AlertCategory.BACKUP: ("backup", "snapshot", "restic", "borg"),
    AlertCategory.SECURITY: ("security", "intrusion", "falco", "bruteforce", "unauthor", "malware"),
    AlertCategory.AVAILABILITY: (
        "down", "absent", "unreachable", "offline", "notready", "not_ready", "crashloop",
        "missing", "unavailable", "deadman", "watchdog", "probefail", "oomkill", "restart",
    ),
    AlertCategory.CAPACITY: (
        "disk", "filesystem", "inode", "memory", "swap", "space", "quota", "volume", "full",
        "storage",
    ),
    AlertCategory.NETWORK: ("network", "interface", "packet", "conntrack", "dns", "nic"),
    AlertCategory.PERFORMANCE: (
        "cpu", "load", "latency", "slow", "throttl", "saturat", "response", "queue", "error",
    ),
}  # fmt: skip
type _Words = Annotated[dict[str, str], Field(max_length=_MAX_LABELS)]


class _Alert(BaseModel):
    """One alert as it is sent; fields that we have no use for are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Annotated[str, Field(pattern="^(firing|resolved)$")] | None = None
    labels: _Words
    annotations: _Words = {}
    startsAt: AwareDatetime  # noqa: N815 - Alertmanager's spelling
    endsAt: AwareDatetime | None = None  # noqa: N815
    fingerprint: Annotated[str, Field(max_length=200)] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One period of one trouble: it began, and perhaps it is over."""

    index: int
    external_id: str
    title: str
    description: str
    category: AlertCategory
    severity: Severity
    host: HostHint | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notification:
    """What one request tells of."""

    told: list[Told]
    outcome: Outcome


def parse_notification(body: bytes, *, now: datetime) -> Notification:
    """Return what the body tells of, and which of its alerts cannot be read."""
    payload = parsed_json(body)
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        raise InvalidInput(
            "The body must be a webhook notification of Alertmanager: an object with `alerts`.",
            field="alerts",
        )
    if len(alerts) > MAX_ALERTS:
        raise InvalidInput(
            f"At most {MAX_ALERTS} alerts a request; set `max_alerts` of the webhook.",
            field="alerts",
        )
    if str(payload.get("version", "4")) != "4":
        raise InvalidInput("`version` must be 4.", field="version")
    outcome = Outcome()
    told = [
        one
        for index, alert in enumerate(alerts)
        if (one := _told(index, alert, outcome, now)) is not None
    ]
    _note_truncation(payload, outcome)
    return Notification(told, outcome)


def _note_truncation(payload: dict[str, Any], outcome: Outcome) -> None:
    truncated = payload.get("truncatedAlerts", 0)
    if isinstance(truncated, int) and truncated > 0:
        outcome.notes.append(
            f"Alertmanager left out {truncated} alerts of this group; raise `max_alerts`."
        )


def _told(index: int, alert: object, outcome: Outcome, now: datetime) -> Told | None:
    try:
        read = _Alert.model_validate(alert)
        started_at = _instant(read.startsAt)
        ended_at = _end(read, now)
    except ValidationError as error:
        outcome.refuse(index, *first_problem(error))
        return None
    if started_at > now + _MAX_CLOCK_AHEAD:
        outcome.refuse(index, "startsAt", "It is more than 5 minutes ahead of the hub's clock.")
        return None
    labels = read.labels
    return Told(
        index=index,
        external_id=_external_id(read),
        title=_title(read),
        description=paragraphs(read.annotations.get("description"), max_characters=2000),
        category=_category(labels),
        severity=severity_of_word(_first(labels, _SEVERITY_LABELS)),
        host=hint_of(_first(labels, _HOST_LABELS)),
        started_at=started_at,
        ended_at=None if ended_at is None else max(ended_at, started_at),
    )


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Return the first field that is wrong and what is wrong with it, never what stood there."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    names = [str(part) for part in first["loc"][:1]]  # deeper keys are the payload's own words
    return ".".join(names) or "item", f"{first['msg']}."[:300]


def _end(alert: _Alert, now: datetime) -> datetime | None:
    """Return when it ended: not yet, when it is firing, whatever `endsAt` foresees."""
    end = _instant(alert.endsAt) if alert.endsAt is not None and alert.endsAt.year > 1 else None
    if alert.status == "firing":
        return None
    if alert.status == "resolved":
        return min(end or now, now)
    return end if end is not None and end <= now else None


def _instant(told: datetime) -> datetime:
    # The first and the last day of the calendar have no UTC in every zone.
    try:
        return told.astimezone(UTC)
    except OverflowError:
        return datetime(1, 1, 2, tzinfo=UTC)


def _external_id(alert: _Alert) -> str:
    """Return what is the same for every notification of the same trouble."""
    identity = alert.fingerprint or orjson.dumps(sorted(alert.labels.items()))
    text = identity if isinstance(identity, bytes) else identity.encode("utf-8", "replace")
    return hashlib.sha256(text).hexdigest()


def _title(alert: _Alert) -> str:
    told = (
        alert.annotations.get("summary"),
        alert.annotations.get("title"),
        alert.labels.get("alertname"),
        alert.annotations.get("message"),
    )
    lines = (one_line(text, max_characters=200) for text in told)
    return next((line for line in lines if line), "Alert without a name")


def _category(labels: dict[str, str]) -> AlertCategory:
    said = labels.get("category", "").strip().lower()
    if said in set(AlertCategory):
        return AlertCategory(said)
    name = labels.get("alertname", "").lower()
    for category, words in _CATEGORY_WORDS.items():
        if any(word in name for word in words):
            return category
    return AlertCategory.AVAILABILITY


def _first(labels: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((labels[name] for name in names if labels.get(name, "").strip()), None)
