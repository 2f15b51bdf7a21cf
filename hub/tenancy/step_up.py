"""Step-up: what is destructive needs a second factor that was shown a moment ago."""

from datetime import datetime, timedelta

from hub.clock import utc_now
from hub.errors import Forbidden
from hub.principal import Principal, PrincipalKind


class StepUpRequired(Forbidden):
    """The caller may, once a one-time code was shown."""

    code = "STEP_UP_REQUIRED"


def has_fresh_totp(principal: Principal, *, within: timedelta, now: datetime | None = None) -> bool:
    """Tell whether this person showed a second factor in this very sign-in, not long ago."""
    shown_at = principal.second_factor_at
    return (
        principal.kind is PrincipalKind.SESSION
        and shown_at is not None
        and (now or utc_now()) - shown_at < within
    )


def require_fresh_totp(
    principal: Principal, *, within: timedelta, now: datetime | None = None
) -> None:
    """Raise StepUpRequired unless `has_fresh_totp`. Connectors and agents never pass."""
    if not has_fresh_totp(principal, within=within, now=now):
        raise StepUpRequired(
            "This needs a fresh one-time code. Sign in to the hub, confirm with your authenticator"
            " app and try again."
        )
