"""What is long over of accounts is deleted, and nothing else."""

from datetime import timedelta
from uuid import uuid4

from sqlmodel import col, select

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import AccountLink, LinkKind, Tenant, WebSession
from hub.tenancy.pruning import prune_accounts
from tests.factories import make_user


async def test_links_go_after_a_week_and_sign_ins_after_a_month(
    database: Database, tenant: Tenant
) -> None:
    user, now, mark = await make_user(database, tenant), utc_now(), uuid4().hex
    async with database.transaction(tenant_id=tenant.id, user_id=user.id) as session:
        for days in (6, 8, 29, 31):
            expired = now - timedelta(days=days)
            session.add(
                WebSession(
                    digest=f"{mark}{days}", user_id=user.id, tenant_id=tenant.id, expires_at=expired
                )
            )
            session.add(
                AccountLink(
                    digest=f"{mark}{days}",
                    kind=LinkKind.RESET_PASSWORD,
                    user_id=user.id,
                    expires_at=expired,
                )
            )
    await prune_accounts(database)
    async with database.transaction(user_id=user.id) as session:
        links = await session.scalars(select(col(AccountLink.digest)))
        sessions = await session.scalars(select(col(WebSession.digest)))
        assert [digest.removeprefix(mark) for digest in links] == ["6"]
        assert sorted(digest.removeprefix(mark) for digest in sessions) == ["29", "6", "8"]
