"""Tenants and people, made by commands and written to the audit trail."""

from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from hub.database import Database
from hub.errors import Conflict, InvalidInput
from hub.principal import Role
from hub.tenancy import passwords
from hub.tenancy.commands import add_member, create_tenant, create_user
from hub.tenancy.models import Tenant
from hub.tenancy.passwords import hash_password_in_thread, password_matches
from hub.tenancy.queries import account_by_email, manager_emails, memberships_of
from tests.factories import make_user
from tests.oauth.trail import events_of


async def test_a_new_tenant_has_five_free_servers_and_the_connector_off(
    database: Database,
) -> None:
    slug = f"t-{uuid4().hex}"
    async with database.transaction() as session:
        made = await create_tenant(session, name="Acme", slug=slug)
    assert (made.plan, made.server_limit) == ("free", 5)
    assert (made.claude_may_read, made.claude_may_acknowledge) == (False, False)
    assert await events_of(database, made) == [("tenant_created", "success")]


async def test_a_slug_belongs_to_one_tenant(database: Database, tenant: Tenant) -> None:
    with pytest.raises(Conflict, match="slug"):
        async with database.transaction() as session:
            await create_tenant(session, name="Acme", slug=tenant.slug)


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a b", "a" * 64])
async def test_a_slug_is_a_name_for_urls(slug: str, database: Database) -> None:
    with pytest.raises(InvalidInput, match="slug"):
        async with database.transaction() as session:
            await create_tenant(session, name="Acme", slug=slug)


async def test_a_person_is_found_by_address_and_belongs_to_their_tenants(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    email = f"{uuid4().hex}@Example.COM"
    async with database.transaction() as session:
        user = await create_user(
            session, tenant_id=tenant.id, email=email, password_hash="!", role=Role.OWNER
        )
        await add_member(
            session,
            tenant_id=other_tenant.id,
            user_id=user.id,
            email=user.email,
            role=Role.VIEWER,
        )
    async with database.transaction(presented=email.lower()) as session:
        account = await account_by_email(session, email=email.lower())
    assert account is not None
    assert account.user_id == user.id
    async with database.transaction(user_id=user.id) as session:
        memberships = await memberships_of(session, user_id=user.id)
    assert [(m.tenant_id, m.role) for m in memberships] == [
        (tenant.id, Role.OWNER),
        (other_tenant.id, Role.VIEWER),
    ]
    assert await events_of(database, tenant) == [("user_added", "success")]
    assert await events_of(database, other_tenant) == [("user_added", "success")]


async def test_an_address_has_one_account(database: Database, tenant: Tenant) -> None:
    user = await make_user(database, tenant)
    with pytest.raises(Conflict, match="email"):
        async with database.transaction() as session:
            await create_user(
                session, tenant_id=tenant.id, email=user.email, password_hash="!", role=Role.VIEWER
            )
    with pytest.raises(Conflict, match="member"):
        async with database.transaction() as session:
            await add_member(
                session,
                tenant_id=tenant.id,
                user_id=user.id,
                email=user.email,
                role=Role.VIEWER,
            )


@pytest.mark.parametrize("email", ["", "ada", "a@b@c", "a b@example.com", "a\x00@example.com"])
async def test_an_account_needs_an_address(email: str, database: Database, tenant: Tenant) -> None:
    with pytest.raises(InvalidInput, match="email"):
        async with database.transaction() as session:
            await create_user(
                session, tenant_id=tenant.id, email=email, password_hash="!", role=Role.VIEWER
            )


async def test_only_owners_and_admins_are_named_as_managers(
    database: Database, tenant: Tenant
) -> None:
    owner = await make_user(database, tenant, role=Role.OWNER)
    await make_user(database, tenant, role=Role.OPERATOR)
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await manager_emails(session, tenant_id=tenant.id) == [owner.email]


async def test_passwords_are_argon2id_and_nobody_has_none(
    real_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", real_hasher)  # the hub's own
    stored = await hash_password_in_thread("correct horse")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await password_matches("correct horse", stored)
    assert not await password_matches("wrong", stored)
    assert not await password_matches("correct horse", None)
    assert not await password_matches("correct horse", "!")
