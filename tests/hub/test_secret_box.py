"""The hub's own key: where it comes from, and what it is good for."""

import base64
from pathlib import Path

import pytest

from hub.errors import InvalidInput
from hub.secret_box import SecretBox
from hub.settings import Settings

KEY = base64.b64encode(bytes(range(32))).decode()


def test_opens_what_it_sealed_for_the_same_purpose_only() -> None:
    box = SecretBox(bytes(32))
    sealed = box.seal(b"secret", purpose="totp")
    assert b"secret" not in sealed
    assert box.open(sealed, purpose="totp") == b"secret"
    for other, purpose in [(box, "else"), (SecretBox(bytes([1]) * 32), "totp")]:
        with pytest.raises(InvalidInput, match="MONSYS_SECRET_KEY"):
            other.open(sealed, purpose=purpose)


def test_seals_the_same_value_differently_each_time() -> None:
    box = SecretBox(bytes(32))
    assert box.seal(b"a", purpose="p") != box.seal(b"a", purpose="p")


def test_proofs_are_bound_to_message_and_purpose() -> None:
    box = SecretBox(bytes(32))
    proof = box.mac("message", purpose="csrf")
    assert box.verify(proof, "message", purpose="csrf")
    assert not box.verify(proof, "other", purpose="csrf")
    assert not box.verify(proof, "message", purpose="else")
    assert not box.verify("é", "message", purpose="csrf")


def test_in_development_the_key_is_made_once_and_kept_to_oneself(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    proof = SecretBox.load(settings).mac("a", purpose="p")
    assert SecretBox.load(settings).verify(proof, "a", purpose="p")
    files = list((tmp_path / "data").iterdir())
    assert [(file.name, file.stat().st_mode & 0o777) for file in files] == [("secret.key", 0o600)]


def test_a_configured_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, secret_key=KEY)
    assert SecretBox.load(settings).derive("p") == SecretBox(bytes(range(32))).derive("p")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(bytes(31)).decode(), "é" * 44])
def test_says_what_a_key_looks_like(key: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="openssl rand"):
        SecretBox.load(Settings(data_dir=tmp_path, secret_key=key))
