"""Runs migrations from code: `monsys migrate`, the demo and the tests use the same call."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_FOLDER = Path(__file__).parent


def config_of(url: str) -> Config:
    """Return alembic's configuration for this database."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(owner_url: str, revision: str = "head") -> None:
    """Bring the schema to this revision. Blocking: it runs its own event loop."""
    command.upgrade(config_of(owner_url), revision)
