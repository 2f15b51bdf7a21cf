"""Client libraries that refuse whatever a specification does not allow."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlmodel import col

from hub.tenancy.models import Tenant
from tests.acceptance.person import Account
from tests.clients.node_client import run_node, run_with_person
from tests.node_packages import node_modules
from tests.running_hub import RunningHub

__all__ = ["node_modules"]

pytestmark = [pytest.mark.node, pytest.mark.slow]
SCRIPTS = Path(__file__).parent / "node"


async def _stay_connected(hub: RunningHub, tenant_id: UUID, *, stays: bool) -> None:
    async with hub.database.transaction(tenant_id=tenant_id) as session:
        await session.execute(
            update(Tenant).where(col(Tenant.id) == tenant_id).values(stay_connected=stays)
        )


@pytest_asyncio.fixture
async def lasting_hub(hub: RunningHub, tenants: tuple[UUID, UUID]) -> AsyncIterator[RunningHub]:
    """Return the hub with a tenant that lets connections last."""
    await _stay_connected(hub, tenants[0], stays=True)
    yield hub
    await _stay_connected(hub, tenants[0], stays=False)


@pytest.mark.parametrize(
    ("algorithm", "method"),
    [
        ("oauth2", "none"),
        ("oauth2", "client_secret_post"),
        ("oauth2", "client_secret_basic"),
        ("oidc", "none"),
    ],
)
async def test_oauth4webapi_goes_from_discovery_to_revocation(
    algorithm: str,
    method: str,
    lasting_hub: RunningHub,
    operator: Account,
    node_modules: Path,
) -> None:
    """RFC 9728, 8414, 7591, 6749, 7636, 9207, 8707 and 7009, as that library reads them."""
    run = await run_with_person(
        SCRIPTS / "strict_client.mjs",
        *(lasting_hub.origin, lasting_hub.mcp_url, algorithm, method),
        node_modules=node_modules,
        account=operator,
    )
    assert run.result == {
        "hasSecret": method != "none",
        "scope": "mcp.read mcp.acknowledge",
        "expiresIn": 3600,
        "isRotated": True,
        "before": 200,
        "after": [401, 401],
        "refusal": "invalid_grant",
    }


async def test_openid_client_reads_both_documents(
    hub: RunningHub,
    node_modules: Path,
) -> None:
    """OpenID Connect Discovery 1.0 §4.3 and RFC 8414 §3.3."""
    script = SCRIPTS / "strict_discovery.mjs"
    run = await run_node(script, hub.origin, node_modules=node_modules)
    expected = {"issuer": hub.origin, "supportsPKCE": True, "hasClient": True}
    assert run.result == {"found": [expected, expected]}
