"""Wazuh's alerts: of 4.x as integratord hands them on, and of 5, which are shaped like ECS."""

import hashlib
import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.foreign import rules_that_see, wazuh_event_kind
from hub.errors import InvalidInput
from hub.ingest.foreign.bodies import parsed_json
from hub.ingest.foreign.hosts import hint_of
from hub.ingest.foreign.instants import instant_of
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.seen import MAX_ITEMS, Batch, Seen, time_problem
from hub.ingest.foreign.words import inner, one_line, paragraphs, severity_of_word
from hub.severity import Severity

_HIGHEST_LEVEL = 15
_LEVELS = ((15, Severity.CRITICAL), (12, Severity.HIGH), (7, Severity.MEDIUM), (4, Severity.LOW))


def parse_wazuh(body: bytes, *, now: datetime) -> Batch:
    """Return what the body tells of: one alert, a list of alerts, or one alert a line."""
    items = _items(body)
    if len(items) > MAX_ITEMS:
        raise InvalidInput(f"At most {MAX_ITEMS} alerts a request.", field="body")
    outcome = Outcome()
    seen = [
        one
        for index, item in enumerate(items)
        if (one := _seen(index, item, outcome, now)) is not None
    ]
    return Batch(seen, outcome)


def severity_of_level(level: int) -> Severity:
    """Return the severity of a rule's level, 0 to 15."""
    return next((severity for least, severity in _LEVELS if level >= least), Severity.INFO)


