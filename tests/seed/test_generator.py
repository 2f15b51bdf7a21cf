"""The generator: as many hosts, samples, alerts, detections and findings as were asked for."""

import pytest
from sqlalchemy import func, select

from hub.alerts.models import Alert
from hub.clock import utc_now
from hub.database import Database
from hub.detections.models import Detection
from hub.errors import Conflict
from hub.fleet.models import Agent, AgentLatest, MetricSample
from hub.vulnerabilities.models import Finding
from seed.generator import FleetSize, generate
from seed.stable import stable_id


async def test_writes_a_fleet_of_the_size_asked_for(database: Database) -> None:
    size, now = FleetSize(agents=60, days=2, resolution_minutes=60), utc_now()
    steps: list[str] = []

    samples = await generate(
        database, slug="scale", size=size, seed=7, now=now, progress=steps.append
    )

    assert samples == 60 * 48
    assert steps[-1] == "60 of 60 hosts"
    async with database.transaction(tenant_id=stable_id("tenant", "scale")) as session:
        counts = [
            await session.scalar(select(func.count()).select_from(table))
            for table in (Agent, AgentLatest, MetricSample, Alert, Detection, Finding)
        ]
    assert counts == [60, 60, 60 * 48, 5, 2, 240]
    with pytest.raises(Conflict):
        await generate(database, slug="scale", size=size, seed=7, now=now)
