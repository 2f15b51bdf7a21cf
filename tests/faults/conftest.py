"""Fixtures: a hub process on a PostgreSQL of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from hub.tenancy.models import Tenant
from tests.acceptance.connector import Connector, connect
from tests.faults.postgres import StoppablePostgres, new_postgres, populate
from tests.running_hub import HubProcess


@dataclass(frozen=True)
class FragileHub:
    """Everything that a test may break, and a client that watches."""

    process: HubProcess
    postgres: StoppablePostgres
    tenant: Tenant
    claude: Connector


@pytest.fixture(scope="package")
def stoppable_postgres(tmp_path_factory: pytest.TempPathFactory) -> StoppablePostgres:
    """Return a server for this folder's tests alone."""
    return new_postgres(tmp_path_factory.mktemp("faults"))


@pytest_asyncio.fixture(scope="package")
async def fragile_hub(stoppable_postgres: StoppablePostgres) -> AsyncIterator[FragileHub]:
    """Return a running hub process with a client that has a token."""
    tenant, account = await populate(stoppable_postgres)
    limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
    async with (
        HubProcess(stoppable_postgres.hub_url, stoppable_postgres.data_dir) as process,
        httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as http,
    ):
        claude = await connect(http, process.origin, process.origin, account)
        yield FragileHub(process, stoppable_postgres, tenant, claude)
