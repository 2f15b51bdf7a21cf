"""The few errors the domain raises; each face translates them once.

A message says what is wrong and what to do about it. It names the argument, and never carries
SQL, paths, tokens or text that somebody else wrote.
"""

from collections.abc import Mapping


class HubError(Exception):
    """A refusal that the caller can understand."""

    code = "INTERNAL"

    def __init__(
        self, message: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.headers = dict(headers or {})  # for the faces that speak HTTP


class InvalidInput(HubError):  # noqa: N818 - reads as the refusal it is
    """An argument is malformed or out of range."""

    code = "INVALID_INPUT"


class NotFound(HubError):  # noqa: N818
    """Nothing in the caller's tenant has that name or id."""

    code = "NOT_FOUND"


class Conflict(HubError):  # noqa: N818
    """The thing is in a state that does not allow this."""

    code = "CONFLICT"


class Unauthenticated(HubError):  # noqa: N818
    """Nobody is known to be asking."""

    code = "UNAUTHENTICATED"


class Forbidden(HubError):  # noqa: N818
    """The caller is known and may not."""

    code = "FORBIDDEN"


class Throttled(HubError):  # noqa: N818
    """Too many requests; says after how many seconds to try again."""

    code = "THROTTLED"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(HubError):  # noqa: N818
    """Something the hub depends on does not answer; nothing was changed."""

    code = "UNAVAILABLE"
