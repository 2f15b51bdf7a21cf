"""Senders come in pairs: what two deliver at once is stored once, and neither is refused for it."""

import asyncio

from sqlalchemy import func, select

from hub.alerts.models import Alert
from hub.database import Database
from hub.fleet.models import Agent, MetricSample
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from tests.hub.ingest.conftest import Send
from tests.hub.ingest.test_alertmanager import alert, group
from tests.hub.ingest.test_falco_and_wazuh import falco
from tests.hub.ingest.test_otlp import cpu, export


async def count(database: Database, tenant: Tenant, table: type[object]) -> int:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_two_alertmanagers_tell_of_the_same_group(
    send: Send, database: Database, tenant: Tenant
) -> None:
    alerts = [
        alert(
            labels={"alertname": f"Load{number}", "instance": f"host-{number % 3}:9100"},
            fingerprint=str(number),
        )
        for number in range(12)
    ]
    await send(IngestSource.ALERTMANAGER, group())
    answers = await asyncio.gather(
        *(
            send(IngestSource.ALERTMANAGER, group(*order))
            for order in (alerts, alerts[::-1], alerts, alerts[::-1])
        )
    )
    assert [one.status_code for one in answers] == [202] * 4
    assert sum(one.json()["accepted"] for one in answers) == 12
    assert (await count(database, tenant, Alert), await count(database, tenant, Agent)) == (12, 3)


async def test_two_exporters_and_a_repetition_at_once(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.OTLP, export(cpu(0, 100, 100)))
    answers = await asyncio.gather(
        *(send(IngestSource.OTLP, export(cpu(60, 145, 115))) for _ in range(6))
    )
    assert [one.json() for one in answers] == [{}] * 6
    assert await count(database, tenant, MetricSample) == 1


async def test_one_event_from_several_sidekicks_is_one_alert(
    send: Send, database: Database, tenant: Tenant
) -> None:
    event = falco()
    await send(IngestSource.FALCO, falco(rule="Another"))
    answers = await asyncio.gather(*(send(IngestSource.FALCO, event) for _ in range(6)))
    assert sum(one.json()["accepted"] for one in answers) == 1
    assert await count(database, tenant, Alert) == 2
