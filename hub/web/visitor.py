"""What the pages ask of the layers above: who is there, and what a persisted document answers.

`hub` knows neither OAuth nor GraphQL; the composition root hands it these two.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request

from hub.principal import Principal

type PrincipalOf = Callable[[Request], Awaitable[Principal | None]]

# The name of an operation file of the dashboard; None when its answer has errors.
type DocumentOf = Callable[[Request, Principal, str], Awaitable[Mapping[str, Any] | None]]
