"""The tale of Northwind Logistics, written in one transaction: all of it, or nothing.

A freight company with 24 hosts. In the night before last somebody guessed the password of
`deploy` on web-edge-01, made themselves an administrator and opened a canary file. A disk of
db-prod-02 is filling up, api-prod-03 leaks memory since its last deployment, the gateway in
Antwerp is silent, the Order API has spent nine tenths of its error budget, and since last Tuesday
the Trust Score is seven points lower.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.database import Database, enter
from hub.tenancy.models import Tenant
from seed.acts import perform
from seed.alerts import NORTHWIND_ALERTS, plant_alerts
from seed.contoso import tell_contoso
from seed.detections import everyday_detections, plant_detections, triage_of_everyday
from seed.figures import Weather
from seed.fleet import HISTORY, plant_fleet
from seed.hosts import NORTHWIND_HOSTS
from seed.levels import NORTHWIND_LEVELS, plant_levels
from seed.night import acknowledgement, night_detections, other_detections, story_start
from seed.people import NORTHWIND_ID, NORTHWIND_SLUG, SignIn, plant_northwind
from seed.trail import trail
from seed.trust import NORTHWIND_PROBLEMS, NORTHWIND_SOURCES, plant_trust
from seed.vulnerabilities import plant_vulnerabilities

type Progress = Callable[[str], None]


def _silent(_step: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Tale:
    """How the story is to be told. The same seed and now give the same data."""

    now: datetime
    sign_in: SignIn
    seed: int = 1
    history: timedelta = HISTORY
    progress: Progress = field(default=_silent)


async def is_told(database: Database) -> bool:
    """Tell whether the story is in this database already."""
    async with database.transaction(presented=NORTHWIND_SLUG) as session:
        found = await session.scalar(
            select(col(Tenant.id)).where(col(Tenant.slug) == NORTHWIND_SLUG)
        )
    return found is not None


async def tell(database: Database, tale: Tale) -> None:
    """Write both tenants."""
    weather = Weather(tale.now, seed=tale.seed)
    async with database.transaction() as session:
        await _tell_northwind(session, tale, weather)
        await enter(session)  # out of the one tenant, before the other is made
        tale.progress("Contoso Health, the neighbour")
        await tell_contoso(session, weather=weather, sign_in=tale.sign_in)


async def _tell_northwind(session: AsyncSession, tale: Tale, weather: Weather) -> None:
    now, progress = tale.now, tale.progress
    progress("Northwind Logistics and its people")
    await plant_northwind(session, now=now, sign_in=tale.sign_in)
    progress("24 hosts and five weeks of metrics")
    await plant_fleet(
        session,
        tenant_id=NORTHWIND_ID,
        hosts=NORTHWIND_HOSTS,
        weather=weather,
        history=tale.history,
    )
    progress("Alerts and vulnerabilities")
    await plant_alerts(session, tenant_id=NORTHWIND_ID, alerts=NORTHWIND_ALERTS, now=now)
    await plant_vulnerabilities(session, tenant_id=NORTHWIND_ID, hosts=NORTHWIND_HOSTS, now=now)
    progress("Service levels and the Trust Score")
    await plant_levels(session, tenant_id=NORTHWIND_ID, levels=NORTHWIND_LEVELS, now=now)
    await plant_trust(
        session,
        tenant_id=NORTHWIND_ID,
        sources=NORTHWIND_SOURCES,
        problems=NORTHWIND_PROBLEMS,
        now=now,
    )
    progress("Detections, and what people did")
    await _tell_of_detections(session, tale)


async def _tell_of_detections(session: AsyncSession, tale: Tale) -> None:
    now = tale.now
    everyday = everyday_detections(now, story_start(now), seed=tale.seed)
    recent = sorted(
        [*night_detections(now), *other_detections(now)],
        key=lambda detection: detection.first_seen_at,
    )
    recorded = await plant_detections(
        session, detections=[*everyday, *recent], tenant_id=NORTHWIND_ID
    )
    names = dict(zip((one.title for one in recent), recorded[len(everyday) :], strict=True))
    hamburg = next(name for title, name in names.items() if title.startswith("212 failed"))
    await perform(
        session,
        [
            *triage_of_everyday(everyday, recorded[: len(everyday)]),
            acknowledgement(
                hamburg,
                note="All refused; the site's firewall blocks it now.",
                at=now - timedelta(hours=15),
            ),
            *trail(now, seed=tale.seed),
        ],
    )
