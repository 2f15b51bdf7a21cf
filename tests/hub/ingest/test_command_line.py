"""`monsys ingest`: a key is made, listed and revoked, and the switch is set."""

import subprocess
from pathlib import Path

import pytest

from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.ingest.keys.queries import unknown_hosts_accepted
from hub.opaque_tokens import is_well_formed
from tests.factories import make_tenant
from tests.hub.test_cli import monsys, refusal


@pytest.mark.slow
async def test_a_key_is_made_listed_and_revoked(
    tmp_path: Path, postgres: EmbeddedPostgres, database_name: str, database: Database
) -> None:
    tenant = await make_tenant(database)
    url = postgres.hub_url(database_name)

    def ingest(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = ("--tenant", tenant.slug)
        return monsys("ingest", *arguments, *options, data_dir=tmp_path, MONSYS_DATABASE_URL=url)

    made = ingest("key", "create", "falco", "edge of Rotterdam", "--default-host", "edge-9")
    assert is_well_formed(made.stdout.strip(), "mik_"), made.stderr
    listed = ingest("key", "list").stdout
    assert made.stdout.strip() not in listed
    key_id, source, *words = listed.split()
    assert (source, " ".join(words)) == ("falco", "never used edge of Rotterdam")
    assert ingest("key", "revoke", key_id).returncode == 0
    assert "revoked" in ingest("key", "list").stdout
    assert ingest("unknown-hosts", "allow").returncode == 0
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await unknown_hosts_accepted(session, tenant_id=tenant.id) is True
    assert "`default_host`" in refusal(
        ingest("key", "create", "falco", "edge", "--default-host", "a b")
    )
