"""GraphQL face of the fleet: lists and root fields; every rule lives in `hub.fleet`."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from hub.fleet.queries import AGENTS, AgentRow, agent_by_name, agents_page
from hub.fleet.status import AgentStatusFilter
from hub.paging import Page
from hub.principal import Permission
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.fleet_types import AgentType


@strawberry.type(name="AgentEdge", description="One agent in a page.")
class AgentEdge:
    """Relay's edge."""

    node: AgentType = part("The agent.")
    cursor: str = leaf(EgressClass.IDENTIFIER, "Where this agent stands in the list.")


@strawberry.type(name="AgentConnection", description="A page of agents.")
class AgentConnection:
    """Relay's connection, with the nodes at hand for clients that need no edge cursors."""

    total_count: int = leaf(EgressClass.COUNT, "How many match the filter in all.")
    nodes: list[AgentType] = part("The agents of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @part("The agents of this page, each with its cursor.")
    def edges(self) -> list[AgentEdge]:
        """Give every node the cursor after it."""
        return [AgentEdge(node=node, cursor=AGENTS.cursor_at(node.name)) for node in self.nodes]

    @classmethod
    def of(cls, page: Page[AgentRow], *, now: datetime) -> Self:
        """Shape one page, as of now."""
        return cls(
            total_count=page.total or 0,
            nodes=[AgentType.of(row, now=now) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=AGENTS.cursor_at(page.rows[-1].name) if page.has_next else None,
            ),
        )


@strawberry.type(name="Query")
class FleetQuery:
    """Fleet fields of the query root."""

    @guarded(Permission.AGENTS_READ, "The hosts of the fleet, by name.")
    async def agents(
        self,
        info: Info,
        *,
        tags: Annotated[
            list[str] | None,
            strawberry.argument(description="Only those with all of these tags."),
        ] = None,
        status: Annotated[
            AgentStatusFilter, strawberry.argument(description="Only those of this status.")
        ] = AgentStatusFilter.ALL,
        search: Annotated[
            str | None,
            strawberry.argument(description="Only those whose name, address or OS holds this."),
        ] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> AgentConnection:
        """Translate arguments, delegate, shape the answer."""
        page = await info.context.work.run(
            agents_page,
            now=info.context.now,
            tags=tags or (),
            status=status,
            search=search,
            first=first,
            after=after,
        )
        return AgentConnection.of(page, now=info.context.now)

    @guarded(Permission.AGENTS_READ, "One host.")
    async def agent(
        self,
        info: Info,
        *,
        agent: Annotated[str, strawberry.argument(description="Its name or id.")],
    ) -> AgentType:
        """Find it by name or id."""
        row = await info.context.work.run(agent_by_name, agent)
        return AgentType.of(row, now=info.context.now)
