"""Tables of tenants, their people and their sign-ins."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant, tenant_key, uuid_key
from hub.principal import Role


class Tenant(SQLModel, table=True):
    """One customer: everything else belongs to exactly one of them."""

    __tablename__ = "tenants"
    __table_args__ = (Index("uq_tenants_slug", "slug", unique=True),)

    id: UUID = uuid_key()
    name: str = Field(max_length=200)
    slug: str = Field(max_length=63)
    plan: str = Field(default="free", max_length=32)
    server_limit: int = 5
    # The connector is opt-in per tenant and can stay off.
    claude_may_read: bool = False
    claude_may_acknowledge: bool = False
    strict_residency: bool = False
    # "Stay connected" (refresh tokens); off means re-authentication after each hour.
    stay_connected: bool = False
    # The longest that one connection lasts, counted from its consent.
    stay_connected_days: int = 30
    # Whether hosts that only other tools speak of become known, and take a place of the plan.
    accepts_unknown_hosts: bool = Field(
        default=False, sa_type=Boolean, sa_column_kwargs={"server_default": text("false")}
    )
    created_at: datetime = instant(default_factory=utc_now)


class User(SQLModel, table=True):
    """A person; may be a member of several tenants."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", "email", unique=True),
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
    )

    id: UUID = uuid_key()
    email: str = Field(max_length=254)
    name: str = Field(default="", max_length=200)
    password_hash: str = Field(sa_type=Text)
    totp_secret_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    # The newest code that was used: none of the same or an earlier half minute is taken again.
    totp_last_step: int | None = None
    email_confirmed_at: datetime | None = instant(default=None)
    disabled_at: datetime | None = instant(default=None)
    created_at: datetime = instant(default_factory=utc_now)


class Membership(SQLModel, table=True):
    """That a person belongs to a tenant, and as what."""

    __tablename__ = "memberships"
    # Serves the list of a person's tenants.
    __table_args__ = (Index("ix_memberships_user_id", "user_id"),)

    tenant_id: UUID = tenant_key()
    user_id: UUID = Field(primary_key=True, foreign_key="users.id", ondelete="CASCADE")
    role: Role = Field(sa_type=enum_by_value(Role))
    created_at: datetime = instant(default_factory=utc_now)


class WebSession(SQLModel, table=True):
    """One sign-in of a person in a browser; only the digest of its cookie is stored."""

    __tablename__ = "web_sessions"
    __table_args__ = (
        Index("ix_web_sessions_user_id", "user_id"),
        Index("ix_web_sessions_expires_at", "expires_at"),  # serves the removal of old ones
    )

    digest: str = Field(primary_key=True, max_length=64)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    created_at: datetime = instant(default_factory=utc_now)
    last_seen_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    # When a second factor was shown in this sign-in; what is destructive asks how long ago.
    second_factor_at: datetime | None = instant(default=None)
    revoked_at: datetime | None = instant(default=None)


class RecoveryCode(SQLModel, table=True):
    """A code for the day the authenticator is lost; good once, and kept as a digest."""

    __tablename__ = "recovery_codes"

    user_id: UUID = Field(primary_key=True, foreign_key="users.id", ondelete="CASCADE")
    digest: str = Field(primary_key=True, max_length=64)
    used_at: datetime | None = instant(default=None)


class LinkKind(StrEnum):
    """What a mailed link is good for."""

    SIGN_UP = "sign_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a link's name


class AccountLink(SQLModel, table=True):
    """A mailed link: single use, short-lived, found by the digest of what stands in it."""

    __tablename__ = "account_links"
    __table_args__ = (
        Index("ix_account_links_user_id", "user_id"),
        Index("ix_account_links_expires_at", "expires_at"),  # serves the removal of old ones
    )

    digest: str = Field(primary_key=True, max_length=64)
    kind: LinkKind = Field(sa_type=enum_by_value(LinkKind))
    # Of those who sign up there is no account yet: what it will be is sealed in here.
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    used_at: datetime | None = instant(default=None)


class AttemptCount(SQLModel, table=True):
    """How often something was tried lately; what, by whom and from where is only a digest.

    In the database and not in a process's memory: guessing must not get faster with every replica,
    nor start over with every restart.
    """

    __tablename__ = "attempt_counts"
    __table_args__ = (
        Index("ix_attempt_counts_expires_at", "expires_at"),  # serves the removal of old ones
    )

    digest: str = Field(primary_key=True, max_length=64)
    count: int
    expires_at: datetime = instant()


class Invitation(SQLModel, table=True):
    """That somebody may join a tenant in a role, by the link that was mailed to them."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index("uq_invitations_digest", "digest", unique=True),
        # One open invitation an address; a new one takes the place of the former.
        Index(
            "uq_invitations_open",
            "tenant_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    email: str = Field(max_length=254)
    role: Role = Field(sa_type=enum_by_value(Role))
    digest: str = Field(max_length=64)
    invited_by: str = Field(max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    accepted_at: datetime | None = instant(default=None)
    revoked_at: datetime | None = instant(default=None)
