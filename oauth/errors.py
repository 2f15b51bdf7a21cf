"""Refusals that OAuth names and Authlib does not have."""

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from hub.outage import RETRY_AFTER_SECONDS


class InvalidTargetError(OAuth2Error):
    """The requested resource is not this hub (RFC 8707 §2)."""

    error = "invalid_target"
    description = "The resource must be this hub's origin or its /mcp endpoint."


class BodyTooLargeError(InvalidRequestError):
    """The body is longer than the hub reads."""

    status_code = 413
    description = "The request body is too large."


class ForeignFormError(InvalidRequestError):
    """A form of ours was sent from a page that is not ours (RFC 9700 §4.7)."""

    status_code = 403
    description = "The form was sent from another site, so nothing was changed."


class TooManyRequestsError(OAuth2Error):
    """The address asks too often. OAuth has no name for it, so RFC 6585's is used."""

    error = "too_many_requests"
    status_code = 429
    description = "Too many requests from this address. Try again later."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds

    def get_headers(self) -> list[tuple[str, str]]:
        """Say when to try again."""
        headers: list[tuple[str, str]] = super().get_headers()
        return [*headers, ("Retry-After", str(self.retry_after_seconds))]


class ServerFaultError(OAuth2Error):
    """Something broke on our side (RFC 6749 §4.1.2.1 has the name)."""

    error = "server_error"
    status_code = 500
    description = "Something went wrong on our side. It is logged; quote the request_id."


class TemporarilyUnavailableError(OAuth2Error):
    """The database does not answer; nothing was changed (RFC 6749 §4.1.2.1 has the name)."""

    error = "temporarily_unavailable"
    status_code = 503
    description = "The hub cannot reach its database right now. Try again in a moment."

    def get_headers(self) -> list[tuple[str, str]]:
        """Say when to try again."""
        headers: list[tuple[str, str]] = super().get_headers()
        return [*headers, ("Retry-After", RETRY_AFTER_SECONDS)]
