"""Which revision of the protocol a message speaks, and what that revision demands of it.

Modern is 2026-07-28: every request carries its own envelope in `_meta`, repeated in headers.
Legacy is what came before it: a handshake, and no envelope.
"""

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
)
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcp_adapter.messages import Answer, Message, error_answer
from mcp_adapter.request import Request

BATCH_VERSION = "2025-03-26"  # the one revision with batches, and the one without a version header
SERVED_VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18", BATCH_VERSION)
VERSION_HEADER = "mcp-protocol-version"


def is_modern(message: Message, request: Request) -> bool:
    """Tell whether the message claims to be of 2026-07-28 or of something we do not know."""
    version = request.headers.get(VERSION_HEADER)
    if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return True
    # `initialize` does not exist in the modern protocol, whatever it carries.
    return message.method != "initialize" and PROTOCOL_VERSION_META_KEY in message.meta


def envelope_refusal(message: Message, request: Request) -> Answer | None:
    """Return the answer to a modern request with a wrong envelope; None when it is right."""
    if doubled := find_duplicated_routing_header(request.pairs):
        rejection = InboundLadderRejection(HEADER_MISMATCH, f"There is more than one {doubled}.")
        return _rejected(message, rejection)
    verdict = classify_inbound_request(
        {"method": message.method, "params": message.params}, headers=request.headers
    )
    return _rejected(message, verdict) if isinstance(verdict, InboundLadderRejection) else None


def _rejected(message: Message, rejection: InboundLadderRejection) -> Answer:
    data = rejection.data
    if rejection.code == UNSUPPORTED_PROTOCOL_VERSION:
        # The older revisions are served here too, so a client may fall back to one of them.
        data = {**data, "supported": list(SERVED_VERSIONS)}
    return error_answer(
        ERROR_CODE_HTTP_STATUS[rejection.code],
        rejection.code,
        rejection.message,
        request_id=message.id,
        data=data,
    )
