"""GraphQL face of detections: lists and root fields; every rule lives in `hub.detections`."""

from typing import Annotated, Self

import strawberry

from hub.clock import parse_instant
from hub.detections.models import RuleKind
from hub.detections.queries import (
    DETECTIONS,
    AckFilter,
    DetectionRow,
    detection_by_name,
    detections_page,
)
from hub.fleet.queries import agent_id_of
from hub.paging import Page
from hub.principal import Permission
from hub.severity import Severity
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.detection_types import DetectionType
from hub_schema.directives import EgressClass, guarded, leaf, part


@strawberry.type(name="DetectionEdge", description="One detection in a page.")
class DetectionEdge:
    """Relay's edge."""

    node: DetectionType = part("The detection.")
    cursor: str = leaf(EgressClass.IDENTIFIER, "Where this detection stands in the list.")


@strawberry.type(name="DetectionConnection", description="A page of detections.")
class DetectionConnection:
    """Relay's connection, with the nodes at hand for clients that need no edge cursors."""

    total_count: int = leaf(EgressClass.COUNT, "How many match the filter in all.")
    nodes: list[DetectionType] = part("The detections of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @part("The detections of this page, each with its cursor.")
    def edges(self) -> list[DetectionEdge]:
        """Give every node the cursor after it."""
        return [
            DetectionEdge(node=node, cursor=DETECTIONS.cursor_at(node.last_seen_at, node.id))
            for node in self.nodes
        ]

    @classmethod
    def of(cls, page: Page[DetectionRow]) -> Self:
        """Shape one page."""
        last = page.rows[-1] if page.has_next else None
        return cls(
            total_count=page.total or 0,
            nodes=[DetectionType.of(row) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=DETECTIONS.cursor_at(last.last_seen_at, last.id) if last else None,
            ),
        )


@strawberry.type(name="Query")
class DetectionQuery:
    """Detection fields of the query root."""

    @guarded(Permission.DETECTIONS_READ, "Security events, newest first.")
    async def detections(
        self,
        info: Info,
        *,
        since: Annotated[
            str,
            strawberry.argument(
                description="Seen since then: a duration back (24h, 7d) or an RFC 3339 instant."
            ),
        ] = "24h",
        ack: Annotated[
            AckFilter, strawberry.argument(description="Open, acknowledged or all.")
        ] = AckFilter.OPEN,
        severity: Annotated[
            Severity | None, strawberry.argument(description="Only this severity.")
        ] = None,
        rule_kind: Annotated[
            RuleKind | None, strawberry.argument(description="Only this rule.")
        ] = None,
        agent: Annotated[
            str | None, strawberry.argument(description="Only this agent: its name or id.")
        ] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> DetectionConnection:
        """Translate arguments, delegate, shape the answer."""
        work, now = info.context.work, info.context.now
        window_start = parse_instant(since, now=now, field="since")
        agent_id = await work.run(agent_id_of, agent) if agent is not None else None
        page = await work.run(
            detections_page,
            since=window_start,
            ack=ack,
            severity=severity,
            rule_kind=rule_kind,
            agent_id=agent_id,
            first=first,
            after=after,
        )
        return DetectionConnection.of(page)

    @guarded(Permission.DETECTIONS_READ, "One security event.")
    async def detection(
        self,
        info: Info,
        *,
        id: Annotated[  # noqa: A002 - the argument's name in the schema and over MCP
            str, strawberry.argument(description="Its number, as DEV-2026-0441, or its id.")
        ],
    ) -> DetectionType:
        """Find it by number or id."""
        return DetectionType.of(await info.context.work.run(detection_by_name, id))
