"""What the authorization server forgets, and when. Run any number of times, by any replica."""

import structlog
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from oauth import commands
from oauth.trace import prune_steps

_log = structlog.get_logger(__name__)
_EVERYTHING = "*"  # what row-level security calls all of them


async def prune_oauth(database: Database) -> None:
    """Delete unused clients, steps long past, and codes and tokens that nobody can use."""
    now = utc_now()
    async with database.transaction(presented=_EVERYTHING) as session:
        clients = await commands.prune_clients(session, now=now)
        steps = await prune_steps(session, now=now)
        tenants = (await session.scalars(select(col(Tenant.id)))).all()
    tokens = 0
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as session:
            tokens += await commands.prune_codes(session, now=now)
            tokens += await commands.prune_tokens(session, now=now)
    if clients or steps or tokens:
        _log.info("oauth_pruned", clients=len(clients), steps=steps, tokens=tokens)
