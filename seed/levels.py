"""Service levels: one met, one about to break, one broken, one unknown, one that allows nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.sla.commands import BUCKET_SECONDS, Observation, create_target, record_observations
from hub.sla.models import SlaIndicator
from seed.figures import grid
from seed.stable import rounded

BUCKET = timedelta(seconds=BUCKET_SECONDS)
_CREATED_BEFORE = timedelta(days=200)


@dataclass(frozen=True, slots=True)
class Outage:
    """Some minutes that went badly, so many hours ago."""

    hours_ago: float
    minutes: float


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A promise, what spoiled it, and since when nobody observes it."""

    name: str
    description: str
    indicator: SlaIndicator
    objective: float
    outages: tuple[Outage, ...] = ()
    unobserved_hours: float = 0.0
    window_days: int = 30


# fmt: off
NORTHWIND_LEVELS = (
    LevelSpec("Customer portal", "www and track answer within two seconds",
              SlaIndicator.HTTP_PROBE, 0.999, (Outage(190, 6), Outage(455, 7))),
    LevelSpec("Order API", "Orders are accepted without error",
              SlaIndicator.HTTP_PROBE, 0.9995,
              (Outage(141.6, 11.5), Outage(52, 3), Outage(10, 2.5), Outage(8, 2.5))),
    LevelSpec("EDI gateway", "Partners' messages are taken within a minute",
              SlaIndicator.ALERT_FREE, 0.995, (Outage(81, 140), Outage(210, 65), Outage(515, 45))),
    LevelSpec("Label printing Antwerp", "Labels are printed at the gates; not observed since the"
              " site lost its uplinks", SlaIndicator.CUSTOM, 0.99, (Outage(300, 20),),
              unobserved_hours=81.6),
    LevelSpec("Customs ledger", "No entry is ever lost", SlaIndicator.CUSTOM, 1.0),
)
CONTOSO_LEVELS = (
    LevelSpec("Patient records", "The records open", SlaIndicator.HTTP_PROBE, 0.9999,
              (Outage(40, 9),), window_days=7),
)
# fmt: on

# Targets that nobody observes any more.
UNOBSERVED = frozenset(level.name for level in NORTHWIND_LEVELS if level.unobserved_hours)


async def plant_levels(
    session: AsyncSession, *, tenant_id: UUID, levels: tuple[LevelSpec, ...], now: datetime
) -> None:
    """Make the targets and write what was observed of them over their windows."""
    for level in levels:
        target = await create_target(
            session,
            tenant_id=tenant_id,
            name=level.name,
            description=level.description,
            indicator=level.indicator,
            objective=level.objective,
            window_days=level.window_days,
            created_at=now - _CREATED_BEFORE,
        )
        observations = list(_observations(target.id, level, rounded(now)))
        await record_observations(session, tenant_id=tenant_id, observations=observations)


def _observations(target_id: UUID, level: LevelSpec, end: datetime) -> Iterator[Observation]:
    bad = _bad_seconds(level, end)
    observed_until = end - timedelta(hours=level.unobserved_hours)
    for at in grid(end - timedelta(days=level.window_days), observed_until, BUCKET):
        bad_seconds = bad.get(at, 0.0)
        yield Observation(
            target_id=target_id,
            at=at,
            good_seconds=BUCKET_SECONDS - bad_seconds,
            bad_seconds=bad_seconds,
        )


def _bad_seconds(level: LevelSpec, end: datetime) -> dict[datetime, float]:
    """Return the bad seconds of each five minutes that had any."""
    bad: dict[datetime, float] = {}
    for outage in level.outages:
        at = rounded(end - timedelta(hours=outage.hours_ago))
        seconds = outage.minutes * 60
        while seconds > 0:
            bad[at] = min(seconds, BUCKET_SECONDS)
            seconds -= BUCKET_SECONDS
            at += BUCKET
    return bad
