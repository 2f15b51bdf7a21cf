"""How one signs in to the demo: made from the data folder's own key, so the same every time."""

import base64
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from hub.secret_box import SecretBox
from hub.settings import Settings
from hub.tenancy.passwords import hash_password
from hub.tenancy.totp import seal_totp_secret
from seed.people import NORTHWIND_SLUG, OWNER, SignIn

_TOTP_SECRET_BYTES = 20  # RFC 4226 section 4: at least 128 bits, 160 recommended
_PASSWORD_BYTES = 12


@dataclass(frozen=True, slots=True)
class DemoSignIn:
    """Everything that the demo prints, and that `--ready-file` holds."""

    url: str
    mcp_url: str
    email: str
    password: str
    totp_secret: str
    tenant: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the sign-in of this data folder."""
        box = SecretBox.load(settings)
        password = base64.b32encode(box.derive("demo password")[:_PASSWORD_BYTES])
        totp_secret = base64.b32encode(box.derive("demo totp")[:_TOTP_SECRET_BYTES])
        return cls(
            url=settings.public_app_origin,
            mcp_url=settings.resource,
            email=OWNER.email,
            password=password.decode().rstrip("=").lower(),
            totp_secret=totp_secret.decode(),
            tenant=NORTHWIND_SLUG,
        )

    def sealed(self, settings: Settings) -> SignIn:
        """Return what the database keeps of it."""
        return SignIn(
            password_hash=hash_password(self.password),
            totp_secret_sealed=seal_totp_secret(SecretBox.load(settings), self.totp_secret),
        )

    def write(self, path: Path) -> None:
        """Write it as JSON: under another name first, so that nobody reads half of it."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        draft.replace(path)
