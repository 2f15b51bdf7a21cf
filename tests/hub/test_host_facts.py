"""What hosts tell of themselves: kept per kind, shown to people, and weighed by the Trust Score."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.fact_models import FactKind, HostFact
from hub.fleet.facts import Facts, facts_by_agent, take_facts
from hub.fleet.models import Agent
from hub.ingest.host_facts import HostFacts
from hub.ingest.report import Report
from hub.ingest.translation import host_facts
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.trust.collect import COLLECTIONS, collect_signals
from hub.trust.models import TrustWord
from hub_schema.operations import OperationError, operation_of
from tests.conftest import Statements
from tests.factories import make_agent, person
from tests.schema.asking import ask

NOW = utc_now().replace(microsecond=0)
ACCOUNT = {
    "name": "deploy", "uid": 1000, "shell": "/bin/bash", "can_log_in": True, "groups": ["sudo"],
}  # fmt: skip
RULE = {
    "who": "deploy", "rule": "deploy ALL=(ALL) NOPASSWD: ALL", "path": "/etc/sudoers",
    "is_passwordless": True, "allows_all": True,
}  # fmt: skip
BACKUP = {"name": "database", "path": "/srv/db-*", "max_age_hours": 24.0}
CERTIFICATE = {"place": "www.example.com:443", "subject": "CN=www.example.com", "issuer": "CN=ca"}


def wire(**kinds: Any) -> dict[FactKind, list[dict[str, Any]]]:
    """Return facts as they come out of a report."""
    return host_facts(Report.model_validate({"at": NOW, "facts": kinds}))


def days(count: float) -> str:
    return (NOW + timedelta(days=count)).isoformat()


async def told(
    database: Database, agent: Agent, *, at: datetime = NOW, **kinds: Any
) -> dict[FactKind, Facts]:
    """Take what a host tells, and return what is known of it then."""
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        await take_facts(
            session, tenant_id=agent.tenant_id, agent_id=agent.id, facts=wire(**kinds), at=at
        )
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        return (await facts_by_agent(session, [agent.id])).get(agent.id, {})


async def test_a_kind_is_replaced_and_the_others_stay(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await told(database, agent, accounts=[ACCOUNT], sudoers=[RULE])
    later = NOW + timedelta(hours=1)
    known = await told(database, agent, at=later, accounts=[ACCOUNT | {"name": "eve"}])
    assert [item["name"] for item in known[FactKind.ACCOUNTS].items] == ["eve"]
    assert (known[FactKind.ACCOUNTS].observed_at, known[FactKind.SUDOERS].observed_at) == (
        later,
        NOW,
    )
    assert known[FactKind.SUDOERS].items == [RULE]


async def test_the_same_told_again_has_not_changed(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await told(database, agent, accounts=[ACCOUNT])
    later = NOW + timedelta(hours=6)
    known = (await told(database, agent, at=later, accounts=[ACCOUNT]))[FactKind.ACCOUNTS]
    assert (known.observed_at, known.changed_at) == (later, NOW)


async def test_a_report_that_arrives_late_replaces_nothing(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await told(database, agent, accounts=[ACCOUNT])
    known = await told(database, agent, at=NOW - timedelta(hours=1), accounts=[])
    assert known[FactKind.ACCOUNTS].items == [ACCOUNT]


async def test_nothing_told_is_nothing_done(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        await take_facts(session, tenant_id=tenant.id, agent_id=agent.id, facts={}, at=NOW)
    assert statements == []


async def test_all_kinds_cost_one_statement(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    facts = wire(accounts=[ACCOUNT], sudoers=[RULE], kernels=[], listening=[], backups=[BACKUP])
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        await take_facts(session, tenant_id=tenant.id, agent_id=agent.id, facts=facts, at=NOW)
    assert len(statements) == 1


async def test_facts_of_another_tenant_are_not_there(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await told(database, agent, accounts=[ACCOUNT])
    async with database.transaction(tenant_id=other_tenant.id) as session:
        assert await facts_by_agent(session, [agent.id]) == {}
        assert await session.scalar(select(func.count()).select_from(HostFact)) == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"accounts": [ACCOUNT | {"uid": -1}]},
        {"accounts": [ACCOUNT | {"name": "a\nb"}]},
        {"accounts": [ACCOUNT] * 2_001},
        {"listening": [{"protocol": "icmp", "address": "::", "port": 1}]},
        {"certificates": [CERTIFICATE | {"not_after": "2026-11-22T00:00:00"}]},
        {"backups": [BACKUP | {"max_age_hours": float("inf")}]},
    ],
)
def test_facts_out_of_bounds_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        HostFacts.model_validate(facts)


QUERY = """
query HostFacts($agent: String!) { agent(agent: $agent) { facts {
  observedAt kernels { release isRunning } accounts { name uid groups }
  sudoers { who isPasswordless } listening { port process }
  certificates { place daysLeft problem } backups { name isFresh newestAt }
} } }
"""


ASK = operation_of("host_facts", "dashboard", QUERY)


def test_accounts_and_rules_of_sudo_never_pass_to_claude() -> None:
    for kind in ("accounts { name }", "sudoers { who }", "listening { process }"):
        text = f'query X {{ agent(agent: "x") {{ facts {{ {kind} }} }} }}'
        with pytest.raises(OperationError):
            operation_of("x", "mcp", text)


async def test_people_see_the_facts_of_a_host(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await told(
        database,
        agent,
        accounts=[ACCOUNT],
        certificates=[
            CERTIFICATE | {"not_after": days(10.5)},
            {"place": "/x.pem", "problem": "there is no such file"},
        ],
        backups=[BACKUP | {"newest_at": days(-2)}],
    )
    answer = await ask(database, person(tenant), ASK, agent=agent.name)
    assert answer["facts"] == {
        "observedAt": NOW.isoformat(),
        "kernels": None,
        "accounts": [{"name": "deploy", "uid": 1000.0, "groups": ["sudo"]}],
        "sudoers": None,
        "listening": None,
        "certificates": [
            {"place": "www.example.com:443", "daysLeft": 10, "problem": ""},
            {"place": "/x.pem", "daysLeft": None, "problem": "there is no such file"},
        ],
        "backups": [{"name": "database", "isFresh": False, "newestAt": days(-2)}],
    }


async def test_a_host_that_told_nothing_has_no_facts(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    assert (await ask(database, person(tenant), ASK, agent=agent.name))["facts"] is None


async def words(database: Database, tenant: Tenant, source: str) -> dict[str, Severity]:
    """Collect one source's signals and return what is said by them, unless it is resolved."""
    collection = next(each for each in COLLECTIONS if each.source == source)
    async with database.transaction(tenant_id=tenant.id) as session:
        for _ in range(3):
            await collect_signals(session, collection, tenant_id=tenant.id, now=utc_now())
        rows = await session.execute(
            select(col(TrustWord.key), col(TrustWord.severity)).where(
                col(TrustWord.source) == source, ~col(TrustWord.is_resolved)
            )
        )
        return {key: severity for key, severity in rows}  # noqa: C416 - rows are no tuples to mypy


