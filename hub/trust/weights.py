"""How much each component counts: an owner may change it, and every version is kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Forbidden, InvalidInput
from hub.principal import Principal, Role
from hub.tenancy.step_up import require_fresh_totp
from hub.trust.current import lock_state, refresh_state
from hub.trust.models import TrustComponent, TrustWeights
from hub.trust.queries import weights_in_force

FRESH_WITHIN = timedelta(minutes=5)
MAX_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True)
class WeightsInForce:
    """The weights, and which version of them this is."""

    version: int
    weights: Mapping[TrustComponent, float]


async def change_weights(
    session: AsyncSession,
    *,
    principal: Principal,
    weights: Mapping[TrustComponent, float],
    now: datetime,
    request_id: str | None = None,
) -> WeightsInForce:
    """Store new weights and compute the score with them. Only an owner, with a fresh TOTP."""
    if principal.role is not Role.OWNER:
        raise Forbidden("Only an owner of the tenant changes the weights of the Trust Score.")
    require_fresh_totp(principal, within=FRESH_WITHIN, now=now)
    check_weights(weights)
    # The tenant's turn: of two owners at once the second one's version follows the first one's.
    digest = await lock_state(session, tenant_id=principal.tenant_id)
    version, before = await weights_in_force(session)
    if dict(weights) == before:
        return WeightsInForce(version, before)
    session.add(
        TrustWeights(
            tenant_id=principal.tenant_id,
            version=version + 1,
            weights={name.value: float(weights[name]) for name in TrustComponent},
            changed_by=principal.label,
            changed_at=now,
        )
    )
    await session.flush()
    await refresh_state(session, tenant_id=principal.tenant_id, digest=digest, at=now)
    event = _audit_event(principal, version + 1, before, weights, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return WeightsInForce(version + 1, dict(weights))


def check_weights(weights: Mapping[TrustComponent, float]) -> None:
    """Raise unless there is one weight for each component, and one of them above 0."""
    if set(weights) != set(TrustComponent):
        raise InvalidInput(
            "`weights` must name each of the eight components once.", field="weights"
        )
    if not all(math.isfinite(one) and 0 <= one <= MAX_WEIGHT for one in weights.values()):
        raise InvalidInput(
            f"`weights` must be numbers from 0 to {MAX_WEIGHT:.0f}.", field="weights"
        )
    if not any(weights.values()):
        raise InvalidInput("`weights` must have one above 0.", field="weights")


def _audit_event(
    principal: Principal,
    version: int,
    before: Mapping[TrustComponent, float],
    after: Mapping[TrustComponent, float],
    request_id: str | None,
) -> AuditEvent:
    changed = {
        name.value: [before[name], float(after[name])]
        for name in TrustComponent
        if before[name] != after[name]
    }
    return AuditEvent.by(
        principal,
        EventType.TRUST_WEIGHTS_CHANGED,
        details={"version": version, "changed": changed},
        request_id=request_id,
    )
