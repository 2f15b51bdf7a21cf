"""The second step of signing in: the password was right, the code is still to come.

Who got that far stands in the form itself, sealed, for five minutes and for one browser. There is
no half-open session that something could mistake for a whole one.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import UUID

import orjson

from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput
from hub.secret_box import SecretBox
from hub.tenancy.queries import Account, account_by_id
from hub.tenancy.second_factor import Factor, show_second_factor
from hub.tenancy.sessions import digest_of

_PURPOSE = "second-step"
_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Whose password was right, in which browser, and until when that counts."""

    user_id: UUID
    browser: str
    password: str
    until: float

    @classmethod
    def after(cls, account: Account, *, cookie: str) -> Self:
        """Return the step of an account whose password was right."""
        return cls(
            user_id=account.user_id,
            browser=digest_of(cookie),
            # So that a password that is changed meanwhile ends this, too.
            password=digest_of(account.password_hash),
            until=(utc_now() + _LIFETIME).timestamp(),
        )

    def sealed(self, box: SecretBox) -> str:
        """Return it for the form."""
        return base64.urlsafe_b64encode(
            box.seal(orjson.dumps(self, default=str), purpose=_PURPOSE)
        ).decode()

    @classmethod
    def opened(cls, box: SecretBox, text: str, *, cookie: str | None) -> Self | None:
        """Return what the form holds; None when it is another's, too old, or not ours at all."""
        try:
            values = orjson.loads(box.open(base64.urlsafe_b64decode(text), purpose=_PURPOSE))
        except (InvalidInput, binascii.Error, ValueError):
            return None
        step = cls(**values | {"user_id": UUID(values["user_id"])})
        is_good = step.browser == digest_of(cookie or "") and utc_now().timestamp() < step.until
        return step if is_good else None

    async def account(self, database: Database) -> Account | None:
        """Return the account, unless it was disabled or its password changed meanwhile."""
        async with database.transaction(user_id=self.user_id) as session:
            account = await account_by_id(session, user_id=self.user_id)
        if account is None or account.is_disabled:
            return None
        return account if digest_of(account.password_hash) == self.password else None

    async def show(self, database: Database, box: SecretBox, *, code: str) -> Factor | None:
        """Use the code up and return what it was; None when it is wrong or was used."""
        async with database.transaction(user_id=self.user_id) as session:
            return await show_second_factor(
                session, box=box, user_id=self.user_id, code=code, at=utc_now()
            )
