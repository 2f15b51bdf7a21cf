"""Things that people did, so that they can be told in the order in which they happened.

The audit trail is a chain: what is appended later stands later, whatever its time says.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done at one moment."""

    at: datetime
    do: Callable[[AsyncSession], Awaitable[None]]


async def perform(session: AsyncSession, acts: Iterable[Act]) -> None:
    """Do everything in order."""
    for act in sorted(acts, key=lambda act: act.at):
        await act.do(session)
