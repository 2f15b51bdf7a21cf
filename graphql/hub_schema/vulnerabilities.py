"""GraphQL face of vulnerabilities: shapes and wiring only; the lists are `hub.vulnerabilities`'."""

from datetime import date, datetime
from typing import Annotated, Any, Self

import strawberry

from hub.fleet.queries import agent_id_of
from hub.principal import Permission
from hub.severity import Severity
from hub.vulnerabilities.queries import (
    KERNEL_CVES,
    OS_CVES,
    AdvisedPage,
    KernelCve,
    PackageCve,
    kernel_cves_page,
    os_cves_page,
)
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part

_SEVERITY = strawberry.argument(description="Only this severity.")
_AGENT = strawberry.argument(description="Only this agent: its name or id.")
_ECOSYSTEM = strawberry.argument(
    description="Only this family, such as npm or debian, or one release, such as Debian:12."
)
_PACKAGE = strawberry.argument(description="Only the package with this name.")


@strawberry.type
class CveFacts:
    """What is told of every vulnerability, wherever it was found."""

    id: str = leaf(EgressClass.VULNERABILITY, "The advisory's id, such as CVE-… or GHSA-….")
    aliases: list[str] = leaf(EgressClass.VULNERABILITY, "Other names of the same vulnerability.")
    summary: str = leaf(EgressClass.VULNERABILITY, "What it is, in the advisory's words.")
    cvss: float | None = leaf(EgressClass.VULNERABILITY, "CVSS base score, 0 to 10.")
    severity: Severity = leaf(EgressClass.VULNERABILITY, "Worst on any host.")
    fixed_in: list[str] = leaf(EgressClass.VULNERABILITY, "Versions with the fix: the first 5.")
    risk: float = leaf(EgressClass.VULNERABILITY, "Urgency, 0 to 10.")
    risk_reasons: list[str] = leaf(EgressClass.VULNERABILITY, "What makes it urgent.")
    epss: float | None = leaf(
        EgressClass.VULNERABILITY, "Probability of exploitation in 30 days; null when unknown."
    )
    exploited_since: date | None = leaf(
        EgressClass.VULNERABILITY, "When CISA listed it as exploited; null when it is not listed."
    )
    exposed_hosts: int = leaf(
        EgressClass.COUNT, "How many of the hosts listen on a public address."
    )
    known_since: datetime = leaf(EgressClass.TIME, "When it was first seen in the fleet.")

    @staticmethod
    def facts_of(row: KernelCve | PackageCve, *, now: datetime) -> dict[str, Any]:
        """Return these fields of one row; its risk is as of now."""
        risk = row.risk(now=now)
        return {
            "id": row.advisory_id,
            "aliases": list(row.aliases),
            "summary": row.summary,
            "cvss": row.cvss_score,
            "severity": row.severity,
            "fixed_in": list(row.fixed_versions),
            "risk": risk.score,
            "risk_reasons": list(risk.reasons),
            "epss": row.epss,
            "exploited_since": row.exploited_since,
            "exposed_hosts": row.exposed_hosts,
            "known_since": row.known_since,
        }


@strawberry.type(name="KernelCve", description="A vulnerability of kernels that run in the fleet.")
class KernelCveType(CveFacts):
    """Kernel CVE, as clients see it."""

    affected_hosts: int = leaf(EgressClass.COUNT, "How many hosts run an affected kernel.")
    reboot_pending_hosts: int = leaf(EgressClass.COUNT, "Of these, fixed by a reboot.")
    kernels: list[str] = leaf(EgressClass.VULNERABILITY, "Affected ones that run: the first 5.")

    @classmethod
    def of(cls, row: KernelCve, *, now: datetime) -> Self:
        """Shape one row."""
        return cls(
            **cls.facts_of(row, now=now),
            affected_hosts=row.affected_hosts,
            reboot_pending_hosts=row.reboot_pending_hosts,
            kernels=list(row.kernels),
        )


