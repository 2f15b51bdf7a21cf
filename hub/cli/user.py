"""`monsys user add`: people who may sign in."""

import sys
from dataclasses import dataclass
from typing import Annotated

import pyotp
import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.failures import CommandError
from hub.cli.output import answers
from hub.cli.setting_options import settings_from
from hub.cli.tenants import find_tenant, slug_of
from hub.database import Database
from hub.principal import Role
from hub.secret_box import SecretBox
from hub.tenancy.commands import create_tenant, create_user, normal_email
from hub.tenancy.password_policy import blocking_weakness_of
from hub.tenancy.passwords import hash_password
from hub.tenancy.totp import seal_totp_secret

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help="People."
)


@app.callback()
def user() -> None:
    """People who may sign in."""


@dataclass(frozen=True, slots=True)
class _NewPerson:
    email: str
    name: str
    role: Role
    password_hash: str
    totp_secret_sealed: bytes | None


@app.command(
    epilog='**Examples**\n\n`monsys user add ada@example.com --tenant "Example" --role owner` ·'
    " `pass show monsys | monsys user add ada@example.com --tenant example --password-stdin`"
)
def add(
    email: Annotated[str, typer.Argument(help="Address to sign in with.")],
    tenant: Annotated[str, typer.Option(help="Name or short name; a new one is made.")],
    role: Annotated[Role, typer.Option(help="What the person is there.")] = Role.OWNER,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    *,
    totp: Annotated[bool, typer.Option("--totp", help="Set up a second factor too.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account, and its tenant if that does not exist yet.

    The password must withstand guessing, as at sign-up: its strength is estimated, and passwords
    that attackers try first are refused. It is asked for, or read with --password-stdin.

    In a new tenant the Claude connector is off; its owner switches it on when connecting Claude.
    """
    address = normal_email(email)
    secret = pyotp.random_base32() if totp else None
    person = _NewPerson(
        email=address,
        name=name,
        role=role,
        password_hash=hash_password(
            _read_password(from_stdin=password_stdin, known=(address, name, tenant))
        ),
        totp_secret_sealed=_sealed(secret, data_dir) if secret else None,
    )

    async def work(database: Database) -> str:
        return await _add(database, person, tenant)

    slug = in_database(work, data_dir=data_dir)
    answers.print(f"{address} is {role.value} of {slug}.", markup=False)
    if secret:
        answers.print(f"TOTP secret (shown once): {secret}", markup=False)


async def _add(database: Database, person: _NewPerson, tenant: str) -> str:
    known = await find_tenant(database, tenant)
    async with database.transaction() as session:
        if known is None:
            made = await create_tenant(session, name=tenant, slug=slug_of(tenant))
            tenant_id, slug = made.id, made.slug
        else:
            tenant_id, slug = known.id, known.slug
        await create_user(
            session,
            tenant_id=tenant_id,
            email=person.email,
            name=person.name,
            role=person.role,
            password_hash=person.password_hash,
            totp_secret_sealed=person.totp_secret_sealed,
        )
    return slug


def _sealed(secret: str, data_dir: DataDir) -> bytes:
    return seal_totp_secret(SecretBox.load(settings_from(data_dir=data_dir)), secret)


def _read_password(*, from_stdin: bool, known: tuple[str, ...]) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if weakness := blocking_weakness_of(password, known=known):
        raise CommandError(weakness)
    return str(password)
