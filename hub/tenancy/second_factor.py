"""A person's second factor: enrolled with a code, shown with a code, each code taken once."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.secret_box import SecretBox
from hub.tenancy.models import RecoveryCode, User
from hub.tenancy.totp import matching_step, open_totp_secret, seal_totp_secret

RECOVERY_CODES = 10
# 120 bits. From 112 on a plain digest keeps such a secret, without a key and without a slow hash
# (NIST SP 800-63B §5.1.2.2): nobody finds one by trying, even with the database at hand.
_RECOVERY_BYTES = 15
# Codes used to be shorter, kept under the hub's key, and were lost with that key.
_FORMER_PURPOSE = "recovery-code"
_FORMER_DIGEST_CHARACTERS = 43
_GROUP = 4


class Factor(StrEnum):
    """With what a person showed that it is them."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What is stored of a person's second factor."""

    totp_secret_sealed: bytes | None
    codes_left: int

    @property
    def is_enrolled(self) -> bool:
        """Tell whether sign-in asks for it."""
        return self.totp_secret_sealed is not None


async def second_factor_of(session: AsyncSession, *, user_id: UUID) -> SecondFactor:
    """Return what the person enrolled. Needs `user_id`."""
    left = (
        select(func.count())
        .select_from(RecoveryCode)
        .where(col(RecoveryCode.user_id) == user_id, col(RecoveryCode.used_at).is_(None))
        .scalar_subquery()
    )
    row = (
        await session.execute(
            select(col(User.totp_secret_sealed), left).where(col(User.id) == user_id)
        )
    ).one()
    return SecondFactor(*row)


async def show_second_factor(
    session: AsyncSession,
    *,
    box: SecretBox,
    user_id: UUID,
    code: str,
    at: datetime,
) -> Factor | None:
    """Use up the code and return what it was; None when it is wrong or was used. Needs `user_id`.

    The database decides who was first: of two requests with the same code one finds it used.
    """
    cleaned = "".join(code.split()).replace("-", "").lower()
    sealed = (await second_factor_of(session, user_id=user_id)).totp_secret_sealed
    if sealed is None or not cleaned.isascii():
        return None
    step = matching_step(open_totp_secret(box, sealed), cleaned, at=at)
    if step is not None:
        return Factor.TOTP if await _use_step(session, user_id=user_id, step=step) else None
    digests = [_digest(user_id, cleaned), *_former_digests(box, user_id, cleaned)]
    used = await _use_recovery_code(session, user_id=user_id, digests=digests, at=at)
    return Factor.RECOVERY_CODE if used else None


async def enrol_totp(
    session: AsyncSession, *, box: SecretBox, user_id: UUID, secret: str, step: int
) -> bool:
    """Store the secret, proven by the code of this step; False when there is one already."""
    enrolled = await session.scalar(
        update(User)
        .where(col(User.id) == user_id, col(User.totp_secret_sealed).is_(None))
        .values(totp_secret_sealed=seal_totp_secret(box, secret), totp_last_step=step)
        .returning(col(User.id))
    )
    return enrolled is not None


async def remove_totp(session: AsyncSession, *, user_id: UUID) -> None:
    """Forget the secret and the recovery codes. Needs `user_id`."""
    await session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    # The last step stays: a code that was used is not taken again, whatever is enrolled next.
    await session.execute(
        update(User).where(col(User.id) == user_id).values(totp_secret_sealed=None)
    )


async def make_recovery_codes(session: AsyncSession, *, user_id: UUID) -> tuple[str, ...]:
    """Replace the recovery codes and return the new ones, to be shown once. Needs `user_id`."""
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    await session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    await session.execute(
        insert(RecoveryCode),
        [{"user_id": user_id, "digest": _digest(user_id, code.replace("-", ""))} for code in codes],
    )
    return codes


async def _use_step(session: AsyncSession, *, user_id: UUID, step: int) -> bool:
    used = await session.scalar(
        update(User)
        .where(
            col(User.id) == user_id,
            or_(col(User.totp_last_step).is_(None), col(User.totp_last_step) < step),
        )
        .values(totp_last_step=step)
        .returning(col(User.id))
    )
    return used is not None


async def _use_recovery_code(
    session: AsyncSession, *, user_id: UUID, digests: list[str], at: datetime
) -> bool:
    used = await session.scalar(
        update(RecoveryCode)
        .where(
            col(RecoveryCode.user_id) == user_id,
            col(RecoveryCode.digest).in_(digests),
            col(RecoveryCode.used_at).is_(None),
        )
        .values(used_at=at)
        .returning(col(RecoveryCode.user_id))
    )
    return used is not None


async def people_with_former_codes(session: AsyncSession) -> int:
    """Return how many hold codes that are lost with a former key. Needs `presented='*'`."""
    counted = await session.execute(
        select(func.count(col(RecoveryCode.user_id).distinct())).where(
            col(RecoveryCode.used_at).is_(None),
            func.length(col(RecoveryCode.digest)) == _FORMER_DIGEST_CHARACTERS,
        )
    )
    return counted.scalar_one()


def _digest(user_id: UUID, code: str) -> str:
    """Return what is kept of a code; the same code of two people has two digests."""
    return hashlib.sha256(f"monsys recovery code\n{user_id}\n{code}".encode()).hexdigest()


def _former_digests(box: SecretBox, user_id: UUID, code: str) -> list[str]:
    return box.macs(f"{user_id}\n{code}", purpose=_FORMER_PURPOSE)


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
