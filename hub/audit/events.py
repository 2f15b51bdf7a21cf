"""What the audit trail records, and how one row's hash covers the row before it."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from hub.canonical import canonical_json
from hub.principal import Principal

GENESIS_HASH = "0" * 64


class EventType(StrEnum):
    """Everything the hub writes down. People search for these words, so they do not change."""

    AGENT_ENROLLED = "agent_enrolled"
    AGENT_ENROLMENT_REFUSED = "agent_enrolment_refused"
    AGENT_RETIRED = "agent_retired"
    ALERTS_MUTED = "alerts_muted"
    ALERTS_UNMUTED = "alerts_unmuted"
    ALERT_RULE_CREATED = "alert_rule_created"
    ALERT_RULE_DELETED = "alert_rule_deleted"
    ALERT_RULE_UPDATED = "alert_rule_updated"
    CONNECTOR_SETTINGS_CHANGED = "connector_settings_changed"
    DETECTION_ACKNOWLEDGED = "detection_acknowledged"
    DETECTION_REOPENED = "detection_reopened"
    DETECTION_RESOLVED = "detection_resolved"
    DETECTION_RULE_CHANGED = "detection_rule_changed"
    EMAIL_CONFIRMED = "email_confirmed"
    EMERGENCY_ACTION_RUN = "emergency_action_run"
    ENROLMENT_TOKEN_MADE = "enrolment_token_made"  # noqa: S105
    ENROLMENT_TOKEN_REVOKED = "enrolment_token_revoked"  # noqa: S105
    FORM_REFUSED = "form_refused"
    INGEST_KEY_CREATED = "ingest_key_created"
    INGEST_KEY_REVOKED = "ingest_key_revoked"
    INGEST_SETTINGS_CHANGED = "ingest_settings_changed"
    INVITATION_REVOKED = "invitation_revoked"
    MAINTENANCE_DECLARED = "maintenance_declared"
    MAINTENANCE_WITHDRAWN = "maintenance_withdrawn"
    MCP_TOOL_INVOKED = "mcp_tool_invoked"
    MEMBER_INVITED = "member_invited"
    MEMBER_REMOVED = "member_removed"
    MEMBER_ROLE_CHANGED = "member_role_changed"
    OAUTH_CLIENT_REGISTERED = "oauth_client_registered"
    OAUTH_CODE_REPLAYED = "oauth_code_replayed"
    OAUTH_CONSENT_DENIED = "oauth_consent_denied"
    OAUTH_CONSENT_SHOWN = "oauth_consent_shown"
    OAUTH_GRANT_CREATED = "oauth_grant_created"
    OAUTH_GRANT_REVOKED = "oauth_grant_revoked"
    OAUTH_REFRESH_REPLAYED = "oauth_refresh_replayed"
    OAUTH_REQUEST_REFUSED = "oauth_request_refused"
    OAUTH_TOKEN_ISSUED = "oauth_token_issued"  # noqa: S105 - an event's name
    OAUTH_TOKEN_REFRESHED = "oauth_token_refreshed"  # noqa: S105
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105
    PLAN_CHANGED = "plan_changed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"
    SECOND_FACTOR_CONFIRMED = "second_factor_confirmed"
    SECOND_FACTOR_REFUSED = "second_factor_refused"
    SESSION_REFUSED = "session_refused"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    SIGN_IN_FAILED = "sign_in_failed"
    SLA_MAINTENANCE_DECLARED = "sla_maintenance_declared"
    SLA_MAINTENANCE_WITHDRAWN = "sla_maintenance_withdrawn"
    SLA_SETTINGS_CHANGED = "sla_settings_changed"
    SLA_TARGET_CHANGED = "sla_target_changed"
    SLA_TARGET_CREATED = "sla_target_created"
    SLA_TARGET_REMOVED = "sla_target_removed"
    TENANT_CREATED = "tenant_created"
    TOTP_ENROLLED = "totp_enrolled"
    TOTP_REMOVED = "totp_removed"
    TRUST_WEIGHTS_CHANGED = "trust_weights_changed"
    USER_ADDED = "user_added"
    VULNERABILITY_ACCEPTED = "vulnerability_accepted"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_DELETED = "webhook_deleted"
    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_RESENT = "webhook_resent"
    WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated"  # noqa: S105
    WEBHOOK_UPDATED = "webhook_updated"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event to be appended to a tenant's chain.

    `details` holds JSON values that may be shown wherever the event is; `body` is free text that
    stays inside the hub (a note, a reason) and never passes to Claude.
    """

    event_type: EventType
    actor: str
    actor_kind: str
    outcome: str = "success"
    user_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)
    body: str | None = None
    request_id: str | None = None

    @classmethod
    def by(
        cls,
        principal: Principal,
        event_type: EventType,
        *,
        details: dict[str, Any] | None = None,
        body: str | None = None,
        request_id: str | None = None,
    ) -> Self:
        """Return the event of something that this caller did."""
        return cls(
            event_type=event_type,
            actor=principal.label,
            actor_kind=principal.kind.value,
            user_id=principal.user_id,
            details=details or {},
            body=body,
            request_id=request_id,
        )


def row_hash(
    event: AuditEvent, *, tenant_id: UUID, seq: int, at: datetime, previous_hash: str
) -> str:
    """Return the SHA-256 of the row as canonical JSON (RFC 8785), the previous hash included."""
    return hashlib.sha256(
        canonical_json(
            {
                "actor": event.actor,
                "actor_kind": event.actor_kind,
                # As the database gives it back, whatever the offset it was written with.
                "at": at.astimezone(UTC).isoformat(),
                "body": event.body,
                "details": event.details,
                "event_type": event.event_type,
                "outcome": event.outcome,
                "previous_hash": previous_hash,
                "request_id": event.request_id,
                "seq": seq,
                "tenant_id": str(tenant_id),
                "user_id": str(event.user_id) if event.user_id else None,
            }
        )
    ).hexdigest()
