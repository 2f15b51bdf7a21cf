"""What stands around a detection is found along indexes, however many detections there are."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import event, text

from hub.database import Database, engine_of
from hub.detections.context import Relation, related_detections, similar_detections
from hub.detections.events import EventKind
from hub.detections.related_events import related_events
from hub.embedded import EmbeddedPostgres
from hub.pool import begun_connection
from hub.tenancy.models import Tenant
from tests.factories import make_agent, make_tenant, person
from tests.hub.detections.scene import Host, new_host, refusals, seen, sign_in
from tests.schema.asking import ask, page

_MANY = 50_000
_AGENT = "(CAST(:agents AS uuid[]))[1 + n % 200]"
_ADDRESS = "'198.51.' || n % 200 || '.' || n % 250"
_FILL = (
    f"""
    INSERT INTO detections (tenant_id, id, number, agent_id, rule_kind, technique, severity, title,
        description, subject, first_seen_at, last_seen_at, event_count, source_address,
        target_user, state)
    SELECT :tenant, gen_random_uuid(), 'DEV-2025-' || lpad(n::text, 6, '0'), {_AGENT},
        (ARRAY['ssh_bruteforce', 'new_user', 'file_integrity', 'cron_persistence'])[1 + n % 4],
        'T1', 'low', 'x', '', 'x', now() - n * interval '1 minute', now() - n * interval '1 minute',
        1, {_ADDRESS}, 'user-' || n % 5000, 'open'
    FROM generate_series(1, :many) n
    """,  # noqa: S608 - our own words
    f"""
    INSERT INTO security_events (tenant_id, id, agent_id, kind, at, received_at, summary,
        target_user, source_address, alike_count, details)
    SELECT :tenant, gen_random_uuid(), {_AGENT}, 'auth_failure', now() - n * interval '10 seconds',
        now(), 'x', 'user-' || n % 5000, {_ADDRESS}, 1, '{{}}'
    FROM generate_series(1, :many) n
    """,  # noqa: S608
)


@pytest_asyncio.fixture(scope="module")
async def crowd(
    database: Database, postgres: EmbeddedPostgres, database_name: str
) -> tuple[Tenant, UUID]:
    """Return a tenant with 50,000 detections and as many events, and one of the detections."""
    tenant = await make_tenant(database)
    agents = [(await make_agent(database, tenant)).id for _ in range(200)]
    values = {"tenant": tenant.id, "agents": agents, "many": _MANY}
    async with database.transaction(tenant_id=tenant.id) as session:
        for statement in _FILL:
            parameters = {name: values[name] for name in ("tenant", "agents", "many")}
            await session.execute(text(statement), parameters)
        chosen = await session.scalar(
            text("SELECT id FROM detections WHERE number = 'DEV-2025-005000'")
        )
    owner = engine_of(postgres.owner_url(database_name), pool_size=1)
    async with owner.begin() as connection:
        await connection.execute(text("ANALYZE detections, security_events, agents"))
    await owner.dispose()
    assert isinstance(chosen, UUID)
    return tenant, chosen


@pytest.mark.slow
@pytest.mark.parametrize("query", [related_detections, similar_detections, related_events])
async def test_is_found_along_indexes_among_fifty_thousand(
    query: Callable[..., Awaitable[dict[UUID, list[Any]]]],
    crowd: tuple[Tenant, UUID],
    database: Database,
) -> None:
    tenant, chosen = crowd
    sent: list[tuple[str, Any]] = []

    def record(_conn: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        sent.append((statement, values))

    async with database.transaction(tenant_id=tenant.id) as session:
        event.listen(database.engine.sync_engine, "before_cursor_execute", record)
        found = await query(session, [chosen])
        event.remove(database.engine.sync_engine, "before_cursor_execute", record)
        ((statement, values),) = [one for one in sent if "set_config" not in one[0]]
        connection: Any = await begun_connection(session)
        explained = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *values)
    plan = "\n".join(line[0] for line in explained)
    assert len(found[chosen]) >= 3
    assert "Seq Scan on detections" not in plan, plan
    assert "Seq Scan on security_events" not in plan, plan
    read = sum(
        int(line.partition("Rows Removed by Filter: ")[2] or 0) for line in plan.splitlines()
    )
    assert read < _MANY / 10, plan


async def test_related_events_are_those_of_the_host_the_address_or_the_account(
    host: Host, database: Database, tenant: Tenant
) -> None:
    other = await new_host(database, tenant)
    await host.take(*refusals(8), seen(EventKind.USER_ADDED, 3600 + 70, user="eve"))
    await host.take(seen(EventKind.CRON_CHANGED, 3600 + 71, path="/too/late"))
    await other.take(sign_in(60), seen(EventKind.CRON_CHANGED, 60, path="/elsewhere"))
    detection = next(
        one for one in await host.detections() if one.rule_kind.value == "ssh_bruteforce"
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        found = (await related_events(session, [detection.id]))[detection.id]
    assert len(found) == 10
    assert [(one.kind, one.relations) for one in found[:2]] == [
        (EventKind.USER_ADDED, (Relation.SAME_AGENT,)),
        (EventKind.AUTH_FAILURE, (Relation.SAME_ADDRESS, Relation.SAME_AGENT, Relation.SAME_USER)),
    ]
    (elsewhere,) = [one for one in found if one.relations == (Relation.SAME_ADDRESS,)]
    assert elsewhere.at == detection.first_seen_at + timedelta(seconds=60)


async def test_the_dashboard_shows_related_events_with_the_hosts_own_lines(host: Host) -> None:
    await host.take(seen(EventKind.HONEYPOT_TOUCHED, path="/root/x", raw="the line"))
    detection = await host.detection()
    answer = await ask(
        host.database, person(host.tenant), page("dashboard_detection"), id=detection.number
    )
    (related,) = answer["relatedEvents"]
    assert (related["kind"], related["path"], related["raw"]) == (
        "honeypot_touched",
        "/root/x",
        "the line",
    )
