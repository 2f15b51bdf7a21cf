"""The fleet lives on: hosts report, service levels are observed, the score is kept up to date."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.commands import insert_metric_samples, touch_agents, upsert_latest
from hub.fleet.reports import Sample
from hub.sla.commands import BUCKET_SECONDS, Observation, record_observations
from hub.sla.models import SlaObservation, SlaTarget
from hub.tenancy.models import Tenant
from hub.trust.commands import take_snapshot
from seed.figures import Weather, grid
from seed.fleet import agent_id_in
from seed.hosts import CONTOSO_HOSTS, NORTHWIND_HOSTS, HostSpec
from seed.levels import BUCKET, UNOBSERVED
from seed.people import CONTOSO_ID, JOINED_BEFORE, NORTHWIND_ID
from seed.stable import rounded

_log = structlog.get_logger(__name__)
INTERVAL_SECONDS = 25
_LONGEST_GAP = timedelta(days=30)


@dataclass(frozen=True)
class Neighbourhood:
    """The hosts of one tenant that are still alive."""

    tenant_id: UUID
    hosts: Sequence[HostSpec]
    weather: Weather

    @property
    def online(self) -> list[HostSpec]:
        """Return the hosts that report."""
        return [host for host in self.hosts if not host.offline_days]


class LivingFleet:
    """Keeps the story going for as long as the demo runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Report for every host, again and again, until cancelled."""
        places = await self._places()
        while True:
            try:
                for place in places:
                    await self.tick(place, at=utc_now())
            except (SQLAlchemyError, OSError) as error:
                # The database is away; real hosts would try again just the same.
                _log.warning("simulated_reports_failed", error=type(error).__name__)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def tick(self, place: Neighbourhood, *, at: datetime) -> None:
        """Write one report of each online host, and what follows from the time that passed."""
        figures = {
            agent_id_in(place.tenant_id, host.name): place.weather.figures(host, at)
            for host in place.online
        }
        samples = [
            Sample(agent_id_in(place.tenant_id, host.name), at, *place.weather.measure(host, at))
            for host in place.online
        ]
        async with self._database.transaction(tenant_id=place.tenant_id) as session:
            tenant_id = place.tenant_id
            await touch_agents(session, tenant_id=tenant_id, agent_ids=list(figures), at=at)
            await upsert_latest(session, tenant_id=tenant_id, figures=figures)
            await insert_metric_samples(session, tenant_id=tenant_id, samples=samples)
            await _observe_levels(session, tenant_id=tenant_id, at=at)
            await take_snapshot(session, tenant_id=tenant_id, at=at)

    async def _places(self) -> list[Neighbourhood]:
        return [
            Neighbourhood(tenant_id, hosts, Weather(await self._told_at(tenant_id)))
            for tenant_id, hosts in ((NORTHWIND_ID, NORTHWIND_HOSTS), (CONTOSO_ID, CONTOSO_HOSTS))
        ]

    async def _told_at(self, tenant_id: UUID) -> datetime:
        """Return the story's now: figures go on from where it left them, whenever that was."""
        async with self._database.transaction(tenant_id=tenant_id) as session:
            created_at = await session.scalar(
                select(col(Tenant.created_at)).where(col(Tenant.id) == tenant_id)
            )
        return created_at + JOINED_BEFORE if created_at else utc_now()


async def _observe_levels(session: AsyncSession, *, tenant_id: UUID, at: datetime) -> None:
    """Fill the time since each target was last observed; nothing went wrong meanwhile."""
    end = rounded(at)
    observations = [
        Observation(target_id=target_id, at=bucket, good_seconds=BUCKET_SECONDS, bad_seconds=0.0)
        for target_id, last in await _last_observed(session)
        if last is not None
        for bucket in grid(max(last + BUCKET, end - _LONGEST_GAP), end, BUCKET)
    ]
    await record_observations(session, tenant_id=tenant_id, observations=observations)


async def _last_observed(session: AsyncSession) -> Sequence[tuple[UUID, datetime | None]]:
    newest = (
        select(func.max(col(SlaObservation.at)))
        .where(
            col(SlaObservation.tenant_id) == col(SlaTarget.tenant_id),
            col(SlaObservation.target_id) == col(SlaTarget.id),
        )
        .scalar_subquery()
    )
    statement = select(col(SlaTarget.id), newest).where(col(SlaTarget.name).not_in(UNOBSERVED))
    return [(row[0], row[1]) for row in await session.execute(statement)]
