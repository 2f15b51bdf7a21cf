"""PKCE (RFC 7636) as OAuth 2.1 wants it: always, and S256 only."""

import re

from authlib.oauth2.rfc6749 import BaseGrant, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge

from oauth.models import OAuthCode

# BASE64URL of a SHA-256, without padding (RFC 7636 §4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class S256Challenge(CodeChallenge):
    """Mends Authlib's extension, which issues codes without a challenge and accepts `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: BaseGrant, redirect_uri: str | None) -> None:
        """Refuse before any page is shown (OAuth 2.1 §4.1.1, RFC 9700 §2.1.1)."""
        data = grant.request.payload.data
        if not data.get("code_challenge"):
            raise InvalidRequestError("code_challenge is required (PKCE).")
        # A missing method means plain (RFC 7636 §4.3), which protects nothing here.
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256.")
        if not _CHALLENGE.fullmatch(data["code_challenge"]):
            raise InvalidRequestError("code_challenge must be the base64url of a SHA-256.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, _code: OAuthCode) -> str:
        """Return the only method a code was ever issued with."""
        return "S256"
