"""Sealed values move to the current key, so that former keys can go."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.webhooks.resealing import sealed_of_webhooks, store_of_webhook
from hub.database import Database
from hub.errors import InvalidInput
from hub.secret_box import SecretBox
from hub.tenancy.models import Tenant, User
from hub.tenancy.second_factor import people_with_former_codes
from hub.tenancy.totp import TOTP_PURPOSE

_EVERY_TENANT = "*"  # what row-level security calls all of them


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many values were moved, and how many stood with the current key already.

    `unreadable` ones were sealed with a key that nobody named: their owners enrol again.
    `former_codes` is how many people hold recovery codes of the old kind, which cannot be moved.
    """

    moved: int = 0
    current: int = 0
    unreadable: int = 0
    former_codes: int = 0

    def __add__(self, other: "Resealed") -> "Resealed":
        return Resealed(
            self.moved + other.moved,
            self.current + other.current,
            self.unreadable + other.unreadable,
            self.former_codes + other.former_codes,
        )


async def reseal(database: Database, box: SecretBox) -> Resealed:
    """Seal the secrets of second factors and webhooks with the current key.

    Safe to run again, or at once. Each tenant is a transaction of its
    own; a person who belongs to several is moved once.
    """
    async with database.transaction(presented=_EVERY_TENANT) as session:
        tenants = (await session.scalars(select(col(Tenant.id)))).all()
        total = Resealed(former_codes=await people_with_former_codes(session))
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as session:
            total += await _reseal_tenant(session, box)
    return total


async def _reseal_tenant(session: AsyncSession, box: SecretBox) -> Resealed:
    total = Resealed()
    for user_id, sealed in (await _sealed_secrets(session)).items():
        if box.is_current(sealed):
            total += Resealed(current=1)
            continue
        try:
            secret = box.open(sealed, purpose=TOTP_PURPOSE)
        except InvalidInput:
            total += Resealed(unreadable=1)
            continue
        await _store(session, user_id, sealed, box.seal(secret, purpose=TOTP_PURPOSE))
        total += Resealed(moved=1)
    return total + await _reseal_webhooks(session, box)


async def _reseal_webhooks(session: AsyncSession, box: SecretBox) -> Resealed:
    total = Resealed()
    for value in await sealed_of_webhooks(session):
        if box.is_current(value.sealed):
            total += Resealed(current=1)
            continue
        try:
            opened = box.open(value.sealed, purpose=value.purpose)
        except InvalidInput:
            total += Resealed(unreadable=1)
            continue
        await store_of_webhook(session, value, box.seal(opened, purpose=value.purpose))
        total += Resealed(moved=1)
    return total


async def _store(session: AsyncSession, user_id: UUID, former: bytes, sealed: bytes) -> None:
    """Store the value, unless the person has just enrolled anew."""
    await session.execute(
        update(User)
        .where(col(User.id) == user_id, col(User.totp_secret_sealed) == former)
        .values(totp_secret_sealed=sealed)
    )


async def _sealed_secrets(session: AsyncSession) -> dict[UUID, bytes]:
    rows = await session.execute(
        select(col(User.id), col(User.totp_secret_sealed)).where(
            col(User.totp_secret_sealed).is_not(None)
        )
    )
    return {user_id: sealed for user_id, sealed in rows if sealed is not None}
