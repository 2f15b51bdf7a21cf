"""Names SSH keys as `ssh-keygen -l` does."""

import base64
import binascii
import hashlib

_KINDS = ("ssh-", "ecdsa-", "sk-")
_MAX_COMMENT = 60


def fingerprint(line: str) -> str:
    """Return kind, fingerprint and comment of the key on a line of authorized_keys.

    Options may stand before the key, so it is found by what follows the name of its kind.
    """
    words = line.split()
    for kind, blob, *comment in (words[start:] for start in range(len(words) - 1)):
        if kind.startswith(_KINDS):
            try:
                digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
            except (binascii.Error, ValueError):
                continue
            name = base64.b64encode(digest).decode("ascii").rstrip("=")
            return f"{kind} SHA256:{name} {' '.join(comment)[:_MAX_COMMENT]}".rstrip()
    return "a line that holds no key"
