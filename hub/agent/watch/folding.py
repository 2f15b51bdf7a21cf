"""Folds many alike refusals into one event with a count: 5,000 guesses are not 5,000 events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hub.agent.watch.observed import ObservedEvent, digest_of
from hub.detections.events import EventKind

# Short enough that counts still say how fast it went.
BUCKET_SECONDS = 30
MAX_USERS_AN_ADDRESS = 20

type _Key = tuple[object, ...]


@dataclass(slots=True)
class _Fold:
    last: ObservedEvent
    first_position: str
    last_position: str
    count: int = 0
    users: set[str] = field(default_factory=set)


def fold(observed: Sequence[tuple[ObservedEvent, str]]) -> list[ObservedEvent]:
    """Return the events, oldest first: refusals that are alike and near in time as one of them.

    Alike is the same service, address and account. When one address tries very many accounts,
    those beyond MAX_USERS_AN_ADDRESS are one event without an account.
    """
    folds: dict[_Key, _Fold] = {}
    users_by_place: dict[_Key, set[str]] = {}
    others = []
    for event, position in observed:
        if event.kind is not EventKind.AUTH_FAILURE:
            others.append(replace(event, key=event.key or position))
            continue
        bucket = int(event.at.timestamp()) // BUCKET_SECONDS
        place: _Key = (event.process, event.source_address, bucket)
        users = users_by_place.setdefault(place, set())
        name = event.user or ""
        if name not in users and len(users) < MAX_USERS_AN_ADDRESS:
            users.add(name)
        key = (*place, name if name in users else None)
        found = folds.setdefault(key, _Fold(event, position, position))
        found.last, found.last_position = event, position
        found.count += event.count
        found.users.add(name)
    return _ordered([*others, *(_event(found) for found in folds.values())])


def _event(found: _Fold) -> ObservedEvent:
    event = replace(
        found.last,
        count=found.count,
        key=digest_of(found.first_position, found.last_position, found.last.user),
    )
    if len(found.users) == 1:
        return event
    details = {**event.details, "accounts": str(len(found.users))}
    return replace(
        event,
        user=None,
        summary=f"{event.process} refused {len(found.users)} accounts"
        f" from {event.source_address or 'somewhere'}",
        details=details,
    )


def _ordered(events: Iterable[ObservedEvent]) -> list[ObservedEvent]:
    return sorted(events, key=lambda event: event.at)
