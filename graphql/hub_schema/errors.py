"""Errors as clients see them: a code and a sentence we wrote; everything else is masked."""

import structlog
from graphql import GraphQLError

from hub.errors import HubError

_log = structlog.get_logger(__name__)
MASKED = "Something went wrong on our side. It is logged; try again, or quote the request id."


def presented(error: GraphQLError) -> GraphQLError:
    """Return the error with a code; one that is not ours to show is logged and masked."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    if isinstance(original, HubError):
        extensions: dict[str, object] = {"code": original.code}
        if original.field:
            extensions["field"] = original.field
        return _replaced(error, original.message, extensions)
    if original is None:
        # graphql-core's own words about the request: syntax, validation, coercion.
        return _replaced(error, error.message, {"code": "BAD_REQUEST", **(error.extensions or {})})
    _log.error("graphql_resolver_failed", path=error.path, exc_info=original)
    return _replaced(error, MASKED, {"code": "INTERNAL"})


def _replaced(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
