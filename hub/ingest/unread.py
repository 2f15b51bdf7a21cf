"""A refusal arrives, also where the body was not read: a little of it is thrown away first.

A socket that is closed while bytes still come in is reset: who is sending sees a broken connection
instead of the word that says what is wrong, and sends the same again for ever.
"""

import asyncio

from starlette.types import Message, Receive

# Twice what any endpoint takes: who sends a little too much reads so.
_THROWN_AWAY_BYTES = 16 * 1_048_576
_THROWN_AWAY_SECONDS = 3.0


class Arriving:
    """What a request's body arrives through; it knows whether there is more to come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_more = True

    async def __call__(self) -> Message:
        """Return the next message, as the server gives it."""
        message = await self._receive()
        self._has_more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def let_go(self) -> None:
        """Throw away what is still to come, within bounds; call it before a refusal is sent."""
        left = _THROWN_AWAY_BYTES
        try:
            async with asyncio.timeout(_THROWN_AWAY_SECONDS):
                while self._has_more and left > 0:
                    left -= len((await self()).get("body", b""))
        except TimeoutError:
            return
