"""GraphQL face of the Trust Score: shapes and wiring only; the arithmetic is `hub.trust`'s."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Self

import strawberry

from hub.clock import parse_instant
from hub.fleet.queries import agents_by_name
from hub.principal import Permission
from hub.severity import Severity
from hub.trust.changes import Change
from hub.trust.models import TrustComponent
from hub.trust.reading import (
    ComponentScore,
    PastScore,
    TrustScore,
    trust_history,
    trust_score,
)
from hub.trust.score import Contributor
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.enums import describe
from hub_schema.figures import rounded
from hub_schema.fleet_types import AgentType

MAX_HISTORY = timedelta(days=366)

describe(
    TrustComponent,
    "The eight parts of the Trust Score.",
    {
        TrustComponent.COMPLIANCE: "Licences and policies are kept.",
        TrustComponent.CVES: "Known vulnerabilities are mended.",
        TrustComponent.IDENTITY: "Accounts, secrets and sign-ins are in order.",
        TrustComponent.AI_RISK: "AI services see no personal data.",
        TrustComponent.PROCESS_DNA: "What runs is what should run.",
        TrustComponent.CERT_DNS: "Certificates and DNS are in order.",
        TrustComponent.BACKUP: "Backups exist, are recent and can be read.",
        TrustComponent.INCIDENT_RESPONSE: "Alerts and detections are handled in time.",
    },
)


@strawberry.type(name="TrustComponentScore", description="One of the score's eight parts.")
class TrustComponentScoreType:
    """Component, as clients see it."""

    component: TrustComponent = leaf(EgressClass.SCORE, "Which part.")
    weight: float = leaf(EgressClass.SCORE, "How much it counts.")
    score: float | None = leaf(EgressClass.SCORE, "0 to 100; null while there is no data.")
    has_data: bool = leaf(
        EgressClass.SCORE, "False when nothing is known: the other weights then share its part."
    )
    delta_day: float | None = leaf(
        EgressClass.SCORE, "Change since yesterday; null when either is unknown."
    )
    delta_week: float | None = leaf(
        EgressClass.SCORE, "Change in 7 days; null when either is unknown."
    )

    @classmethod
    def of(cls, part_score: ComponentScore) -> Self:
        """Shape one component."""
        return cls(
            component=part_score.component,
            weight=part_score.weight,
            score=rounded(part_score.score, 1),
            has_data=part_score.score is not None,
            delta_day=rounded(part_score.delta_day, 1),
            delta_week=rounded(part_score.delta_week, 1),
        )


@strawberry.type(name="TrustContributor", description="A problem that costs points.")
class TrustContributorType:
    """Contributor, as clients see it."""

    component: TrustComponent = leaf(EgressClass.SCORE, "The part it costs points in.")
    source: str = leaf(EgressClass.SCORE, "Which check saw it.")
    key: str = leaf(EgressClass.SCORE, "What it is about: a CVE, a check.")
    title: str = leaf(EgressClass.SCORE, "What is wrong, in a few words.")
    severity: Severity = leaf(EgressClass.SCORE, "The worst it has anywhere.")
    subjects: list[str] = leaf(EgressClass.HOST_IDENTITY, "The first few hosts or domains with it.")
    affected: int = leaf(EgressClass.COUNT, "How many hosts or domains have it.")
    since: datetime = leaf(EgressClass.TIME, "When it was first seen.")
    points: float = leaf(EgressClass.SCORE, "By how much the total rises when it is resolved.")

    @guarded(Permission.AGENTS_READ, "The hosts among `subjects`, with what is known of them.")
    async def agents(self, info: Info) -> list[AgentType]:
        """Load the hosts of all contributors of the answer together."""
        load = info.context.load
        found = await asyncio.gather(*(load(agents_by_name, name) for name in self.subjects))
        return [AgentType.of(row, now=info.context.now) for row in found if row is not None]

    @classmethod
    def of(cls, contributor: Contributor) -> Self:
        """Shape one contributor."""
        return cls(
            component=contributor.component,
            source=contributor.source,
            key=contributor.key,
            title=contributor.title,
            severity=contributor.severity,
            subjects=list(contributor.subjects),
            affected=contributor.affected,
            since=contributor.since,
            points=round(contributor.points, 1),
        )


@strawberry.type(
    name="TrustChange", description="A problem that costs more or fewer points than a week ago."
)
class TrustChangeType:
    """Change, as clients see it."""

    component: TrustComponent = leaf(EgressClass.SCORE, "The part it moved.")
    source: str = leaf(EgressClass.SCORE, "Which check saw it.")
    key: str = leaf(EgressClass.SCORE, "What it is about: a CVE, a check.")
    title: str = leaf(EgressClass.SCORE, "What is wrong, in a few words.")
    since: datetime | None = leaf(EgressClass.TIME, "When it was first seen; null once it is gone.")
    points: float = leaf(EgressClass.SCORE, "How it moved the total: below 0 lowered it.")

    @classmethod
    def of(cls, change: Change) -> Self:
        """Shape one change."""
        return cls(
            component=change.component,
            source=change.source,
            key=change.key,
            title=change.title,
            since=change.since,
            points=round(change.points, 1),
        )


@strawberry.type(name="TrustScore", description="The Trust Score and what it is made of.")
class TrustScoreType:
    """Trust Score, as clients see it."""

    computed_at: datetime | None = leaf(
        EgressClass.TIME, "When it was computed; null before the first time."
    )
    total: float | None = leaf(EgressClass.SCORE, "0 to 100; null while there is no data.")
    delta_day: float | None = leaf(
        EgressClass.SCORE, "Change since yesterday; null when either is unknown."
    )
    delta_week: float | None = leaf(
        EgressClass.SCORE, "Change in 7 days; null when either is unknown."
    )
    coverage_percent: float = leaf(EgressClass.SCORE, "The share of the weights that have data.")
    weights_version: int = leaf(EgressClass.SCORE, "Which version of the weights is in force.")
    components: list[TrustComponentScoreType] = part("The eight parts.")
    contributors: list[TrustContributorType] = part("What costs most, costliest first.")
    changes: list[TrustChangeType] = part("What moved the score in 7 days, the largest first.")

    @classmethod
    def of(cls, score: TrustScore) -> Self:
        """Shape the score."""
        return cls(
            computed_at=score.computed_at,
            total=rounded(score.total, 1),
            delta_day=rounded(score.delta_day, 1),
            delta_week=rounded(score.delta_week, 1),
            coverage_percent=round(score.coverage * 100, 1),
            weights_version=score.weights_version,
            components=[TrustComponentScoreType.of(one) for one in score.components],
            contributors=[TrustContributorType.of(one) for one in score.contributors],
            changes=[TrustChangeType.of(one) for one in score.changes],
        )


@strawberry.type(description="One component as it was.")
class PastComponentScore:
    """Component of a past score."""

    component: TrustComponent = leaf(EgressClass.SCORE, "Which part.")
    score: float | None = leaf(EgressClass.SCORE, "0 to 100; null while there was no data.")


@strawberry.type(name="PastTrustScore", description="The Trust Score as it was.")
class PastTrustScoreType:
    """Past score, as clients see it."""

    at: datetime = leaf(EgressClass.TIME, "When it was computed.")
    total: float | None = leaf(EgressClass.SCORE, "0 to 100; null while there was no data.")
    components: list[PastComponentScore] = part("The eight parts.")

    @classmethod
    def of(cls, past: PastScore) -> Self:
        """Shape one score."""
        return cls(
            at=past.at,
            total=rounded(past.total, 1),
            components=[
                PastComponentScore(component=name, score=rounded(score, 1))
                for name, score in past.components.items()
            ],
        )


@strawberry.type(name="Query")
class TrustQuery:
    """Trust Score field of the query root."""

    @guarded(Permission.TRUST_READ, "The newest Trust Score, with what it is made of.")
    async def trust_score(self, info: Info) -> TrustScoreType:
        """Delegate, shape the answer."""
        return TrustScoreType.of(await info.context.work.run(trust_score, now=info.context.now))

    @guarded(Permission.TRUST_READ, "The score of each day, oldest first, up to 366 days back.")
    async def trust_history(
        self,
        info: Info,
        since: Annotated[
            str, strawberry.argument(description="A duration back or an RFC 3339 instant.")
        ] = "90d",
    ) -> list[PastTrustScoreType]:
        """Delegate, shape the answer."""
        now = info.context.now
        first = max(parse_instant(since, now=now, field="since"), now - MAX_HISTORY)
        past = await info.context.work.run(trust_history, since=first, until=now)
        return [PastTrustScoreType.of(one) for one in past]
