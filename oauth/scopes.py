"""Scopes as OAuth spells them, and in plain words."""

from collections.abc import Iterable

from hub.principal import Scope

SUPPORTED_SCOPES = tuple(scope.value for scope in Scope)
# Asks for refresh tokens (OpenID Connect Core §11). Clients add it unasked, and whether a
# connection outlives its hour is the tenant's decision, so it is dropped rather than refused.
_IGNORED = frozenset({"offline_access"})


def parse_scopes(text: str | None) -> frozenset[Scope] | None:
    """Return the scopes asked for, reading when none is named; None when one is unknown."""
    names = set((text or "").split()) - _IGNORED
    if not names <= set(SUPPORTED_SCOPES):
        return None
    return frozenset(Scope(name) for name in names) or frozenset({Scope.READ})


def supported_only(text: str) -> str:
    """Return those of the scopes that exist here, in our order."""
    return format_scopes(Scope(name) for name in text.split() if name in SUPPORTED_SCOPES)


def format_scopes(scopes: Iterable[Scope]) -> str:
    """Return scopes as one string (RFC 6749 §3.3), always in the same order."""
    wanted = set(scopes)
    return " ".join(scope.value for scope in Scope if scope in wanted)
