"""GraphQL face of the audit trail: shapes and wiring only; the list is `hub.audit`'s."""

from datetime import datetime
from typing import Annotated, Self

import strawberry
from strawberry.scalars import JSON

from hub.audit.queries import AUDIT, MAX_COUNTED, AuditEntry, audit_page, event_type_of
from hub.clock import parse_instant
from hub.paging import Page
from hub.principal import Permission
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part

_EVENT_TYPE = strawberry.argument(description="Only events of this type: mcp_tool_invoked…")
_ACTOR = strawberry.argument(description="Only actors whose name begins like this, in any case.")
_SINCE = strawberry.argument(description="From when on: 24h, 7d, or an RFC 3339 instant.")
_UNTIL = strawberry.argument(description="Until when: 24h, 7d, or an RFC 3339 instant.")


@strawberry.type(name="AuditEntry", description="One event of the audit trail.")
class AuditEntryType:
    """Audit row, as clients see it."""

    sequence: int = leaf(EgressClass.IDENTIFIER, "Its place in the tenant's chain.")
    at: datetime = leaf(EgressClass.TIME, "When it happened.")
    event_type: str = leaf(EgressClass.AUDIT_METADATA, "What happened.")
    actor: str = leaf(EgressClass.AUDIT_METADATA, "Who did it.")
    actor_kind: str = leaf(EgressClass.AUDIT_METADATA, "By which door they came in.")
    outcome: str = leaf(EgressClass.AUDIT_METADATA, "How it ended.")
    metadata: JSON = leaf(EgressClass.AUDIT_METADATA, "Facts about it, by name.")
    request_id: str | None = leaf(
        EgressClass.IDENTIFIER, "The request it happened in; null outside of one."
    )
    body: str | None = leaf(
        EgressClass.AUDIT_BODY, "What was said in full; null when nothing was. Only for people."
    )

    @classmethod
    def of(cls, row: AuditEntry) -> Self:
        """Shape one row."""
        return cls(
            sequence=row.seq,
            at=row.at,
            event_type=row.event_type,
            actor=row.actor,
            actor_kind=row.actor_kind,
            outcome=row.outcome,
            metadata=JSON(row.details),
            request_id=row.request_id,
            body=row.body,
        )


@strawberry.type(name="AuditConnection", description="A page of the audit trail.")
class AuditConnection:
    """Audit rows of one page."""

    total_count: int = leaf(
        EgressClass.COUNT, f"How many match the filter; counted up to {MAX_COUNTED}."
    )
    nodes: list[AuditEntryType] = part("The events of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[AuditEntry]) -> Self:
        """Shape one page."""
        return cls(
            total_count=page.total or 0,
            nodes=[AuditEntryType.of(row) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=AUDIT.cursor_at(page.rows[-1]) if page.has_next else None,
            ),
        )


@strawberry.type(name="Query")
class AuditQuery:
    """Audit field of the query root."""

    @guarded(Permission.AUDIT_READ, "Events of the audit trail, newest first.")
    async def audit_log(
        self,
        info: Info,
        *,
        event_type: Annotated[str | None, _EVENT_TYPE] = None,
        actor: Annotated[str | None, _ACTOR] = None,
        since: Annotated[str | None, _SINCE] = None,
        until: Annotated[str | None, _UNTIL] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> AuditConnection:
        """Translate arguments, delegate, shape the answer."""
        now = info.context.now
        page = await info.context.work.run(
            audit_page,
            event_type=event_type_of(event_type) if event_type is not None else None,
            actor=actor,
            since=parse_instant(since, now=now, field="since") if since is not None else None,
            until=parse_instant(until, now=now, field="until") if until is not None else None,
            first=first,
            after=after,
        )
        return AuditConnection.of(page)
