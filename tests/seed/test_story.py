"""The story: what it must hold, in which tenant, and that it is always the same."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.verify import verify_chain
from hub.database import Database
from hub.migrations.tables import metadata
from hub.sla.queries import sla_standings
from hub.trust.reading import trust_score
from seed.hosts import CONTOSO_HOSTS, NORTHWIND_HOSTS
from seed.people import CONTOSO_ID, NORTHWIND_ID
from seed.stable import rounded
from seed.story import is_told
from seed.trust import last_tuesday
from tests.seed.conftest import NOW

NUMBERS = "SELECT number, rule_kind, state FROM detections WHERE number >= 'DEV-2026-0441'"


async def rows(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    async with database.transaction(tenant_id=NORTHWIND_ID) as session:
        return [tuple(row) for row in await session.execute(text(statement), parameters)]


async def test_it_is_known_to_be_told(story: Database, database: Database) -> None:
    assert await is_told(story)
    assert not await is_told(database)


async def test_the_night_begins_at_its_number(story: Database) -> None:
    detections = await rows(story, f"{NUMBERS} ORDER BY number LIMIT 4")
    assert detections == [
        ("DEV-2026-0441", "ssh_bruteforce", "open"),
        ("DEV-2026-0442", "ssh_bruteforce_success", "open"),
        ("DEV-2026-0443", "new_sudo_user", "open"),
        ("DEV-2026-0444", "authorized_keys_change", "open"),
    ]


async def test_the_last_day_has_open_events_and_an_acknowledged_one(story: Database) -> None:
    recent = await rows(
        story,
        "SELECT rule_kind, state FROM detections WHERE last_seen_at > :since ORDER BY 1",
        since=NOW - timedelta(hours=24),
    )
    assert recent == [
        ("cryptominer", "open"),
        ("honeypot_canary", "open"),
        ("new_listening_port", "open"),
        ("process_from_tmp", "open"),
        ("ssh_bruteforce", "acknowledged"),
        ("ssh_login_new_source", "open"),
    ]


async def test_two_hosts_are_silent_and_the_rest_reported_just_now(story: Database) -> None:
    silent = await rows(
        story, "SELECT name FROM agents WHERE last_seen_at < :now ORDER BY 1", now=NOW
    )
    assert silent == [("gw-antwerp-01",), ("worker-stg-02",)]
    assert await rows(story, "SELECT count(*) FROM agents") == [(len(NORTHWIND_HOSTS),)]


async def test_service_levels_stand_in_every_state(story: Database) -> None:
    async with story.transaction(tenant_id=NORTHWIND_ID) as session:
        standings = await sla_standings(session, now=rounded(NOW))
    assert {one.name: one.budget.state.value for one in standings} == {
        "EDI gateway": "breached",
        "Order API": "at_risk",
        "Label printing Antwerp": "unknown",
        "Customer portal": "met",
        "Customs ledger": "met",
    }


async def test_the_trust_score_fell_by_about_seven_points_last_tuesday(story: Database) -> None:
    tuesday = last_tuesday(NOW)
    async with story.transaction(tenant_id=NORTHWIND_ID) as session:
        before = await trust_score(session, now=tuesday - timedelta(minutes=1))
        after = await trust_score(session, now=NOW)
    assert before is not None
    assert after is not None
    assert before.total is not None
    assert after.total is not None
    assert after.total - before.total == pytest.approx(-6.8, abs=0.3)
    assert after.delta_week == pytest.approx(after.total - before.total)
    assert [one.component.value for one in after.components if one.score is None] == ["ai_risk"]
    assert "cloud_access_key" in {one.key for one in after.contributors}


async def test_kernels_wait_for_a_reboot_where_the_fix_is_installed(story: Database) -> None:
    pending = await rows(
        story,
        "SELECT DISTINCT a.name FROM findings f JOIN agents a ON a.id = f.agent_id"
        " WHERE f.state = 'reboot_pending' ORDER BY 1",
    )
    assert pending == [("db-prod-01",), ("db-prod-02",), ("scan-hamburg-01",)]


async def test_no_kernel_is_called_vulnerable_that_is_not(story: Database) -> None:
    affected = await rows(
        story,
        "SELECT DISTINCT installed_version FROM findings WHERE advisory_id = 'CVE-2024-26581'",
    )
    assert sorted(affected) == [("6.1.0-13-amd64",), ("6.1.0-17-amd64",)]


async def test_what_is_exploited_is_known_under_every_name(story: Database) -> None:
    exploited = await rows(
        story, "SELECT id FROM advisories WHERE exploited_since IS NOT NULL ORDER BY id"
    )
    assert [name for (name,) in exploited] == [
        "CVE-2022-0847",
        "CVE-2023-0386",
        "CVE-2023-44487",
        "CVE-2024-1086",
        "CVE-2024-53104",
        "CVE-2025-38352",
        "GHSA-jfh8-c2jp-5v3q",
    ]


async def test_every_ecosystem_has_a_finding(story: Database) -> None:
    found = await rows(story, "SELECT DISTINCT ecosystem FROM findings ORDER BY 1")
    assert [name for (name,) in found] == [
        "Alpine:v3.20",
        "Debian:12",
        "Linux",
        "Maven",
        "PyPI",
        "Rocky Linux:9",
        "Ubuntu:22.04:LTS",
        "Ubuntu:24.04:LTS",
        "npm",
    ]


async def test_both_audit_trails_verify(story: Database) -> None:
    for tenant_id in (NORTHWIND_ID, CONTOSO_ID):
        async with story.transaction(tenant_id=tenant_id) as session:
            assert (await verify_chain(session, tenant_id=tenant_id)).is_intact


async def test_the_trail_is_in_the_order_of_time(story: Database) -> None:
    times = await rows(story, "SELECT at FROM audit_log ORDER BY seq")
    assert times == sorted(times)
    assert times[-1][0] <= NOW


async def test_the_neighbour_has_hosts_of_its_own(story: Database) -> None:
    async with story.transaction(tenant_id=CONTOSO_ID) as session:
        names = await session.scalars(text("SELECT name FROM agents ORDER BY 1"))
    assert names.all() == sorted(host.name for host in CONTOSO_HOSTS)


@pytest.mark.slow
async def test_the_same_seed_and_now_give_the_same_rows(
    story: Database, second_telling: Database
) -> None:
    for tenant_id in (NORTHWIND_ID, CONTOSO_ID):
        digests = []
        for database in (story, second_telling):
            async with database.transaction(tenant_id=tenant_id) as session:
                digests.append({t.name: await digest(session, t) for t in metadata.sorted_tables})
        assert digests[0] == digests[1]


# Surrogate keys that commands draw at random, references to them, and what the clock sets.
_RANDOM = {
    "alerts": {"id"},
    "agent_packages": {"package_version_id"},
    "detection_events": {"id", "detection_id"},
    "detection_history": {"id", "detection_id"},
    "detections": {"id"},
    "findings": {"id"},
    "mcp_call_log": {"id"},
    "package_versions": {"id"},
    "sla_hours": {"target_id"},
    "sla_observations": {"target_id"},
    "sla_targets": {"id"},
    "trust_signals": {"id"},
    "trust_snapshots": {"id"},
    "trust_states": {"computed_at"},  # when this telling wrote it
}


async def digest(session: AsyncSession, table: Table) -> str:
    columns = [c for c in table.columns if c.name not in _RANDOM.get(table.name, set())]
    found = await session.execute(select(*columns))
    return hashlib.sha256("\n".join(sorted(map(repr, found))).encode()).hexdigest()