def _items(body: bytes) -> list[Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        lines = body.split(b"\n", MAX_ITEMS + 1)
        return [parsed_json(line) for line in lines if line.strip()] or parsed_json(body)
    return payload if isinstance(payload, list) else [payload]


def _seen(index: int, item: Any, outcome: Outcome, now: datetime) -> Seen | None:
    if not isinstance(item, Mapping):
        outcome.refuse(index, "item", "An alert must be an object.")
        return None
    alert = _Alert(item)
    severity = alert.severity()
    at = instant_of(_first(item, ("timestamp",), ("@timestamp",)))
    for wrong, name, reason in (
        (not alert.rule_id, "rule.id", "The alert has no `rule.id`."),
        (severity is None, "rule.level", "`rule.level` must be 0 to 15, or a word such as high."),
        (at is None, "timestamp", "`timestamp` must be an instant with an offset."),
    ):
        if wrong:
            outcome.refuse(index, name, reason)
            return None
    assert at is not None  # noqa: S101 - looked at above
    assert severity is not None  # noqa: S101
    if problem := time_problem(at, now):
        outcome.refuse(index, "timestamp", problem)
        return None
    return alert.seen(index, severity, at)


class _Alert:
    """One alert, read in the spelling of whichever version wrote it."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.item = item
        told = _first(item, ("rule", "id"), ("wazuh", "rule", "id"))
        self.rule_id = one_line(told, max_characters=64)

    def severity(self) -> Severity | None:
        """Return how bad it is; a level stands as a number, or as a word in version 5."""
        level = _first(
            self.item, ("rule", "level"), ("wazuh", "rule", "level"), ("event", "severity")
        )
        if isinstance(level, str) and level.strip().isdecimal() and level.isascii():
            level = int(level[:4])
        if isinstance(level, bool) or level is None:
            return None
        if isinstance(level, int):
            return severity_of_level(level) if 0 <= level <= _HIGHEST_LEVEL else None
        if not isinstance(level, str):
            return None
        low, high = (severity_of_word(level, default=one) for one in (Severity.LOW, Severity.HIGH))
        return low if low is high else None  # a word that nobody knows takes the default

    def seen(self, index: int, severity: Severity, at: datetime) -> Seen:
        """Return the alert in our terms."""
        description = self._text(
            ("rule", "description"), ("rule", "title"), ("rule", "name"),
            ("wazuh", "rule", "description"), ("wazuh", "rule", "title"), maximum=200,
        )  # fmt: skip
        title = description or f"Wazuh rule {self.rule_id}"
        log = paragraphs(
            _first(self.item, ("full_log",), ("event", "original"), ("message",)),
            max_characters=4000,
        )
        return Seen(
            index=index,
            source="wazuh",
            host=self._host(),
            host_field="agent.name",
            rule=self.rule_id,
            subject=self._subject(),
            at=at,
            severity=severity,
            title=title,
            description=paragraphs(log, max_characters=2000),
            event=self._event(title, log, at),
        )

    def _host(self) -> Any:
        name = _first(
            self.item, ("agent", "name"), ("wazuh", "agent", "name"),
            ("wazuh", "agent", "host", "hostname"), ("host", "hostname"), ("host", "name"),
        )  # fmt: skip
        address = _first(
            self.item, ("agent", "ip"), ("wazuh", "agent", "host", "ip"), ("host", "ip")
        )
        addresses = address if isinstance(address, list) else [address]
        return hint_of(name, addresses=[one for one in addresses if isinstance(one, str)])

    def _event(self, title: str, log: str, at: datetime) -> SecurityEvent | None:
        """Return what our rules read of it; None when there is none that does."""
        groups = inner(self.item, "rule", "groups")
        kind = wazuh_event_kind(
            self.rule_id,
            groups=[str(one) for one in groups] if isinstance(groups, list) else [],
            path=self._path() or "",
        )
        if kind is None:
            return None
        event = self._event_of_kind(kind, title, log, at)
        return event if rules_that_see(event) else None

    def _event_of_kind(self, kind: EventKind, title: str, log: str, at: datetime) -> SecurityEvent:
        return SecurityEvent(
            id=self._id(at),
            kind=kind,
            at=at,
            summary=one_line(title, max_characters=500),
            user=self._user(),
            source_address=self._address(),
            process=self._text(
                ("predecoder", "program_name"), ("process", "name"), ("data", "process"),
                maximum=200,
            ) or None,
            path=self._path(),
            command=self._text(
                ("data", "command"), ("process", "command_line"), maximum=2000
            ) or None,
            sha256=self._sha256(),
            count=self._count(),
            raw=log or None,
            details={"source": "wazuh", "rule": self.rule_id},
        )  # fmt: skip

    def _id(self, at: datetime) -> str:
        told = self._text(("id",), ("event", "id"), ("wazuh", "event", "id"), maximum=64)
        if told and told.isascii():
            return told
        # As it came: the same alert sent again has the same bytes under the same keys.
        text = orjson.dumps(self.item, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text + at.isoformat().encode()).hexdigest()

    def _user(self) -> str | None:
        return self._text(
            ("data", "dstuser"), ("data", "srcuser"), ("data", "user"), ("user", "name"),
            ("syscheck", "uname_after"), maximum=64,
        ) or None  # fmt: skip

    def _path(self) -> str | None:
        return self._text(("syscheck", "path"), ("file", "path"), maximum=1024) or None

    def _count(self) -> int:
        """Return how many log lines made the alert: rules such as 5712 wait for eight."""
        told = inner(self.item, "rule", "frequency")
        is_count = isinstance(told, int) and not isinstance(told, bool)
        return min(max(told, 1), 1_000) if is_count else 1

    def _sha256(self) -> str | None:
        told = self._text(
            ("syscheck", "sha256_after"), ("file", "hash", "sha256"), maximum=64
        ).lower()
        is_digest = len(told) == 64 and set(told) <= set("0123456789abcdef")  # noqa: PLR2004
        return told if is_digest else None

    def _address(self) -> str | None:
        told = self._text(("data", "srcip"), ("source", "ip"), ("data", "src_ip"), maximum=64)
        try:
            return str(ipaddress.ip_address(told))
        except ValueError:
            return None

    def _subject(self) -> str:
        return " ".join(text for text in (self._user(), self._address(), self._path()) if text)[
            :500
        ]

    def _text(self, *paths: tuple[str, ...], maximum: int) -> str:
        return one_line(_first(self.item, *paths), max_characters=maximum)


def _first(item: Mapping[str, Any], *paths: tuple[str, ...]) -> Any:
    return next((told for path in paths if (told := inner(item, *path)) is not None), None)
