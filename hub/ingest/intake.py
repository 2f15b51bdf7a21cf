"""What takes in what hosts send: the gate, the landing, and the database behind them."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fastapi import FastAPI

from hub.database import Database
from hub.ingest.gate import Gate
from hub.ingest.landing import Landing
from hub.settings import Settings


@dataclass(frozen=True)
class Intake:
    """One for the process's life; use it as a context manager while requests are served."""

    database: Database
    gate: Gate
    landing: Landing

    @classmethod
    def of(cls, database: Database, settings: Settings) -> Self:
        """Return the intake of this configuration."""
        return cls(database, Gate(database, settings), Landing(database))

    async def __aenter__(self) -> Self:
        await self.landing.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.landing.__aexit__(kind, error, trace)


def intake_of(app: FastAPI) -> Intake:
    """Return the application's intake, which the composition root put there."""
    intake: Intake = app.state.intake
    return intake
