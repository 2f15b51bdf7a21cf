"""What is sent: JSON with the facts, and a `text` as Slack's incoming webhooks take it.

    {
      "version": 1,
      "id": "<the delivery's id>",
      "event": "alert.opened" | "alert.resolved" | "detection.opened" | "detection.acknowledged"
               | "detection.resolved" | "test",
      "created_at": "<RFC 3339>",
      "text": "<one line, escaped for Slack>",
      "alert": {id, title, description, severity, category, source, state, opened_at, resolved_at,
                rule_id, agent: {id, name} | null},
      "detection": {id, number, rule_kind, title, severity, technique, state, source_address,
                    target_user, event_count, first_seen_at, last_seen_at, acknowledged_by,
                    agent: {id, name} | null}
    }

`alert` and `detection` are there when the event is about one, as they were when it happened.
Titles and names were written by whoever controls a host: what hides or rearranges text is taken
out of them, and what Slack would read as a command (`<!channel>`, a disguised link) is escaped.
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.alerts.webhooks.models import WebhookEvent

MAX_TEXT_CHARACTERS = 2000
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_VERBS = {
    WebhookEvent.ALERT_OPENED: "opened",
    WebhookEvent.ALERT_RESOLVED: "resolved",
    WebhookEvent.DETECTION_OPENED: "detected",
    WebhookEvent.DETECTION_ACKNOWLEDGED: "acknowledged",
    WebhookEvent.DETECTION_RESOLVED: "resolved",
}


def body_of(
    *, delivery_id: UUID, event: WebhookEvent, created_at: datetime, subject: Mapping[str, Any]
) -> bytes:
    """Return the body of a notification: the same for each attempt."""
    facts = {name: _clean(value) for name, value in subject.items()}
    payload: dict[str, Any] = {
        "version": 1,
        "id": str(delivery_id),
        "event": event.wire_name,
        "created_at": created_at.isoformat(),
        "text": slack_text(event, facts),
    }
    if event is not WebhookEvent.TEST:
        payload[event.value.partition("_")[0]] = facts
    return orjson.dumps(payload)


def slack_text(event: WebhookEvent, facts: Mapping[str, Any]) -> str:
    """Return the line that a chat shows."""
    if event is WebhookEvent.TEST:
        return "This is a test from monsys: notifications arrive here."
    host = f" on {facts['agent']['name']}" if facts.get("agent") else ""
    number = f"{facts['number']}: " if facts.get("number") else ""
    more = f" {facts['description']}" if facts.get("description") else ""
    line = f"[{facts['severity']}] {number}{facts['title']}{host}: {_VERBS[event]}.{more}"
    return _escaped(line[:MAX_TEXT_CHARACTERS])


def plain(text: str) -> str:
    """Return one line of text in which nothing is hidden."""
    seen = (" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    return " ".join("".join(seen).split())[:MAX_TEXT_CHARACTERS]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {name: _clean(part) for name, part in value.items()}
    return value


def _escaped(text: str) -> str:
    """Escape the three characters that Slack gives a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