@strawberry.type(name="KernelCveConnection", description="A page of kernel vulnerabilities.")
class KernelCveConnection:
    """Kernel CVEs of one page."""

    total_count: int = leaf(EgressClass.COUNT, "How many match the filter in all.")
    nodes: list[KernelCveType] = part("The vulnerabilities of this page.")
    advisories_as_of: datetime | None = leaf(EgressClass.TIME, "When advisories were last checked.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: AdvisedPage[KernelCve], *, now: datetime) -> Self:
        """Shape one page."""
        return cls(
            total_count=page.total or 0,
            nodes=[KernelCveType.of(row, now=now) for row in page.rows],
            advisories_as_of=page.advisories_as_of,
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=KERNEL_CVES.cursor_at(page.rows[-1]) if page.has_next else None,
            ),
        )


@strawberry.type(name="OsCve", description="A vulnerability of a package installed in the fleet.")
class OsCveType(CveFacts):
    """Package CVE, as clients see it."""

    package: str = leaf(EgressClass.VULNERABILITY, "The package's name.")
    ecosystem: str = leaf(EgressClass.VULNERABILITY, "Where it comes from: npm, Debian:12.")
    installed_versions: list[str] = leaf(EgressClass.VULNERABILITY, "Affected ones: the first 5.")
    affected_hosts: int = leaf(EgressClass.COUNT, "How many hosts have it.")
    first_hosts: list[str] = leaf(EgressClass.HOST_IDENTITY, "The first 3 of them by name.")

    @classmethod
    def of(cls, row: PackageCve, *, now: datetime) -> Self:
        """Shape one row."""
        return cls(
            **cls.facts_of(row, now=now),
            package=row.package_name,
            ecosystem=row.ecosystem,
            installed_versions=list(row.installed_versions),
            affected_hosts=row.affected_hosts,
            first_hosts=list(row.first_hosts),
        )


@strawberry.type(name="OsCveConnection", description="A page of package vulnerabilities.")
class OsCveConnection:
    """Package CVEs of one page."""

    total_count: int = leaf(EgressClass.COUNT, "How many match the filter in all.")
    nodes: list[OsCveType] = part("The vulnerabilities of this page.")
    advisories_as_of: datetime | None = leaf(EgressClass.TIME, "When advisories were last checked.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: AdvisedPage[PackageCve], *, now: datetime) -> Self:
        """Shape one page."""
        return cls(
            total_count=page.total or 0,
            nodes=[OsCveType.of(row, now=now) for row in page.rows],
            advisories_as_of=page.advisories_as_of,
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=OS_CVES.cursor_at(page.rows[-1]) if page.has_next else None,
            ),
        )


@strawberry.type(name="Query")
class VulnerabilityQuery:
    """Vulnerability fields of the query root."""

    @guarded(
        Permission.VULNERABILITIES_READ,
        "Vulnerabilities of running kernels that are not fixed, worst first.",
    )
    async def kernel_cves(
        self,
        info: Info,
        *,
        severity: Annotated[Severity | None, _SEVERITY] = None,
        agent: Annotated[str | None, _AGENT] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> KernelCveConnection:
        """Translate arguments, delegate, shape the answer."""
        work = info.context.work
        agent_id = await work.run(agent_id_of, agent) if agent is not None else None
        page = await work.run(
            kernel_cves_page, severity=severity, agent_id=agent_id, first=first, after=after
        )
        return KernelCveConnection.of(page, now=info.context.now)

    @guarded(
        Permission.VULNERABILITIES_READ,
        "Vulnerabilities of installed packages that are not fixed, worst first.",
    )
    async def os_cves(
        self,
        info: Info,
        *,
        ecosystem: Annotated[str | None, _ECOSYSTEM] = None,
        severity: Annotated[Severity | None, _SEVERITY] = None,
        package: Annotated[str | None, _PACKAGE] = None,
        agent: Annotated[str | None, _AGENT] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> OsCveConnection:
        """Translate arguments, delegate, shape the answer."""
        work = info.context.work
        agent_id = await work.run(agent_id_of, agent) if agent is not None else None
        page = await work.run(
            os_cves_page,
            ecosystem=ecosystem,
            severity=severity,
            package=package,
            agent_id=agent_id,
            first=first,
            after=after,
        )
        return OsCveConnection.of(page, now=info.context.now)
