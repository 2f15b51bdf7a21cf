"""Every setting of the hub, in one class; variables are `MONSYS_` and the field's name."""

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    """Where the hub runs; production refuses what is only safe on one's own machine."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _origin(value: str) -> str:
    """Return an origin exactly as clients will compare it: scheme, host, port, and no slash."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an origin such as https://api.example.com")
    if parts.path not in {"", "/"}:
        raise ValueError("must be an origin without a path, such as https://api.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


type Origin = Annotated[str, AfterValidator(_origin)]


class Settings(BaseSettings):
    """The hub's configuration. Units stand in the names; the README's table is made from this."""

    model_config = SettingsConfigDict(env_prefix="MONSYS_", extra="ignore", frozen=True)

    environment: Environment = Field(
        Environment.DEVELOPMENT, description="`development` or `production` (https, real secrets)."
    )
    host: str = Field("127.0.0.1", description="Address that the hub listens on.")
    port: int = Field(8460, ge=0, le=65535, description="Port that the hub listens on.")
    api_origin: Origin = Field(
        "http://127.0.0.1:8460",
        description="Public origin of the API: issuer of tokens, and the connector's URL.",
    )
    app_origin: Origin | None = Field(
        None, description="Public origin of the dashboard and sign-in; the API's when empty."
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("monsys"),
        description="Folder of the embedded database and of secrets made in development.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="postgresql:// URL of the hub's own, unprivileged login; without it the hub"
        " starts the embedded PostgreSQL.",
    )
    database_owner_url: SecretStr | None = Field(
        None, description="postgresql:// URL of the schema's owner, for `monsys migrate`."
    )
    database_pool_size: int = Field(
        12,
        ge=2,
        le=200,
        description="Connections kept per process; half as many more serve tool calls.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="32 random bytes in base64 for cookies and sealed secrets; made and kept in"
        " the data folder in development, required in production.",
    )
    former_secret_keys: tuple[SecretStr, ...] = Field(
        (), description="Keys that MONSYS_SECRET_KEY replaced, honoured meanwhile (JSON list)."
    )
    secret_key_overlap_days: int = Field(
        30, ge=0, description="How long a rotated key of the data folder is honoured."
    )
    access_token_seconds: int = Field(3600, ge=60, le=86400, description="Life of access tokens.")
    authorization_code_seconds: int = Field(60, ge=10, le=600, description="Life of a code.")
    refresh_grace_seconds: int = Field(
        60, ge=0, le=300, description="How long a rotated refresh token still yields its successor."
    )
    refresh_idle_days: int = Field(
        30, ge=1, le=365, description="A refresh token ends when it was not used for so long."
    )
    session_idle_minutes: int = Field(720, ge=5, description="A sign-in ends after this silence.")
    session_absolute_hours: int = Field(168, ge=1, description="A sign-in ends after this at most.")
    rate_limit_storage_url: str = Field(
        "memory://", description="`memory://`, or a Redis/Valkey URL when there are replicas."
    )
    mcp_calls_per_minute: int = Field(600, ge=1, description="Connector calls per person.")
    sign_in_attempts_per_minute: int = Field(
        10, ge=1, description="Sign-ins per address; repeated failures wait longer each time."
    )
    account_letters_per_hour: int = Field(
        20, ge=1, description="Sign-ups, resets and invitations of one address that send a letter."
    )
    second_factor_minutes: int = Field(
        10, ge=1, le=60, description="How long a one-time code counts as fresh for risky changes."
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="`smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without it links"
        " are printed in the log in development, and sign-up is refused in production.",
    )
    mail_from: str | None = Field(
        None, description="Sender of letters, such as `monsys <hub@example.com>`."
    )
    osv_source: str | None = Field(
        None,
        description="Where OSV's archives are fetched from, every six hours: an address or a"
        " folder. Without it: OSV's own in production, and nothing in development.",
    )
    kernel_cves_source: str | None = Field(
        None,
        description="Folder, archive or address of the kernel's CVE v5 records, read every six"
        " hours.",
    )
    agent_requests_per_minute: int = Field(
        240, ge=10, description="Requests of one host; an agent sends four, or catches up."
    )
    run_jobs: bool = Field(
        default=True,
        description="Whether this process takes part in the jobs; one of the replicas has to.",
    )
    metric_retention_days: int = Field(
        90, ge=8, le=800, description="How long every sample is kept; hours are kept for 400 days."
    )
    registrations_per_hour: int = Field(60, ge=1, description="OAuth clients per address.")
    oauth_requests_per_minute: int = Field(
        600, ge=1, description="Requests of one address to each OAuth endpoint."
    )
    max_request_bytes: int = Field(
        1_048_576, ge=1024, description="Largest body of an MCP, GraphQL or OAuth request."
    )
    allowed_origins: tuple[Origin, ...] = Field(
        (), description="Further browser origins that may call the API (JSON list)."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Further Host headers to answer, with port (JSON list)."
    )
    log_format: str = Field("console", pattern="^(console|json)$", description="`console`, `json`.")

    @cached_property
    def public_app_origin(self) -> str:
        """The origin on which people sign in and consent."""
        return self.app_origin or self.api_origin

    @cached_property
    def resource(self) -> str:
        """The canonical URI of the MCP server: what tokens are bound to (RFC 8707)."""
        return f"{self.api_origin}/mcp"

    @model_validator(mode="after")
    def _mail_is_complete(self) -> Self:
        if self.smtp_url is None:
            return self
        if urlsplit(self.smtp_url.get_secret_value()).scheme not in {"smtp", "smtps"}:
            raise ValueError("MONSYS_SMTP_URL must be smtp://host:port or smtps://host:port")
        if not self.mail_from or "@" not in self.mail_from:
            raise ValueError("MONSYS_MAIL_FROM must be set together with MONSYS_SMTP_URL")
        return self

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            for name in ("api_origin", "public_app_origin"):
                if not getattr(self, name).startswith("https://"):
                    raise ValueError(f"MONSYS_{name.upper()} must be https:// in production")
            if self.secret_key is None:
                raise ValueError("MONSYS_SECRET_KEY must be set in production")
        return self
