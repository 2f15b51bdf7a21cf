"""GraphQL face of alerts: shapes and wiring only; every rule lives in `hub.alerts`."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.alerts.models import AlertCategory, AlertState
from hub.alerts.mutes import muted_alerts
from hub.alerts.queries import ALERTS, AlertRow, alerts_page
from hub.fleet.queries import agent_id_of
from hub.paging import Page
from hub.principal import Permission
from hub.severity import Severity
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.enums import describe

describe(
    AlertState,
    "Where an alert stands.",
    {
        AlertState.OPEN: "The trouble goes on.",
        AlertState.RESOLVED: "The trouble is over.",
    },
)
describe(
    AlertCategory,
    "What kind of trouble an alert tells of.",
    {
        AlertCategory.AVAILABILITY: "A host or service does not answer.",
        AlertCategory.BACKUP: "A backup is missing, old or broken.",
        AlertCategory.CAPACITY: "Disk, memory or another resource runs out.",
        AlertCategory.CERTIFICATE: "A certificate expires soon or is wrong.",
        AlertCategory.NETWORK: "Traffic or connectivity is out of the ordinary.",
        AlertCategory.PERFORMANCE: "Something works, but slowly.",
        AlertCategory.SECURITY: "A protection is missing or was touched.",
    },
)


@strawberry.type(name="Alert", description="One period during which something was wrong.")
class AlertType:
    """Alert, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the alert in this tenant.")
    title: str = leaf(EgressClass.ALERT_TEXT, "What is wrong, in a few words.")
    description: str = leaf(EgressClass.ALERT_TEXT, "What was measured, and against what limit.")
    severity: Severity = leaf(EgressClass.ALERT_TEXT, "How bad it is.")
    category: AlertCategory = leaf(EgressClass.ALERT_TEXT, "What kind of trouble it is.")
    state: AlertState = leaf(EgressClass.ALERT_TEXT, "Whether it is still open.")
    agent_name: str | None = leaf(
        EgressClass.HOST_IDENTITY, "Name of the host concerned; null for the fleet as a whole."
    )
    opened_at: datetime = leaf(EgressClass.TIME, "Since when.")
    resolved_at: datetime | None = leaf(EgressClass.TIME, "Until when; null while it is open.")

    @leaf(
        EgressClass.ALERT_TEXT, "Whether nobody is told of it, by a mute of it, its rule or host."
    )
    async def is_muted(self, info: Info) -> bool:
        """One statement for all alerts of a page, when it is asked for."""
        return await info.context.load(muted_alerts, self.id) or False

    @classmethod
    def of(cls, row: AlertRow) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            title=row.title,
            description=row.description,
            severity=row.severity,
            category=row.category,
            state=row.state,
            agent_name=row.agent_name,
            opened_at=row.opened_at,
            resolved_at=row.resolved_at,
        )


@strawberry.type(name="AlertEdge", description="One alert in a page.")
class AlertEdge:
    """Relay's edge."""

    node: AlertType = part("The alert.")
    cursor: str = leaf(EgressClass.IDENTIFIER, "Where this alert stands in the list.")


@strawberry.type(name="AlertConnection", description="A page of alerts.")
class AlertConnection:
    """Relay's connection, with the nodes at hand for clients that need no edge cursors."""

    total_count: int = leaf(EgressClass.COUNT, "How many match the filter in all.")
    nodes: list[AlertType] = part("The alerts of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @strawberry.field(description="The alerts of this page, each with its cursor.")
    def edges(self) -> list[AlertEdge]:
        """Give every node the cursor after it."""
        return [
            AlertEdge(node=node, cursor=ALERTS.cursor_at(node.severity, node.opened_at, node.id))
            for node in self.nodes
        ]

    @classmethod
    def of(cls, page: Page[AlertRow]) -> Self:
        """Shape one page."""
        last = page.rows[-1] if page.has_next else None
        return cls(
            total_count=page.total or 0,
            nodes=[AlertType.of(row) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=ALERTS.cursor_at(last.severity, last.opened_at, last.id)
                if last
                else None,
            ),
        )


@strawberry.type(name="Query")
class AlertQuery:
    """Alert fields of the query root."""

    @guarded(Permission.ALERTS_READ, "Open alerts, worst and newest first.")
    async def alerts(
        self,
        info: Info,
        *,
        severity: Annotated[
            Severity | None, strawberry.argument(description="Only this severity.")
        ] = None,
        category: Annotated[
            AlertCategory | None, strawberry.argument(description="Only this category.")
        ] = None,
        agent: Annotated[
            str | None, strawberry.argument(description="Only this agent: its name or id.")
        ] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> AlertConnection:
        """Translate arguments, delegate, shape the answer."""
        work = info.context.work
        agent_id = await work.run(agent_id_of, agent) if agent is not None else None
        page = await work.run(
            alerts_page,
            severity=severity,
            category=category,
            agent_id=agent_id,
            first=first,
            after=after,
        )
        return AlertConnection.of(page)
