"""Which of our hosts a payload speaks of.

In this order: the host of the full name, the host of the first label (`web-01` for
`web-01.example.com`), the host with the address. Nothing else is guessed. A name that nobody has
becomes an unenrolled agent where the tenant allows it, and takes a place of its plan: monitoring a
host through another tool is monitoring it.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Text, any_, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.events import AuditEvent, EventType
from hub.errors import InvalidInput
from hub.fleet.agent_names import check_agent_name
from hub.fleet.enrollment import lock_plan
from hub.fleet.models import Agent
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.words import one_line
from hub.principal import PrincipalKind

_PORT = re.compile(r"^(?P<host>.+):\d{1,5}$")
_BAD_NAME = (
    "A host's name has 1 to 253 letters, digits or . _ : @ - and starts with a letter or digit."
)
_UNKNOWN = (
    "This host is not known here. Enrol it, or let the tenant accept unknown hosts"
    " (`monsys ingest unknown-hosts allow`, or the dashboard)."
)
_RETIRED = "This host was retired. Enrol it again before anything is stored about it."


@dataclass(frozen=True, slots=True)
class HostHint:
    """What a payload says about which host it means."""

    name: str
    addresses: tuple[str, ...] = ()
    os_name: str = ""
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class UnknownHost:
    """Why a host has no agent of ours."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Known:
    id: UUID
    name: str
    addresses: Sequence[str]
    is_retired: bool


type Hosts = Mapping[HostHint, UUID | UnknownHost]


def hint_of(told: object, *, addresses: Iterable[object] = ()) -> HostHint | None:
    """Return the hint in a label such as `web-01:9100`, `[::1]:9100` or `10.0.0.4`, if it is one.

    A web address is what was asked and not the host that it runs on, so it is no hint.
    """
    known = tuple(text for one in addresses if (text := _address(str(one))))
    label = one_line(told, max_characters=300) if isinstance(told, str) else ""
    if not label or "://" in label:
        return HostHint(known[0], known) if known else None
    name = _without_port(label)
    address = _address(name)
    return HostHint(name[:254], tuple(dict.fromkeys((address, *known))) if address else known)


async def hosts_of(delivery: Delivery, hints: Collection[HostHint | None]) -> Hosts:
    """Return the agent of each hint, or why it has none."""
    wanted = sorted({hint for hint in hints if hint is not None}, key=lambda hint: hint.name)
    if not wanted:
        return {}
    found = await _known_hosts(delivery.session, wanted)
    missing = [hint for hint in wanted if hint not in found]
    if not missing:
        return found
    if not delivery.accepts_unknown_hosts:
        return found | {hint: UnknownHost(_UNKNOWN) for hint in missing}
    return found | await _made_known(delivery, missing)


async def _known_hosts(
    session: AsyncSession, hints: Sequence[HostHint]
) -> dict[HostHint, UUID | UnknownHost]:
    names = {name for hint in hints for name in _names(hint)}
    by_name = {one.name: one for one in await _select(session, names=names)}
    found: dict[HostHint, _Known] = {}
    for hint in hints:
        for name in _names(hint):
            if name in by_name:
                found.setdefault(hint, by_name[name])
    rest = {hint for hint in hints if hint not in found and hint.addresses}
    if rest:
        by_address = await _by_address(session, {one for hint in rest for one in hint.addresses})
        for hint in rest:
            for address in hint.addresses:
                if address in by_address:
                    found.setdefault(hint, by_address[address])
    return {
        hint: UnknownHost(_RETIRED) if known.is_retired else known.id
        for hint, known in found.items()
    }


async def _by_address(session: AsyncSession, addresses: set[str]) -> dict[str, _Known]:
    """Return the hosts of addresses that one host has, and no second one."""
    hosts: dict[str, list[_Known]] = {}
    for known in await _select(session, addresses=addresses):
        for address in addresses.intersection(known.addresses):
            hosts.setdefault(address, []).append(known)
    return {address: known[0] for address, known in hosts.items() if len(known) == 1}


async def _select(
    session: AsyncSession, *, names: Collection[str] = (), addresses: Collection[str] = ()
) -> list[_Known]:
    statement = select(col(Agent.id), col(Agent.name), col(Agent.addresses), col(Agent.retired_at))
    if names:
        statement = statement.where(col(Agent.name) == any_(literal(sorted(names), ARRAY(Text))))
    else:
        statement = statement.where(
            col(Agent.addresses).op("&&")(literal(sorted(addresses), ARRAY(Text)))
        )
    rows = await session.execute(statement)
    return [_Known(row.id, row.name, row.addresses, row.retired_at is not None) for row in rows]


async def _made_known(
    delivery: Delivery, hints: Sequence[HostHint]
) -> dict[HostHint, UUID | UnknownHost]:
    """Make as many hosts known as the plan has places; say about the rest that it has not."""
    session = delivery.session
    outcome: dict[HostHint, UUID | UnknownHost] = {}
    new: dict[str, list[HostHint]] = {}
    for hint in hints:
        try:
            new.setdefault(check_agent_name(hint.name), []).append(hint)
        except InvalidInput:
            outcome[hint] = UnknownHost(_BAD_NAME)
    plan = await lock_plan(session)
    # While we waited for the lock, another delivery may have made the same hosts known.
    found = await _known_hosts(session, [hint for one in new.values() for hint in one])
    outcome |= found
    names = [name for name, of_name in new.items() if not any(one in found for one in of_name)]
    living = select(func.count()).select_from(Agent).where(col(Agent.retired_at).is_(None))
    free = max(0, plan.server_limit - (await session.scalar(living) or 0))
    added = {name: uuid4() for name in names[:free]}
    await _insert(delivery, {name: new[name][0] for name in added}, added)
    full = UnknownHost(
        f"The {plan.name} plan covers {plan.server_limit} servers and has no place left for a new"
        " host. Whoever runs this hub can raise the limit by changing the plan (`monsys tenant"
        " plan`)."
    )
    for name in names:
        for hint in new[name]:
            outcome[hint] = added.get(name, full)
    return outcome


async def _insert(
    delivery: Delivery, hints: Mapping[str, HostHint], ids: Mapping[str, UUID]
) -> None:
    if not ids:
        return
    rows = [
        {
            "tenant_id": delivery.tenant_id,
            "id": ids[name],
            "name": name,
            "tags": [],
            "addresses": list(hints[name].addresses),
            "os_name": hints[name].os_name[:128],
            "architecture": hints[name].architecture[:32],
            "enrolled_at": delivery.now,
            "is_enrolled": False,
        }
        for name in sorted(ids)
    ]
    await delivery.session.execute(postgresql.insert(Agent), rows)
    delivery.events.extend(
        AuditEvent(
            event_type=EventType.AGENT_ENROLLED,
            actor=f"ingest key {delivery.key.id}",
            actor_kind=PrincipalKind.SYSTEM.value,
            details={"agent": name, "source": delivery.key.source.value, "is_enrolled": False},
        )
        for name in sorted(ids)
    )


def _names(hint: HostHint) -> list[str]:
    """Return the names that the host may have here, the most telling one first."""
    lower = hint.name.lower()
    names = [hint.name, lower]
    if not _address(lower) and "." in lower:
        names.append(lower.partition(".")[0])
    return [name for name in dict.fromkeys(names) if name]


def _without_port(text: str) -> str:
    if _address(text):
        return text
    match = _PORT.fullmatch(text)
    return (match["host"] if match else text).removeprefix("[").removesuffix("]")


def _address(text: str) -> str:
    """Return the address in its one spelling, or nothing when the text is none."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""
