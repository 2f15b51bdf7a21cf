"""GraphQL face of what cannot be decided about vulnerabilities."""

from typing import Annotated, Self

import strawberry

from hub.paging import Page
from hub.principal import Permission
from hub.vulnerabilities.undecided import Undecided, undecided_page
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part


@strawberry.type(
    name="UndecidedVulnerability",
    description="A package version and an advisory that no rule can compare.",
)
class UndecidedType:
    """Undecided pair, as clients see it."""

    id: str = leaf(EgressClass.VULNERABILITY, "The advisory's id.")
    package: str = leaf(EgressClass.VULNERABILITY, "Name of the package.")
    ecosystem: str = leaf(EgressClass.VULNERABILITY, "Where the package comes from.")
    version: str = leaf(EgressClass.VULNERABILITY, "The version that is installed.")
    reason: str = leaf(EgressClass.VULNERABILITY, "Why it cannot be decided.")
    affected_hosts: int = leaf(EgressClass.COUNT, "How many hosts have this version.")
    first_hosts: list[str] = leaf(EgressClass.HOST_IDENTITY, "The first few of them.")

    @classmethod
    def of(cls, row: Undecided) -> Self:
        """Shape one row."""
        return cls(
            id=row.advisory_id,
            package=row.package_name,
            ecosystem=row.ecosystem,
            version=row.version,
            reason=row.reason,
            affected_hosts=row.hosts,
            first_hosts=list(row.first_hosts),
        )


@strawberry.type(name="UndecidedConnection", description="A page of what cannot be decided.")
class UndecidedConnection:
    """Undecided pairs of one page."""

    total_count: int = leaf(EgressClass.COUNT, "How many there are in all.")
    nodes: list[UndecidedType] = part("The pairs of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[Undecided]) -> Self:
        """Shape one page."""
        return cls(
            total_count=page.total or 0,
            nodes=[UndecidedType.of(row) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=page.rows[-1].cursor if page.has_next else None,
            ),
        )


@strawberry.type(name="Query")
class UndecidedQuery:
    """Undecided field of the query root."""

    @guarded(
        Permission.VULNERABILITIES_READ,
        "Package versions of which it cannot be known whether an advisory affects them, with why.",
    )
    async def undecided_vulnerabilities(
        self,
        info: Info,
        *,
        package: Annotated[
            str | None, strawberry.argument(description="Only this package, by its exact name.")
        ] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> UndecidedConnection:
        """Delegate, shape the answer."""
        page = await info.context.work.run(
            undecided_page, package=package, first=first, after=after
        )
        return UndecidedConnection.of(page)
