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
from hub.tenancy.models import RecoveryCode, Tenant, User
from hub.tenancy.second_factor import Factor, make_recovery_codes, show_second_factor
from hub.tenancy.totp import new_totp_secret, open_totp_secret, seal_totp_secret
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


def test_a_running_hub_uses_a_new_key_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not meet a value of the new key first, nor be restarted."""
    moment = 0.0
    monkeypatch.setattr("hub.secret_box.monotonic", lambda: moment)
    settings = Settings(data_dir=tmp_path)
    running = SecretBox.load(settings)
    rotate_kept_key(settings)
    moment = 59
    assert running.key_id != SecretBox.load(settings).key_id
    moment = 61
    assert running.key_id == SecretBox.load(settings).key_id


def test_a_running_hub_lets_a_former_key_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 0.0
    monkeypatch.setattr("hub.secret_box.monotonic", lambda: moment)
    settings = Settings(data_dir=tmp_path)
    running = SecretBox.load(settings)
    proof = running.mac("m", purpose="p")
    rotate_kept_key(settings)
    (tmp_path / "secret.key.former").unlink()
    moment = 61
    assert not running.verify(proof, "m", purpose="p")


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


@pytest.mark.slow
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


async def test_recovery_codes_outlive_every_key(database: Database, tenant: Tenant) -> None:
    """They are for the day the phone is lost, which may be years after the key is."""
    unrelated = SecretBox(NEW)
    sealing = SecretBox(OLD)
    user = await make_user(
        database, tenant, totp_secret_sealed=seal_totp_secret(sealing, new_totp_secret())
    )
    await _forget_foreign_secrets(database, keep=tenant)
    async with database.transaction(user_id=user.id) as session:
        codes = await make_recovery_codes(session, user_id=user.id)
    assert (await reseal(database, SecretBox(NEW, former=(OLD,)))).moved == 1
    # By a hub that never heard of the key they were made under.
    assert await _shown(database, user, unrelated, codes[0]) is Factor.RECOVERY_CODE
    assert await _shown(database, user, unrelated, codes[0]) is None
    assert await _shown(database, user, unrelated, codes[1]) is Factor.RECOVERY_CODE
    assert {len(code.replace("-", "")) * 5 for code in codes} == {120}  # bits


@pytest.mark.slow
async def test_codes_of_the_old_kind_are_honoured_and_counted(
    database: Database, tenant: Tenant
) -> None:
    """They were kept under the hub's key: good while it is honoured, and somebody should know."""
    old, both = SecretBox(OLD), SecretBox(NEW, former=(OLD,))
    user = await make_user(
        database, tenant, totp_secret_sealed=seal_totp_secret(both, new_totp_secret())
    )
    await _forget_foreign_secrets(database, keep=tenant)
    before = (await reseal(database, both)).former_codes
    async with database.transaction(user_id=user.id) as session:
        for code in ("abcdefgh22334455", "abcdefgh22334466"):
            digest = old.mac(f"{user.id}\n{code}", purpose="recovery-code")
            session.add(RecoveryCode(user_id=user.id, digest=digest))
    assert (await reseal(database, both)).former_codes == before + 1
    assert await _shown(database, user, both, "ABCD-EFGH-2233-4455") is Factor.RECOVERY_CODE
    assert await _shown(database, user, SecretBox(NEW), "abcdefgh22334466") is None


async def _shown(database: Database, user: User, box: SecretBox, code: str) -> Factor | None:
    async with database.transaction(user_id=user.id) as session:
        return await show_second_factor(
            session, box=box, user_id=user.id, code=code, at=datetime.now(UTC)
        )


async def _forget_foreign_secrets(database: Database, *, keep: Tenant) -> None:
    """Other tests sealed theirs with keys that are gone."""
    async with database.transaction(presented="*") as session:
        ids = (await session.scalars(select(col(Tenant.id)))).all()
    for tenant_id in ids:
        if tenant_id != keep.id:
            async with database.transaction(tenant_id=tenant_id) as session:
                await session.execute(update(User).values(totp_secret_sealed=None))
