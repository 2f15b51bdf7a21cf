"""Sealed values move to the current key, so that former keys can go."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.database import Database
from hub.secret_box import SecretBox
from hub.tenancy.models import Tenant, User
from hub.tenancy.totp import TOTP_PURPOSE

_EVERY_TENANT = "*"  # what row-level security calls all of them


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many values were moved, and how many stood with the current key already."""

    moved: int
    current: int


async def reseal(database: Database, box: SecretBox) -> Resealed:
    """Seal every second factor's secret with the current key. Safe to run again, or at once.

    Each tenant is a transaction of its own; a person who belongs to several is moved once.
    """
    async with database.transaction(presented=_EVERY_TENANT) as session:
        tenants = (await session.scalars(select(col(Tenant.id)))).all()
    moved, current = 0, 0
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as session:
            done = await _reseal_tenant(session, box)
        moved, current = moved + done.moved, current + done.current
    return Resealed(moved, current)


async def _reseal_tenant(session: AsyncSession, box: SecretBox) -> Resealed:
    rows = (await _sealed_secrets(session)).items()
    outdated = {user_id: sealed for user_id, sealed in rows if not box.is_current(sealed)}
    for user_id, sealed in outdated.items():
        secret = box.open(sealed, purpose=TOTP_PURPOSE)
        await session.execute(
            update(User)
            # Unless the person has just enrolled anew.
            .where(col(User.id) == user_id, col(User.totp_secret_sealed) == sealed)
            .values(totp_secret_sealed=box.seal(secret, purpose=TOTP_PURPOSE))
        )
    return Resealed(len(outdated), len(rows) - len(outdated))


async def _sealed_secrets(session: AsyncSession) -> dict[UUID, bytes]:
    rows = await session.execute(
        select(col(User.id), col(User.totp_secret_sealed)).where(
            col(User.totp_secret_sealed).is_not(None)
        )
    )
    return {user_id: sealed for user_id, sealed in rows if sealed is not None}
