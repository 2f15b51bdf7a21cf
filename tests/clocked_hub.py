"""`monsys serve` in a test's time and on a test's web: `python -m tests.clocked_hub`."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from hub.cli.serve import app
from oauth.client_documents.fetcher import HttpsFetcher
from tests.moving_clock import VARIABLE
from tests.oauth.document_host import DocumentHost, Loopback

_PORT, _AUTHORITY = "DOCUMENT_HOST_PORT", "DOCUMENT_HOST_AUTHORITY"


def web_variables(host: DocumentHost) -> dict[str, str]:
    """Return the environment in which this host is the process's web."""
    return {_PORT: str(host.network.port), _AUTHORITY: str(host.authority)}


def main() -> None:
    """Serve. Only two things are other than in production: the clock, and the network."""
    file = Path(os.environ[VARIABLE])

    def moved_now(_zone: object) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text("utf-8")))

    # `hub.clock` is the one place that reads the time, and these two are all it reads.
    clock = SimpleNamespace(now=moved_now, fromisoformat=datetime.fromisoformat)
    network = Loopback(int(os.environ[_PORT]))
    trust = ssl.create_default_context(cafile=os.environ[_AUTHORITY])
    with (
        patch("hub.clock.datetime", clock),
        patch("oauth.service.HttpsFetcher", partial(HttpsFetcher, network, trust)),
    ):
        app()


if __name__ == "__main__":
    main()
