"""Contoso Health: a neighbour with troubles of its own, which nobody of Northwind may ever see."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.commands import NewDetection, NewEvent
from hub.detections.models import RuleKind
from seed.alerts import CONTOSO_ALERTS, plant_alerts
from seed.detections import plant_detections
from seed.figures import Weather
from seed.fleet import agent_id_in, plant_fleet
from seed.hosts import CONTOSO_HOSTS
from seed.levels import CONTOSO_LEVELS, plant_levels
from seed.people import CONTOSO_ID, SignIn, plant_contoso
from seed.trust import CONTOSO_PROBLEMS, CONTOSO_SOURCES, plant_trust
from seed.vulnerabilities import plant_vulnerabilities

_HISTORY = timedelta(days=8)


async def tell_contoso(session: AsyncSession, *, weather: Weather, sign_in: SignIn) -> None:
    """Write the neighbour: small, and different wherever Northwind could be mistaken for it."""
    now = weather.now
    await plant_contoso(session, now=now, sign_in=sign_in)
    await plant_fleet(
        session, tenant_id=CONTOSO_ID, hosts=CONTOSO_HOSTS, weather=weather, history=_HISTORY
    )
    await plant_alerts(session, tenant_id=CONTOSO_ID, alerts=CONTOSO_ALERTS, now=now)
    await plant_vulnerabilities(session, tenant_id=CONTOSO_ID, hosts=CONTOSO_HOSTS, now=now)
    await plant_levels(session, tenant_id=CONTOSO_ID, levels=CONTOSO_LEVELS, now=now)
    await plant_trust(
        session,
        tenant_id=CONTOSO_ID,
        sources=CONTOSO_SOURCES,
        problems=CONTOSO_PROBLEMS,
        now=now,
    )
    await plant_detections(session, detections=_detections(now), tenant_id=CONTOSO_ID)


def _detections(now: datetime) -> list[NewDetection]:
    at = now - timedelta(hours=10)
    return [
        NewDetection(
            agent_id=agent_id_in(CONTOSO_ID, "ehr-db-01"),
            rule_kind=RuleKind.REVERSE_SHELL,
            title="A shell of ehr-db-01 is connected to 198.51.100.99",
            first_seen_at=at,
            last_seen_at=at,
            events=[NewEvent(at=at, summary="bash, standard input is a socket")],
            source_address="198.51.100.99",
            process_name="bash",
        )
    ]
