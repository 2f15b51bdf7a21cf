"""What agents report, as it is stored."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Conflict, InvalidInput
from hub.fleet.commands import (
    enroll_agent,
    enroll_agents,
    insert_metric_samples,
    record_report,
    replace_inventory,
    touch_agents,
    upsert_latest,
)
from hub.fleet.models import (
    Agent,
    AgentLatest,
    AgentPackage,
    MetricSample,
    PackageVersion,
)
from hub.fleet.reports import (
    AgentReport,
    Figures,
    FileSystem,
    HostIdentity,
    InstalledPackage,
    NewAgent,
    Sample,
)
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import make_agent, make_tenant

NOW = utc_now().replace(microsecond=0)
SUDO = InstalledPackage("Debian:12", "sudo", "1.9.13p3-1+deb12u1")
CURL = InstalledPackage("Debian:12", "curl", "7.88.1-10+deb12u5", "curl", "7.88.1-10+deb12u5")


async def latest_of(database: Database, agent: Agent) -> AgentLatest:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        found = await session.scalars(
            select(AgentLatest).where(col(AgentLatest.agent_id) == agent.id)
        )
        return found.one()


async def agent_of(database: Database, agent: Agent) -> Agent:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        return (await session.scalars(select(Agent).where(col(Agent.id) == agent.id))).one()


async def test_enrolling_a_known_name_updates_what_was_told(
    database: Database, tenant: Tenant
) -> None:
    first = HostIdentity(tags=["env:production"], kernel_release="6.1.0-18-amd64")
    second = HostIdentity(os_name="Debian GNU/Linux 12 (bookworm)", cpu_count=4)
    async with database.transaction(tenant_id=tenant.id) as session:
        one = await enroll_agent(session, tenant_id=tenant.id, name="web-1", identity=first)
    async with database.transaction(tenant_id=tenant.id) as session:
        two = await enroll_agent(session, tenant_id=tenant.id, name="web-1", identity=second)
    assert two.id == one.id
    assert (two.tags, two.kernel_release) == (["env:production"], "6.1.0-18-amd64")
    assert (two.os_name, two.cpu_count) == ("Debian GNU/Linux 12 (bookworm)", 4)


async def test_the_free_plan_covers_five_servers_and_says_how_to_get_more(
    database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        five = [NewAgent(name=f"web-{number}") for number in range(5)]
        await enroll_agents(session, tenant_id=tenant.id, agents=five)
    with pytest.raises(Conflict) as refusal:
        async with database.transaction(tenant_id=tenant.id) as session:
            await enroll_agent(session, tenant_id=tenant.id, name="web-6")
    assert refusal.value.message == (
        "The free plan covers 5 servers, and 5 are enrolled. Whoever runs this hub can raise the"
        " limit by changing the plan (`monsys tenant plan`), or retire a server that is gone; hosts"
        " that are enrolled already keep reporting."
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        again = await enroll_agent(session, tenant_id=tenant.id, name="web-4")
        assert await session.scalar(select(func.count()).select_from(Agent)) == 5
    assert again.name == "web-4"


async def test_a_batch_beyond_the_limit_enrolls_nothing(database: Database) -> None:
    tenant = await make_tenant(database, server_limit=2)
    async with database.transaction(tenant_id=tenant.id) as session:
        with pytest.raises(Conflict):
            await enroll_agents(
                session, tenant_id=tenant.id, agents=[NewAgent(name=name) for name in "abc"]
            )
        assert await session.scalar(select(func.count()).select_from(Agent)) == 0


@pytest.mark.parametrize("name", ["", "web 1", "web\n1", "-web", "wéb", "w" * 254, "web\0"])
async def test_a_name_that_is_no_host_name_is_refused(
    name: str, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        with pytest.raises(InvalidInput) as refusal:
            await enroll_agent(session, tenant_id=tenant.id, name=name)
    assert refusal.value.field == "name"


async def test_a_report_sets_identity_latest_figures_and_history(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    figures = Figures(
        at=NOW - timedelta(seconds=10),
        cpu_percent=12.5,
        memory_percent=40.0,
        load1=0.5,
        disks=[
            FileSystem("/", 71.0, "/dev/sda1", 71, 100),
            FileSystem("/var", 93.5, "/dev/sdb1", 187, 200),
        ],
    )
    identity = HostIdentity(tags=["role:web", "env:production"], kernel_release="6.1.0-18-amd64")
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_report(
            session,
            tenant_id=tenant.id,
            agent_id=agent.id,
            report=AgentReport(figures=figures, identity=identity),
            received_at=NOW,
        )
    assert len(statements) == 3, "\n\n".join(statements)
    latest = await latest_of(database, agent)
    assert (latest.at, latest.cpu_percent, latest.disk_percent) == (figures.at, 12.5, 93.5)
    assert latest.details == {
        "disks": [
            {
                "mount": "/",
                "device": "/dev/sda1",
                "used_percent": 71.0,
                "used_bytes": 71,
                "total_bytes": 100,
            },
            {
                "mount": "/var",
                "device": "/dev/sdb1",
                "used_percent": 93.5,
                "used_bytes": 187,
                "total_bytes": 200,
            },
        ]
    }
    stored = await agent_of(database, agent)
    assert (stored.tags, stored.kernel_release, stored.last_seen_at) == (
        ["env:production", "role:web"],
        "6.1.0-18-amd64",
        NOW,
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        sample = (await session.scalars(select(MetricSample))).one()
    assert (sample.at, sample.cpu_percent, sample.disk_percent) == (figures.at, 12.5, 93.5)


async def test_a_late_report_never_overwrites_a_newer_one(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    for at, cpu, kernel in ((NOW, 80.0, "new"), (NOW - timedelta(hours=1), 10.0, "old")):
        async with database.transaction(tenant_id=tenant.id) as session:
            await record_report(
                session,
                tenant_id=tenant.id,
                agent_id=agent.id,
                report=AgentReport(
                    Figures(at=at, cpu_percent=cpu), HostIdentity(kernel_release=kernel)
                ),
                received_at=NOW,
            )
    assert (await latest_of(database, agent)).cpu_percent == 80.0
    assert (await agent_of(database, agent)).kernel_release == "new"
    async with database.transaction(tenant_id=tenant.id) as session:
        history = select(col(MetricSample.cpu_percent)).order_by(col(MetricSample.at))
        assert (await session.scalars(history)).all() == [10.0, 80.0]


async def test_a_clock_that_runs_ahead_does_not_freeze_the_latest_figures(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    for received, ahead, cpu in ((NOW, 3600, 1.0), (NOW + timedelta(seconds=60), 0, 2.0)):
        async with database.transaction(tenant_id=tenant.id) as session:
            figures = Figures(at=received + timedelta(seconds=ahead), cpu_percent=cpu)
            await record_report(
                session,
                tenant_id=tenant.id,
                agent_id=agent.id,
                report=AgentReport(figures),
                received_at=received,
            )
    assert (await latest_of(database, agent)).cpu_percent == 2.0


async def test_a_report_of_last_month_is_refused(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        with pytest.raises(InvalidInput) as refusal:
            await record_report(
                session,
                tenant_id=tenant.id,
                agent_id=agent.id,
                report=AgentReport(Figures(at=NOW - timedelta(days=8))),
                received_at=NOW,
            )
    assert refusal.value.field == "at"


async def test_many_samples_cost_one_statement_and_repeats_are_kept_once(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    samples = [
        Sample(agent.id, NOW - timedelta(minutes=minute), cpu_percent=float(minute))
        for minute in range(1000)
    ]
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples)
    assert len(statements) == 1
    async with database.transaction(tenant_id=tenant.id) as session:
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples[:10])
        assert await session.scalar(select(func.count()).select_from(MetricSample)) == 1000


async def test_a_heartbeat_of_many_agents_is_one_statement_and_never_goes_back(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agents = [await make_agent(database, tenant) for _ in range(3)]
    ids = [agent.id for agent in agents]
    async with database.transaction(tenant_id=tenant.id) as session:
        await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=NOW)
        statements.clear()
        earlier = NOW - timedelta(hours=1)
        await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=earlier)
    assert len(statements) == 1
    assert [(await agent_of(database, agent)).last_seen_at for agent in agents] == [NOW] * 3


async def test_latest_figures_of_many_agents_name_those_that_were_the_newest(
    database: Database, tenant: Tenant
) -> None:
    one, two = [await make_agent(database, tenant) for _ in range(2)]
    async with database.transaction(tenant_id=tenant.id) as session:
        await upsert_latest(session, tenant_id=tenant.id, figures={one.id: Figures(at=NOW)})
        newest = await upsert_latest(
            session,
            tenant_id=tenant.id,
            figures={
                one.id: Figures(at=NOW - timedelta(minutes=1), cpu_percent=1.0),
                two.id: Figures(at=NOW, cpu_percent=2.0),
            },
        )
    assert newest == {two.id}
    assert (await latest_of(database, one)).cpu_percent is None


async def installed(database: Database, tenant: Tenant, agent_id: UUID) -> list[str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        names = await session.scalars(
            select(col(PackageVersion.name))
            .join(AgentPackage, col(AgentPackage.package_version_id) == col(PackageVersion.id))
            .where(col(AgentPackage.agent_id) == agent_id)
            .order_by(col(PackageVersion.name))
        )
        return list(names)


async def test_the_inventory_is_exactly_what_was_told_last(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    one, two = [await make_agent(database, tenant) for _ in range(2)]
    async with database.transaction(tenant_id=tenant.id) as session:
        for agent in (one, two):
            await replace_inventory(
                session, tenant_id=tenant.id, agent_id=agent.id, packages=[SUDO, CURL, SUDO]
            )
        statements.clear()
        await replace_inventory(session, tenant_id=tenant.id, agent_id=one.id, packages=[CURL])
    assert len(statements) == 3
    assert await installed(database, tenant, one.id) == ["curl"]
    assert await installed(database, tenant, two.id) == ["curl", "sudo"]
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(PackageVersion)) == 2
        await replace_inventory(session, tenant_id=tenant.id, agent_id=two.id, packages=[])
    assert await installed(database, tenant, two.id) == []
