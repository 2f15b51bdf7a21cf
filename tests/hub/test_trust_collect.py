"""What the hub takes from hosts for the Trust Score: at its worst, and not of retired servers."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.fact_models import FactKind
from hub.fleet.facts import take_facts
from hub.fleet.models import Agent
from hub.fleet.retirement import retire_agent
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.trust.collect import COLLECTIONS, collect_signals
from hub.trust.models import TrustWord
from tests.factories import make_agent, person

NOW = utc_now().replace(microsecond=0)


def days(count: float) -> str:
    return (NOW + timedelta(days=count)).isoformat()


def certificate(left: float) -> dict[str, Any]:
    return {"place": "/etc/ssl/bundle.pem", "not_after": days(left)}


def account(name: str, uid: int) -> dict[str, Any]:
    return {"name": name, "uid": uid}


BACKUP = {"name": "database", "newest_at": days(-9), "max_age_hours": 24.0}


async def collected(
    database: Database, agent: Agent, facts: dict[FactKind, list[dict[str, Any]]]
) -> dict[str, Severity]:
    """Take facts, collect everything, and return what is wrong by then."""
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        await take_facts(session, tenant_id=agent.tenant_id, agent_id=agent.id, facts=facts, at=NOW)
        for collection in COLLECTIONS:
            for _ in range(2):
                await collect_signals(session, collection, tenant_id=agent.tenant_id, now=NOW)
        rows = await session.execute(
            select(col(TrustWord.key), col(TrustWord.severity)).where(
                ~col(TrustWord.is_resolved), col(TrustWord.severity) != Severity.INFO
            )
        )
        return {row.key: row.severity for row in rows}


@pytest.mark.parametrize("lefts", [(5, 20), (20, 5), (20, -1), (-1, 5)])
async def test_of_several_certificates_in_one_file_the_worst_counts(
    database: Database, tenant: Tenant, lefts: tuple[float, float]
) -> None:
    agent = await make_agent(database, tenant)
    facts = {FactKind.CERTIFICATES: [certificate(left) for left in lefts]}
    worst = Severity.HIGH if min(lefts) < 0 else Severity.MEDIUM
    assert await collected(database, agent, facts) == {"/etc/ssl/bundle.pem": worst}


async def test_the_largest_numbers_of_accounts_are_taken(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    accounts = [account("nfsnobody", 4_294_967_294), account("toor", 0), account("root", 0)]
    found = await collected(database, agent, {FactKind.ACCOUNTS: accounts})
    assert found == {"root toor": Severity.HIGH}


async def test_a_retired_server_speaks_no_more(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    facts = {
        FactKind.CERTIFICATES: [certificate(-1)],
        FactKind.BACKUPS: [BACKUP],
        FactKind.ACCOUNTS: [account("toor", 0)],
    }
    assert len(await collected(database, agent, facts)) == 3
    async with database.transaction(tenant_id=tenant.id) as session:
        await retire_agent(
            session, principal=person(tenant, role=Role.ADMIN), agent_id=agent.id, now=NOW
        )
    assert await collected(database, agent, {}) == {}
