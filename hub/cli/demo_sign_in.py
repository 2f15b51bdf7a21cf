"""How one signs in to the demo: made from the data folder's own key, so the same every time."""

import base64
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pyotp

from hub.cli.failures import CommandError
from hub.database import Database
from hub.secret_box import SecretBox
from hub.settings import Settings
from hub.tenancy.passwords import hash_password, password_matches
from hub.tenancy.queries import account_by_email
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

    @classmethod
    def code_now(cls, settings: Settings) -> str:
        """Return the one-time code that an authenticator app would show; needs no running demo."""
        if not settings.data_dir.is_dir():
            raise CommandError("This folder holds no demo yet. Start it with `monsys demo`.")
        return pyotp.TOTP(cls.of(settings).totp_secret).now()

    def sealed(self, settings: Settings) -> SignIn:
        """Return what the database keeps of it."""
        return SignIn(
            password_hash=hash_password(self.password),
            totp_secret_sealed=seal_totp_secret(SecretBox.load(settings), self.totp_secret),
        )

    async def check(self, database: Database) -> None:
        """Raise CommandError when the story in this database was told with another data folder."""
        async with database.transaction(presented=self.email) as session:
            account = await account_by_email(session, email=self.email)
        stored = account.password_hash if account else None
        if not await password_matches(self.password, stored):
            raise CommandError(
                "The demo in this database was made with another data folder, so its sign-in is"
                " not known here. Use that folder, or an empty database."
            )

    def write(self, path: Path) -> None:
        """Write it as JSON: under another name first, so that nobody reads half of it."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        draft.replace(path)
