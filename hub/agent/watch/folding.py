"""Folds many alike refusals into one event with a count: 5,000 guesses are not 5,000 events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hub.agent.watch.observed import ObservedEvent, digest_of
from hub.detections.events import EventKind

# Short enough that counts still say how fast it went.
BUCKET_SECONDS = 30
MAX_USERS_AN_ADDRESS = 20
MAX_FOLDS = 200

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
    those beyond MAX_USERS_AN_ADDRESS are one event without an account. When very many addresses try
    a little each, those beyond the MAX_FOLDS busiest are one event without an address.
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
    busiest = sorted(folds.values(), key=lambda found: found.count, reverse=True)
    events = [_event(found) for found in busiest[:MAX_FOLDS]]
    return _ordered([*others, *events, *_crowds(busiest[MAX_FOLDS:])])


def _crowds(folds: Sequence[_Fold]) -> list[ObservedEvent]:
    """Return one event for each service and stretch of time, for what is too many to be told."""
    crowds: dict[_Key, list[_Fold]] = {}
    for found in folds:
        bucket = int(found.last.at.timestamp()) // BUCKET_SECONDS
        crowds.setdefault((found.last.process, bucket), []).append(found)
    return [_crowd(members) for members in crowds.values()]


def _crowd(folds: Sequence[_Fold]) -> ObservedEvent:
    last = max((found.last for found in folds), key=lambda event: event.at)
    addresses = {found.last.source_address for found in folds}
    return replace(
        last,
        user=None,
        source_address=None,
        count=sum(found.count for found in folds),
        summary=f"{last.process} refused {len(addresses)} addresses a little each",
        key=digest_of(*(found.first_position for found in folds)),
        details={**last.details, "addresses": str(len(addresses))},
    )


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
