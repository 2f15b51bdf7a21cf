"""What a resolver may reach: the unit of work, who is asking, what time it is, and loaders."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry.dataloader import DataLoader

from hub.clock import utc_now
from hub.database import UnitOfWork
from hub.errors import Unavailable
from hub.principal import Principal
from hub.secret_box import SecretBox

type ByKeys[Key, Value] = Callable[[AsyncSession, Collection[Key]], Awaitable[Mapping[Key, Value]]]


class Context:
    """Per-operation state; never outlives the operation, so loaders may cache freely."""

    def __init__(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        request_id: str | None = None,
        secret_box: SecretBox | None = None,
    ) -> None:
        self.work = work
        self.principal = principal
        self.request_id = request_id
        self._secret_box = secret_box
        # One moment for the whole operation: its parts agree on what "now" is.
        self.now: datetime = utc_now()
        self._loaders: dict[ByKeys[Any, Any], DataLoader[Any, Any]] = {}

    @property
    def secret_box(self) -> SecretBox:
        """What seals secrets that a mutation stores; only the hub's own endpoint has it."""
        if self._secret_box is None:
            raise Unavailable("This hub cannot seal secrets here; use its own GraphQL endpoint.")
        return self._secret_box

    async def load[Key, Value](self, query: ByKeys[Key, Value], key: Key) -> Value | None:
        """Return the query's answer for one key; keys asked for together cost one statement."""
        loader = self._loaders.get(query)
        if loader is None:

            async def load_many(keys: Sequence[Key]) -> list[Value | None]:
                found = await self.work.run(query, keys)
                return [found.get(key) for key in keys]

            loader = self._loaders[query] = DataLoader(load_fn=load_many)
        value: Value | None = await loader.load(key)
        return value


type Info = strawberry.Info[Context, None]
