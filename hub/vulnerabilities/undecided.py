"""Reads of what cannot be decided: versions and records that no rule can compare, each with why.

An undecided pair is neither open nor fixed: counting it as affected is the false positive that
makes people stop asking, and dropping it hides a vulnerability. So it is listed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text
from sqlmodel import col

from hub.fleet.models import Agent, AgentPackage, PackageVersion
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor
from hub.vulnerabilities.matching_models import UndecidedMatch

_LIST = "undecided_vulnerabilities"
_FIRST_HOSTS = 5
_ORDER = ("ecosystem", "package_name", "version", "advisory_id", "package_version_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """One package version and one advisory of which nobody can say whether they meet."""

    advisory_id: str
    package_version_id: UUID
    ecosystem: str
    package_name: str
    version: str
    reason: str
    hosts: int
    first_hosts: Sequence[str]  # by name

    @property
    def cursor(self) -> str:
        """The cursor after this row."""
        return encode_cursor(_LIST, *(getattr(self, name) for name in _ORDER))


async def undecided_page(
    session: AsyncSession, *, package: str | None = None, first: int, after: str | None = None
) -> Page[Undecided]:
    """Return undecided pairs by ecosystem, package, version and advisory."""
    first = check_page_size(first)
    version, match = PackageVersion, UndecidedMatch
    columns = (
        col(version.ecosystem),
        col(version.name),
        col(version.version),
        col(match.advisory_id),
        col(match.package_version_id),
    )
    matching = select(match).join(
        version,
        (col(version.tenant_id) == col(match.tenant_id))
        & (col(version.id) == col(match.package_version_id)),
    )
    if package is not None:
        matching = matching.where(col(version.name) == package)
    total = matching.with_only_columns(func.count()).scalar_subquery()
    named: list[Any] = [one.label(name) for name, one in zip(_ORDER, columns, strict=True)]
    page = matching.with_only_columns(*named, col(match.reason)).order_by(*columns)
    if after is not None:
        key = decode_cursor(_LIST, after, str, str, str, str, UUID)
        page = page.where(tuple_(*columns) > tuple_(*key))
    return await _shaped(session, page.limit(first + 1), total, first)


async def _shaped(
    session: AsyncSession, page: Select[Any], total: ScalarSelect[int], first: int
) -> Page[Undecided]:
    """Read the page with the hosts of its few versions."""
    found = page.cte("found")
    name = col(Agent.name)
    hosts = (
        select(
            func.count().label("hosts"),
            func.array_agg(aggregate_order_by(name, name), type_=ARRAY(Text)).label("names"),
        )
        .select_from(AgentPackage)
        .join(
            Agent,
            (col(Agent.tenant_id) == col(AgentPackage.tenant_id))
            & (col(Agent.id) == col(AgentPackage.agent_id)),
        )
        .where(col(AgentPackage.package_version_id) == found.c.package_version_id)
        .lateral("hosts")
    )
    rows = await session.execute(
        select(
            found,
            hosts.c.hosts,
            func.coalesce(hosts.c.names[1:_FIRST_HOSTS], []).label("first_hosts"),
            total.label("total"),
        )
        .join_from(found, hosts, true())
        .order_by(*(found.c[name] for name in _ORDER))
    )
    return counted_page(Undecided, rows.mappings().all(), first=first)
