"""How an agent signs what it sends, in one place for both ends.

Ed25519 (RFC 8032) over a few lines of text: what is sent, where to, when, and how many before it.
The key is named by the SHA-256 of its 32 bytes, so that the hub finds it without trusting a name.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

KEY_HEADER = "X-Monsys-Key"
SEQUENCE_HEADER = "X-Monsys-Sequence"
TIMESTAMP_HEADER = "X-Monsys-Timestamp"
SIGNATURE_HEADER = "X-Monsys-Signature"
# Of the refusal of a sequence that is not new: the last one that was taken.
LAST_SEQUENCE_HEADER = "X-Monsys-Last-Sequence"
MAX_CLOCK_SKEW = timedelta(minutes=5)

_FORM = "monsys-report-v1"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,17}")  # fits PostgreSQL's bigint
_SECONDS = re.compile(r"[0-9]{1,11}")
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Seal:
    """What the four headers of a signed request say."""

    key_digest: str
    sequence: int
    sent_at: int  # seconds since 1970, of the agent's clock
    signature: bytes

    @property
    def sent(self) -> datetime:
        """When the agent sent it, by its own clock."""
        return datetime.fromtimestamp(self.sent_at, UTC)


def public_key_digest(public_key: bytes) -> str:
    """Return the name of a public key: the SHA-256 of its 32 bytes, in hexadecimal."""
    return hashlib.sha256(public_key).hexdigest()


def seal_headers(
    key: SigningKey, *, method: str, path: str, body: bytes, sequence: int, sent_at: int
) -> dict[str, str]:
    """Return the headers that sign this request."""
    seal = Seal(public_key_digest(key.verify_key.encode()), sequence, sent_at, b"")
    told = _told(seal, method=method, path=path, body=body)
    return {
        KEY_HEADER: seal.key_digest,
        SEQUENCE_HEADER: str(sequence),
        TIMESTAMP_HEADER: str(sent_at),
        SIGNATURE_HEADER: base64.b64encode(key.sign(told).signature).decode(),
    }


def read_seal(key: str, sequence: str, timestamp: str, signature: str) -> Seal:
    """Return what the headers say; raise ValueError that names the header which is malformed."""
    if not _DIGEST.fullmatch(key):
        raise ValueError(KEY_HEADER)
    if not _SEQUENCE.fullmatch(sequence):
        raise ValueError(SEQUENCE_HEADER)
    if not _SECONDS.fullmatch(timestamp):
        raise ValueError(TIMESTAMP_HEADER)
    try:
        decoded = base64.b64decode(signature, validate=True)
    except ValueError as error:  # binascii.Error is one; so is what is not ASCII
        raise ValueError(SIGNATURE_HEADER) from error
    if len(decoded) != _SIGNATURE_BYTES:
        raise ValueError(SIGNATURE_HEADER)
    return Seal(key, int(sequence), int(timestamp), decoded)


def is_signed_by(public_key: bytes, seal: Seal, *, method: str, path: str, body: bytes) -> bool:
    """Tell whether the key signed exactly this request."""
    told = _told(seal, method=method, path=path, body=body)
    try:
        VerifyKey(public_key).verify(told, seal.signature)
    except BadSignatureError:
        return False
    return public_key_digest(public_key) == seal.key_digest


def _told(seal: Seal, *, method: str, path: str, body: bytes) -> bytes:
    content = hashlib.sha256(body).hexdigest()
    lines = (_FORM, method, path, seal.key_digest, seal.sequence, seal.sent_at, content)
    return "\n".join(str(line) for line in lines).encode()
