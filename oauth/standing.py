"""A presented token and everything it depends on, read in one round trip."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from hub.database import Database
from hub.prepared import observers
from hub.principal import Role
from oauth.models import TokenKind

_IDS = ("tenant_id", "grant_id", "user_id")
_LOOK_UP = "SELECT * FROM monsys_token_standing($1)"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A token, valid or not, with the grant, person, membership and switches behind it."""

    tenant_id: UUID
    grant_id: UUID
    user_id: UUID
    client_id: str
    kind: TokenKind
    scope: str
    resource: str
    issued_at: datetime
    expires_at: datetime
    is_revoked: bool  # the token, or the grant behind it
    email: str
    role: Role | None  # None: no longer a member
    is_disabled: bool
    claude_may_read: bool
    claude_may_acknowledge: bool

    @classmethod
    def of(cls, row: Any) -> Self:
        """Shape one row of `monsys_token_standing`."""
        fields = dict(row)
        role = fields["role"]
        fields |= {"kind": TokenKind(fields["kind"]), "role": Role(role) if role else None}
        # asyncpg has a UUID of its own, which JSON serialisers do not know.
        fields |= {name: UUID(int=fields[name].int) for name in _IDS}
        return cls(**fields)


async def presented_token(database: Database, *, digest: str) -> PresentedToken | None:
    """Return the token with this digest, and note that its grant is in use.

    One statement, which is its own transaction: no BEGIN, no COMMIT, one round trip. Row-level
    security holds inside the function, which shows the digest as any other caller does.
    """
    for observe in observers:
        observe(_LOOK_UP)
    async with database.lean.connection() as connection:
        row = await connection.fetchrow(_LOOK_UP, digest)
    return PresentedToken.of(row) if row else None
