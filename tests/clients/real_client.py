"""What every real client can do for a test, whatever program it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

from tests.acceptance.person import Account, Person

type OpenLink = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Surroundings:
    """Where a client finds itself.

    `open_link` shows a person the client's authorization URL, and returns when their browser is
    back at the client. With a `document_url` the client is its metadata document; without one it
    registers. What it keeps, it keeps in `folder`. `variables` go into the environment of programs.
    """

    mcp_url: str
    open_link: OpenLink
    folder: Path
    node_modules: Path
    document_url: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


class RealClient(Protocol):
    """A client that is connected, or connects when it is asked something."""

    async def tools(self) -> list[str]:
        """Return the names of the tools it sees."""
        ...

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured content."""
        ...


def through_forms(account: Account) -> OpenLink:
    """Return a person without a browser: fills in forms over HTTP, then visits the client."""

    async def open_link(url: str) -> None:
        async with Person(account) as person, httpx2.AsyncClient(trust_env=False) as http:
            await http.get(await person.allow(url))

    return open_link
