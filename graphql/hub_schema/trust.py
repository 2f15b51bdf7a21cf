"""GraphQL face of the Trust Score: shapes and wiring only; the arithmetic is `hub.trust`'s."""

from datetime import datetime
from typing import Self

import strawberry

from hub.principal import Permission
from hub.severity import Severity
from hub.trust.models import TrustComponent
from hub.trust.queries import ComponentScore, TrustScore, trust_score
from hub.trust.score import Contributor
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.enums import describe
from hub_schema.figures import rounded

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
    components: list[TrustComponentScoreType] = part("The eight parts.")
    contributors: list[TrustContributorType] = part("What costs most, costliest first.")

    @classmethod
    def of(cls, score: TrustScore) -> Self:
        """Shape the score."""
        return cls(
            computed_at=score.computed_at,
            total=rounded(score.total, 1),
            delta_day=rounded(score.delta_day, 1),
            delta_week=rounded(score.delta_week, 1),
            components=[TrustComponentScoreType.of(one) for one in score.components],
            contributors=[TrustContributorType.of(one) for one in score.contributors],
        )


@strawberry.type(name="Query")
class TrustQuery:
    """Trust Score field of the query root."""

    @guarded(Permission.TRUST_READ, "The newest Trust Score, with what it is made of.")
    async def trust_score(self, info: Info) -> TrustScoreType:
        """Delegate, shape the answer."""
        return TrustScoreType.of(await info.context.work.run(trust_score, now=info.context.now))
