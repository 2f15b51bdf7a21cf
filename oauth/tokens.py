"""The opaque tokens of OAuth (made and checked in `hub.opaque_tokens`), and the ids of clients."""

import re
import secrets

from hub.opaque_tokens import digest_of, is_well_formed, new_token

__all__ = [
    "ACCESS_TOKEN_PREFIX",
    "CLIENT_ID_PREFIX",
    "CLIENT_SECRET_PREFIX",
    "REFRESH_TOKEN_PREFIX",
    "SCANNER_PATTERN",
    "digest_of",
    "is_client_id",
    "is_well_formed",
    "new_client_id",
    "new_token",
]

ACCESS_TOKEN_PREFIX = "mat_"  # noqa: S105 - what every token begins with
REFRESH_TOKEN_PREFIX = "mrt_"  # noqa: S105
CLIENT_SECRET_PREFIX = "mcs_"  # noqa: S105
CLIENT_ID_PREFIX = "mcp_"

# For secret scanners, published in the documentation. The last six characters are the CRC-32 of
# all before them in base 62 (0-9, a-z, A-Z), most significant first: chance matches fail it.
SCANNER_PATTERN = r"\bm(?:at|et|rt|cs)_[0-9A-Za-z]{49}\b"
_CLIENT_ID = re.compile(r"mcp_[0-9a-f]{32}")


def new_client_id() -> str:
    """Return a new client id."""
    return CLIENT_ID_PREFIX + secrets.token_hex(16)


def is_client_id(text: str) -> bool:
    """Tell whether a client id has the shape of those we hand out."""
    return _CLIENT_ID.fullmatch(text) is not None
