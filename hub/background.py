"""Work that goes on beside the requests, from the hub's start to its end."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar, Self


class Background(ABC):
    """Runs until the hub stops. Use as a context manager."""

    name: ClassVar[str]  # of its task, as debuggers show it
    _task: asyncio.Task[None] | None = None

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled; whatever can be waited out is, and nothing else ends it."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name=self.name)
        return self

    async def __aexit__(self, *_raised: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
