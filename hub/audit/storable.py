"""Text that others wrote, made fit to be stored: a strange name must not cost the row.

Whoever calls an unknown tool or signs in with a strange address chooses text that ends up in the
trail. PostgreSQL stores no NUL, UTF-8 has no lone surrogates, and the columns have limits.
"""

from typing import Any

from hub.audit.events import AuditEvent

MAX_ACTOR_CHARACTERS = 254
MAX_OUTCOME_CHARACTERS = 32
MAX_TEXT_CHARACTERS = 2000
MAX_TOOL_NAME_CHARACTERS = 200
MAX_REQUEST_ID_CHARACTERS = 64


def storable_text(text: str, *, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """Return the text without what PostgreSQL or UTF-8 refuse, cut to a length."""
    if len(text) <= max_characters and text.isascii() and "\0" not in text:
        return text
    encodable = text[:max_characters].encode("utf-8", "replace").decode()
    return encodable.replace("\0", "\N{REPLACEMENT CHARACTER}")


def storable_event(event: AuditEvent) -> AuditEvent:
    """Return the event with all of its text fit to be stored."""
    return AuditEvent(
        event_type=event.event_type,
        actor_kind=event.actor_kind,
        user_id=event.user_id,
        actor=storable_text(event.actor, max_characters=MAX_ACTOR_CHARACTERS),
        outcome=storable_text(event.outcome, max_characters=MAX_OUTCOME_CHARACTERS),
        details=_storable_value(event.details),
        body=None if event.body is None else storable_text(event.body),
        request_id=None
        if event.request_id is None
        else storable_text(event.request_id, max_characters=MAX_REQUEST_ID_CHARACTERS),
    )


def _storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(key): _storable_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_value(part) for part in value]
    return value
