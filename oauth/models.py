"""Tables of the authorization server. Secrets are stored as SHA-256 digests only."""

import hmac
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, LargeBinary, false, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import (
    enum_by_value,
    instant,
    json_object,
    tenant_key,
    tenant_reference,
    text_list,
    uuid_key,
)
from oauth.redirects import is_registered
from oauth.scopes import format_scopes, parse_scopes
from oauth.tokens import digest_of


class TokenKind(StrEnum):
    """What a token is good for."""

    ACCESS = "access"
    REFRESH = "refresh"


class OAuthClient(SQLModel, table=True):
    """A client, registered (RFC 7591) or known from its metadata document.

    Belongs to no tenant: registration precedes sign-in.
    """

    __tablename__ = "oauth_clients"
    # Serves the pruning of those that nobody uses.
    __table_args__ = (Index("ix_oauth_clients_created_at", "created_at"),)

    client_id: str = Field(primary_key=True, max_length=512)  # `mcp_…`, or `https://…`
    client_name: str = Field(default="", max_length=200)
    redirect_uris: list[str] = text_list()
    grant_types: list[str] = text_list()
    response_types: list[str] = text_list()
    scope: str = Field(default="", max_length=200)
    token_endpoint_auth_method: str = Field(default="none", max_length=32)
    secret_digest: str | None = Field(default=None, max_length=64)
    client_metadata: dict[str, object] = json_object()  # further registered fields, as echoed
    created_at: datetime = instant(default_factory=utc_now)
    last_used_at: datetime | None = instant(default=None)
    # Set for clients that are a document on the web (their id is its address): when it was read
    # last, and until when HTTP's caching rules let it be used without reading it again.
    document_fetched_at: datetime | None = instant(default=None)
    document_fresh_until: datetime | None = instant(default=None)

    # What Authlib asks of a client (its ClientMixin).

    def get_client_id(self) -> str:
        """Return the client id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """Return the only registered redirect; with several, the request must name one."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scopes a request may ask for, None when one is unknown.

        Not limited to those registered: clients register with what the first challenge named, and
        ask for more when a tool needs it (step-up). What they get, the person decides.
        """
        scopes = parse_scopes(scope)
        return None if scopes is None else format_scopes(scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether this redirect is registered."""
        return is_registered(redirect_uri, self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether this is the client's secret; a public client has none."""
        return self.secret_digest is not None and hmac.compare_digest(
            self.secret_digest, digest_of(client_secret)
        )

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Tell whether the client may authenticate like this.

        A secret is as good in the body as in the header, so either is taken from those who have
        one (RFC 6749 §2.3.1); who has one must show it.
        """
        return (method == "none") == (self.secret_digest is None)

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether the client may ask for this."""
        return response_type in self.response_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether the client may use this grant.

        Refreshing needs no registration: who holds a refresh token was given it, because the tenant
        lets connections last, and clients that never said so keep theirs working.
        """
        return grant_type in self.grant_types or grant_type == "refresh_token"

    @property
    def is_document(self) -> bool:
        """Tell whether the client is a metadata document, so that its id is a web address."""
        return self.client_id.startswith("https://")


class OAuthGrant(SQLModel, table=True):
    """That a person allowed a client to act for them in one tenant, until revoked."""

    __tablename__ = "oauth_grants"
    __table_args__ = (Index("ix_oauth_grants_user", "tenant_id", "user_id", "client_id"),)

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    client_id: str = Field(max_length=512)
    client_name: str = Field(default="", max_length=200)
    redirect_host: str = Field(default="", max_length=253)
    scope: str = Field(max_length=200)
    created_at: datetime = instant(default_factory=utc_now)
    last_used_at: datetime | None = instant(default=None)
    revoked_at: datetime | None = instant(default=None)


class OAuthCode(SQLModel, table=True):
    """An authorization code: single use, a minute long, bound to everything it was asked with."""

    __tablename__ = "oauth_codes"
    __table_args__ = (
        tenant_reference("grant_id", "oauth_grants"),
        Index("ix_oauth_codes_grant", "tenant_id", "grant_id"),
    )

    digest: str = Field(primary_key=True, max_length=64)
    tenant_id: UUID
    grant_id: UUID
    user_id: UUID
    client_id: str = Field(max_length=512)
    redirect_uri: str = Field(max_length=2048)
    scope: str = Field(max_length=200)
    resource: str = Field(max_length=2048)
    code_challenge: str = Field(max_length=128)
    created_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    used_at: datetime | None = instant(default=None)

    # What Authlib asks of a code (its AuthorizationCodeMixin).

    def get_redirect_uri(self) -> str:
        """Return the redirect that the token request must repeat (RFC 6749 §4.1.3)."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the scopes that the person allowed."""
        return self.scope


class OAuthToken(SQLModel, table=True):
    """An access or refresh token, by digest."""

    __tablename__ = "oauth_tokens"
    __table_args__ = (
        tenant_reference("grant_id", "oauth_grants"),
        Index("ix_oauth_tokens_grant", "tenant_id", "grant_id"),
    )

    digest: str = Field(primary_key=True, max_length=64)
    kind: TokenKind = Field(sa_type=enum_by_value(TokenKind))
    tenant_id: UUID
    grant_id: UUID
    user_id: UUID
    client_id: str = Field(max_length=512)
    scope: str = Field(max_length=200)
    resource: str = Field(max_length=2048)
    issued_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    revoked_at: datetime | None = instant(default=None)
    # Of refresh tokens: when it was exchanged, and the one that took its place, sealed under a key
    # that only the token itself yields. The database alone gives no token away.
    used_at: datetime | None = instant(default=None)
    successor_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)


class StepKind(StrEnum):
    """What happened between a client and the authorization server."""

    REGISTERED = "registered"
    DOCUMENT_READ = "document_read"
    SHOWN = "shown"
    GRANTED = "granted"
    DENIED = "denied"
    EXCHANGED = "exchanged"
    REFRESHED = "refreshed"
    REPLAYED = "replayed"
    REVOKED = "revoked"
    REFUSED = "refused"


class OAuthEvent(SQLModel, table=True):
    """One step of one client, also where no tenant is known yet and no audit trail could hold it.

    Kept for a bounded time and read by operators only (`monsys oauth trace`). What concerns a
    tenant stands in its audit trail as well, for good.
    """

    __tablename__ = "oauth_events"
    __table_args__ = (
        Index("ix_oauth_events_client", "client_id", "at"),
        Index("ix_oauth_events_user", "tenant_id", "user_id", "at"),
        Index("ix_oauth_events_at", "at"),  # serves retention
        # Serves carrying over what a process left behind that ended too early.
        Index("ix_oauth_events_awaiting_audit", "at", postgresql_where=text("awaits_audit")),
    )

    id: UUID = uuid_key()
    at: datetime = instant(default_factory=utc_now)
    kind: StepKind = Field(sa_type=enum_by_value(StepKind))
    client_id: str = Field(default="", max_length=512)  # as it was said, known or not
    tenant_id: UUID | None = Field(default=None, foreign_key="tenants.id", ondelete="CASCADE")
    user_id: UUID | None = None
    request_id: str | None = Field(default=None, max_length=64)
    details: dict[str, object] = json_object()
    # Written down before the answer left, and not yet in a tenant's trail (`oauth.sign_in_trail`).
    awaits_audit: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
