"""Who is asking, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class PrincipalKind(StrEnum):
    """By which door the caller came in."""

    SESSION = "session"
    CONNECTOR = "connector"
    AGENT = "agent"
    SYSTEM = "system"


class Role(StrEnum):
    """What a member of a tenant is."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    ANALYST = "analyst"
    VIEWER = "viewer"


class Permission(StrEnum):
    """One thing one may do, `<resource>:<action>`."""

    AGENTS_READ = "agents:read"
    ALERTS_MUTE = "alerts:mute"
    ALERTS_READ = "alerts:read"
    ALERT_RULES_MANAGE = "alert_rules:manage"
    AUDIT_READ = "audit:read"
    DETECTIONS_ACKNOWLEDGE = "detections:acknowledge"
    DETECTIONS_READ = "detections:read"
    DETECTIONS_REOPEN = "detections:reopen"
    OVERVIEW_READ = "overview:read"
    SCHEMA_EXPLORE = "schema:explore"
    SLA_READ = "sla:read"
    TENANT_MANAGE = "tenant:manage"
    TRUST_READ = "trust:read"
    VULNERABILITIES_ACCEPT = "vulnerabilities:accept"
    VULNERABILITIES_READ = "vulnerabilities:read"
    WEBHOOKS_MANAGE = "webhooks:manage"


class Scope(StrEnum):
    """What a connector's token was granted; the article's two, and no third."""

    READ = "mcp.read"
    ACKNOWLEDGE = "mcp.acknowledge"


READ_PERMISSIONS = frozenset(
    {
        Permission.AGENTS_READ,
        Permission.ALERTS_READ,
        Permission.AUDIT_READ,
        Permission.DETECTIONS_READ,
        Permission.OVERVIEW_READ,
        Permission.SLA_READ,
        Permission.TRUST_READ,
        Permission.VULNERABILITIES_READ,
    }
)

PERMISSIONS_BY_SCOPE: dict[Scope, frozenset[Permission]] = {
    Scope.READ: READ_PERMISSIONS,
    Scope.ACKNOWLEDGE: frozenset({Permission.DETECTIONS_ACKNOWLEDGE}),
}

_TRIAGE = frozenset(
    {
        Permission.ALERTS_MUTE,
        Permission.DETECTIONS_ACKNOWLEDGE,
        Permission.DETECTIONS_REOPEN,
        Permission.VULNERABILITIES_ACCEPT,
    }
)
_EXPLORE = frozenset({Permission.SCHEMA_EXPLORE})
_MANAGE = frozenset(
    {Permission.ALERT_RULES_MANAGE, Permission.TENANT_MANAGE, Permission.WEBHOOKS_MANAGE}
)

PERMISSIONS_BY_ROLE: dict[Role, frozenset[Permission]] = {
    Role.OWNER: READ_PERMISSIONS | _TRIAGE | _EXPLORE | _MANAGE,
    Role.ADMIN: READ_PERMISSIONS | _TRIAGE | _EXPLORE | _MANAGE,
    Role.OPERATOR: READ_PERMISSIONS | _TRIAGE | _EXPLORE,
    Role.ANALYST: READ_PERMISSIONS | _EXPLORE,
    Role.VIEWER: READ_PERMISSIONS,
}

SCOPE_BY_PERMISSION: dict[Permission, Scope] = {
    permission: scope
    for scope, permissions in PERMISSIONS_BY_SCOPE.items()
    for permission in permissions
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A known caller, acting in exactly one tenant.

    `user_id` is the person on whose behalf is acted: for agents and the hub itself, None.
    `label` is how the audit log names the caller: the e-mail address, or the agent's name.
    `client_id` and `grant_id` are set for connectors only, `second_factor_at` for sessions in
    which one was shown.
    """

    kind: PrincipalKind
    tenant_id: UUID
    user_id: UUID | None
    label: str
    permissions: frozenset[Permission]
    scopes: frozenset[Scope] = frozenset()
    role: Role | None = None
    client_id: str | None = None
    grant_id: UUID | None = None
    second_factor_at: datetime | None = None

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller holds this permission."""
        return permission in self.permissions


def permissions_of_token(scopes: Iterable[Scope], role: Role) -> frozenset[Permission]:
    """Return what a connector may do: what its scopes grant, and never more than its person may."""
    granted: frozenset[Permission] = frozenset().union(
        *(PERMISSIONS_BY_SCOPE[scope] for scope in scopes)
    )
    return granted & PERMISSIONS_BY_ROLE[role]
