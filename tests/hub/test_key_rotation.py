"""Rotation of the hub's key: nobody is signed out, and former keys can go."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub.database import Database
from hub.errors import InvalidInput
from hub.resealing import Resealed, reseal
from hub.secret_box import SecretBox
from hub.secret_keys import kept_ring, new_key, rotate_kept_key
from hub.settings import Settings
from hub.tenancy.models import Tenant, User
from hub.tenancy.totp import open_totp_secret, seal_totp_secret
from tests.factories import make_user

OLD, NEW = bytes(32), bytes([1]) * 32


def test_what_a_former_key_made_is_honoured() -> None:
    old, new = SecretBox(OLD), SecretBox(NEW, former=(OLD,))
    sealed, proof = old.seal(b"secret", purpose="p"), old.mac("m", purpose="p")
    assert new.open(sealed, purpose="p") == b"secret"
    assert new.verify(proof, "m", purpose="p")
    assert new.macs("m", purpose="p") == [new.mac("m", purpose="p"), proof]
    assert not new.is_current(sealed)
    assert new.is_current(new.seal(b"secret", purpose="p"))


def test_new_values_are_made_with_the_current_key() -> None:
    new = SecretBox(NEW, former=(OLD,))
    assert SecretBox(NEW).open(new.seal(b"a", purpose="p"), purpose="p") == b"a"
    with pytest.raises(InvalidInput, match="MONSYS_FORMER_SECRET_KEYS"):
        SecretBox(OLD).open(new.seal(b"a", purpose="p"), purpose="p")


def test_a_running_hub_notices_a_rotation_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    running = SecretBox.load(settings)
    proof, sealed = running.mac("m", purpose="p"), running.seal(b"old", purpose="p")
    rotate_kept_key(settings)
    other = SecretBox.load(settings)
    assert other.key_id != running.key_id
    assert other.open(sealed, purpose="p") == b"old"
    assert other.verify(proof, "m", purpose="p")
    assert running.open(other.seal(b"new", purpose="p"), purpose="p") == b"new"
    assert running.verify(other.mac("n", purpose="p"), "n", purpose="p")
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_former_key_goes_when_its_overlap_is_over(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, secret_key_overlap_days=30)
    first = kept_ring(settings).current
    second = rotate_kept_key(settings)
    assert second.former == (first,)
    third = rotate_kept_key(settings)
    assert third.former == (second.current, first)
    former = tmp_path / "secret.key.former"
    retired = datetime.now(UTC) - timedelta(days=31)
    lines = former.read_text().splitlines()
    lines[0] = f"{lines[0].split(' ')[0]} {retired.isoformat()}"
    former.write_text("\n".join(lines) + "\n")
    assert kept_ring(settings).former == (second.current,)


def test_configured_keys_name_their_former_ones(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    before = SecretBox.load(Settings(data_dir=tmp_path, secret_key=old))
    after = SecretBox.load(Settings(data_dir=tmp_path, secret_key=new, former_secret_keys=(old,)))
    assert after.verify(before.mac("m", purpose="p"), "m", purpose="p")
    assert base64.b64decode(new) != base64.b64decode(old)
    assert list(tmp_path.iterdir()) == []


async def test_sealed_secrets_move_to_the_current_key(database: Database, tenant: Tenant) -> None:
    old = SecretBox(OLD)
    new = SecretBox(NEW, former=(OLD,))
    user = await make_user(database, tenant, totp_secret_sealed=seal_totp_secret(old, "JBSWY3DP"))
    await _forget_foreign_secrets(database, keep=tenant)
    assert await reseal(database, new) == Resealed(moved=1, current=0)
    assert await reseal(database, new) == Resealed(moved=0, current=1)
    async with database.transaction(user_id=user.id) as session:
        stored = await session.get(type(user), user.id)
        assert stored is not None
        assert stored.totp_secret_sealed is not None
        assert open_totp_secret(SecretBox(NEW), stored.totp_secret_sealed) == "JBSWY3DP"


async def _forget_foreign_secrets(database: Database, *, keep: Tenant) -> None:
    """Other tests sealed theirs with keys that are gone."""
    async with database.transaction(presented="*") as session:
        ids = (await session.scalars(select(col(Tenant.id)))).all()
    for tenant_id in ids:
        if tenant_id != keep.id:
            async with database.transaction(tenant_id=tenant_id) as session:
                await session.execute(update(User).values(totp_secret_sealed=None))
