"""GraphQL face of live updates: what changed, with the row as it is now."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Concatenate
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.queries import alert_by_id
from hub.clock import utc_now
from hub.database import Database
from hub.detections.queries import detection_by_name
from hub.errors import Forbidden, NotFound
from hub.fleet.queries import agent_by_name, agent_id_of
from hub.live.changes import Change, ChangeType, Kind
from hub.live.feed import LiveFeed
from hub.principal import SCOPE_BY_PERMISSION, Permission, Principal
from hub.severity import Severity
from hub_schema.alerts import AlertType
from hub_schema.detection_types import DetectionType
from hub_schema.directives import EgressClass, Requires, leaf, part
from hub_schema.enums import describe
from hub_schema.fleet_types import AgentType

describe(
    ChangeType,
    "What happened.",
    {
        ChangeType.ACKNOWLEDGED: "A person has seen the detection.",
        ChangeType.CHANGED: "Its words or its severity are others now.",
        ChangeType.ENROLLED: "The agent is new.",
        ChangeType.GROWN: "More events belong to the detection.",
        ChangeType.OFFLINE: "The agent was not heard of for 90 seconds.",
        ChangeType.ONLINE: "The agent is heard of again.",
        ChangeType.OPENED: "It is new.",
        ChangeType.REOPENED: "A person opened the detection again.",
        ChangeType.RESOLVED: "It is over.",
    },
)


class LiveContext:
    """What a subscription may reach while it waits; each read is a transaction of its own."""

    def __init__(self, database: Database, feed: LiveFeed, principal: Principal) -> None:
        self._database = database
        self._feed = feed
        self.principal = principal

    async def read[**P, Row](
        self,
        query: Callable[Concatenate[AsyncSession, P], Awaitable[Row]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Row:
        """Run one query in the caller's tenant."""
        async with self._database.transaction(tenant_id=self.principal.tenant_id) as session:
            return await query(session, *args, **kwargs)

    async def changes(self, kind: Kind) -> AsyncIterator[Change]:
        """Yield the tenant's changes of this kind from now on."""
        with self._feed.watch(self.principal.tenant_id, kind) as watch:
            async for change in watch:
                yield change

    @property
    def now(self) -> datetime:
        """The moment: a subscription lives long, so it is never kept."""
        return utc_now()


type LiveInfo = strawberry.Info[LiveContext, None]


@strawberry.type(description="Something happened to an alert.")
class AlertChange:
    """Change of an alert."""

    change: ChangeType = leaf(EgressClass.ALERT_TEXT, "What happened.")
    alert: AlertType = part("The alert as it is now.")


@strawberry.type(description="Something happened to a detection.")
class DetectionChange:
    """Change of a detection."""

    change: ChangeType = leaf(EgressClass.DETECTION_METADATA, "What happened.")
    detection: DetectionType = part("The detection as it is now.")


@strawberry.type(description="Something happened to an agent.")
class AgentChange:
    """Change of an agent."""

    change: ChangeType = leaf(EgressClass.HOST_IDENTITY, "What happened.")
    agent: AgentType = part("The agent as it is now.")


def guarded_subscription(permission: Permission, description: str) -> Any:
    """Declare a subscription that needs a permission; the socket checks it before it starts."""
    scope = SCOPE_BY_PERMISSION.get(permission)
    return strawberry.subscription(
        description=f"{description} Needs the permission `{permission.value}`.",
        directives=[Requires(permission=permission.value, scope=scope.value if scope else None)],
    )


def check_permissions(principal: Principal, permissions: frozenset[Permission]) -> None:
    """Raise Forbidden unless the caller holds all that an operation selects."""
    for permission in sorted(permissions - principal.permissions):
        raise Forbidden(f"This needs the permission {permission.value}.")


_AGENT = strawberry.argument(description="Only of this agent: its name or id.")
_SEVERITY = strawberry.argument(description="Only of this severity.")


@strawberry.type(name="Subscription")
class Subscription:
    """Live updates, over graphql-transport-ws."""

    @guarded_subscription(Permission.ALERTS_READ, "Alerts that open, change or are resolved.")
    async def alert_changes(
        self,
        info: LiveInfo,
        *,
        severity: Annotated[Severity | None, _SEVERITY] = None,
        agent: Annotated[str | None, _AGENT] = None,
    ) -> AsyncIterator[AlertChange]:
        """Yield each change with the alert."""
        live = info.context
        agent_id = await _agent_id(live, agent)
        async for change in live.changes(Kind.ALERT):
            row = await live.read(alert_by_id, change.id)
            if row is None or (agent_id and row.agent_id != agent_id):
                continue
            if severity is None or row.severity is severity:
                yield AlertChange(change=change.type, alert=AlertType.of(row))

    @guarded_subscription(
        Permission.DETECTIONS_READ, "Detections that open, grow, or are handled by a person."
    )
    async def detection_changes(
        self,
        info: LiveInfo,
        *,
        severity: Annotated[Severity | None, _SEVERITY] = None,
        agent: Annotated[str | None, _AGENT] = None,
    ) -> AsyncIterator[DetectionChange]:
        """Yield each change with the detection."""
        live = info.context
        agent_id = await _agent_id(live, agent)
        async for change in live.changes(Kind.DETECTION):
            try:
                row = await live.read(detection_by_name, str(change.id))
            except NotFound:  # deleted meanwhile
                continue
            if agent_id and row.agent_id != agent_id:
                continue
            if severity is None or row.severity is severity:
                yield DetectionChange(change=change.type, detection=DetectionType.of(row))

    @guarded_subscription(
        Permission.AGENTS_READ, "Agents that enrol, fall silent or are heard of again."
    )
    async def agent_changes(self, info: LiveInfo) -> AsyncIterator[AgentChange]:
        """Yield each change with the agent."""
        live = info.context
        async for change in live.changes(Kind.AGENT):
            try:
                row = await live.read(agent_by_name, str(change.id))
            except NotFound:  # removed meanwhile
                continue
            yield AgentChange(change=change.type, agent=AgentType.of(row, now=live.now))


async def _agent_id(live: LiveContext, agent: str | None) -> UUID | None:
    return await live.read(agent_id_of, agent) if agent is not None else None
