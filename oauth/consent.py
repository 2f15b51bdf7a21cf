"""What a person could allow a client in one of their tenants, and what they did allow."""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.principal import PERMISSIONS_BY_ROLE, PERMISSIONS_BY_SCOPE, Scope
from hub.tenancy.queries import MANAGERS, TenantMembership


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be allowed here and now. The page shows it, the decision is held against it."""

    tenant: TenantMembership
    scopes: frozenset[Scope]  # what the person's role allows of what was asked for
    may_switch_on: bool  # whether this person may open the connector on this page

    @classmethod
    def of(cls, tenant: TenantMembership, requested: frozenset[Scope]) -> "Offer":
        """Return the offer; a scope whose permissions the role lacks is left out."""
        may = PERMISSIONS_BY_ROLE[tenant.role]
        return cls(
            tenant=tenant,
            scopes=frozenset(scope for scope in requested if PERMISSIONS_BY_SCOPE[scope] <= may),
            # A tenant of strict residency is opened in its settings only.
            may_switch_on=tenant.role in MANAGERS and not tenant.strict_residency,
        )

    @property
    def must_switch_on_reading(self) -> bool:
        """Whether the connector is still off in this tenant."""
        return not self.tenant.claude_may_read

    @property
    def must_switch_on_acknowledging(self) -> bool:
        """Whether acknowledging is asked for and still off."""
        return Scope.ACKNOWLEDGE in self.scopes and not self.tenant.claude_may_acknowledge

    @property
    def is_blocked(self) -> bool:
        """Whether nothing can be allowed, so that Deny is all that is left."""
        if self.must_switch_on_reading and not self.may_switch_on:
            return True
        return not self.grantable

    @property
    def grantable(self) -> frozenset[Scope]:
        """What can be allowed at most, if everything is switched on that may be."""
        if self.must_switch_on_acknowledging and not self.may_switch_on:
            return self.scopes - {Scope.ACKNOWLEDGE}
        return self.scopes


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person allowed, and which switches of the tenant they turned on with it."""

    scopes: frozenset[Scope]
    opens_reading: bool
    opens_acknowledging: bool

    @classmethod
    def of(cls, offer: Offer, form: Mapping[str, str]) -> "Decision | None":
        """Return the decision; None when a box that is needed was not ticked."""
        reading, acknowledging = "enable_read" in form, "enable_acknowledge" in form
        if offer.is_blocked or (offer.must_switch_on_reading and not reading):
            return None
        opens_acknowledging = (
            offer.must_switch_on_acknowledging and offer.may_switch_on and acknowledging
        )
        scopes = offer.grantable
        if offer.must_switch_on_acknowledging and not opens_acknowledging:
            scopes -= {Scope.ACKNOWLEDGE}
        if not scopes:
            return None
        return cls(scopes, offer.must_switch_on_reading, opens_acknowledging)