async def test_certificates_weigh_the_more_the_sooner_they_expire(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    soon = {"expired": -1, "this week": 3, "this month": 20, "fine": 90}
    certificates = [
        CERTIFICATE | {"place": place, "not_after": days(left)} for place, left in soon.items()
    ]
    unreadable = {"place": "/x.pem", "problem": "there is no such file"}
    await told(database, agent, certificates=[*certificates, unreadable])
    assert await words(database, tenant, "cert_scan") == {
        "looked_at": Severity.INFO,
        "expired": Severity.HIGH,
        "this week": Severity.MEDIUM,
        "this month": Severity.LOW,
    }
    await told(
        database,
        agent,
        at=NOW + timedelta(minutes=1),
        certificates=[CERTIFICATE | {"place": "expired", "not_after": days(90)}],
    )
    assert await words(database, tenant, "cert_scan") == {"looked_at": Severity.INFO}


async def test_backups_weigh_when_they_are_stale_or_missing(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    ages = {"fresh": -0.5, "stale": -2, "ancient": -10}
    backups = [BACKUP | {"name": name, "newest_at": days(age)} for name, age in ages.items()]
    await told(database, agent, backups=[*backups, BACKUP | {"name": "missing"}])
    assert await words(database, tenant, "backup_check") == {
        "looked_at": Severity.INFO,
        "stale": Severity.MEDIUM,
        "ancient": Severity.HIGH,
        "missing": Severity.HIGH,
    }


async def test_second_roots_and_sudo_without_a_password_weigh(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await make_agent(database, tenant)
    root, toor = ACCOUNT | {"name": "root", "uid": 0}, ACCOUNT | {"name": "toor", "uid": 0}
    harmless = RULE | {"who": "bob", "allows_all": False}
    await told(database, agent, accounts=[root, toor, ACCOUNT], sudoers=[RULE, RULE, harmless])
    assert await words(database, tenant, "identity_audit") == {
        "looked_at": Severity.INFO,
        "root toor": Severity.HIGH,
        "sudo deploy": Severity.MEDIUM,
    }
