"""One HTTP request as the connector reads it, and the writing of its answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from mcp_adapter.messages import INVALID_REQUEST, Answer, Headers, error_answer

type AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """Headers with their blanks trimmed, and what is needed to answer.

    RFC 9110 §5.5: a field's value excludes the blanks around it, but httptools keeps trailing
    ones, and then `Mcp-Name: x ` would differ from the body's name.
    """

    scope: Scope
    receive: Receive
    send: Send
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    request_id: str

    @classmethod
    def of(cls, scope: Scope, receive: Receive, send: Send) -> "Request":
        """Return the request of this ASGI call."""
        pairs = [
            (name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t"))
            for name, value in scope["headers"]
        ]
        request_id = scope.get("state", {}).get("request_id") or uuid4().hex
        return cls(scope, receive, send, pairs, dict(pairs), str(request_id))

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.pairs if key == name]

    async def body(self, *, max_bytes: int) -> bytes | Answer:
        """Return the body, or the answer to one that is too large."""
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            return _too_large(max_bytes)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return error_answer(400, INVALID_REQUEST, "The body ended before its end.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > max_bytes:
                return _too_large(max_bytes)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def respond(self, answer: Answer, *, extra: Headers) -> None:
        """Write the answer, with further headers."""
        headers = [*answer.headers, *extra]
        if answer.body is not None:
            headers += [("Content-Type", "application/json")]
        if answer.status != 204:  # noqa: PLR2004 - RFC 9110 §8.6: a 204 has no Content-Length
            headers += [("Content-Length", str(len(answer.body or b"")))]
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": _encoded(headers)}
        )
        await self.send({"type": "http.response.body", "body": answer.body or b""})

    async def pass_to(self, app: AsgiApp, body: bytes, *, extra: Headers) -> None:
        """Let the app answer the same request, its headers trimmed and its body unread."""

        async def send(message: AsgiMessage) -> None:
            if extra and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_encoded(extra)]
            await self.send(message)

        await app(self._scope_for(body), self._replayed(body), send)

    async def answer_of(self, app: AsgiApp, body: bytes) -> Answer:
        """Return what the app would answer if `body` were all that was sent."""
        status, parts = 500, []

        async def send(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            parts.append(message.get("body", b""))

        await app(self._scope_for(body), self._replayed(body), send)
        return Answer(status, b"".join(parts) or None)

    def _scope_for(self, body: bytes) -> Scope:
        headers = [pair for pair in self.pairs if pair[0] != "content-length"]
        headers.append(("content-length", str(len(body))))
        # Leaving Accept out means "anything" (RFC 9110 §12.5.1); the SDK reads it as "nothing".
        if "accept" not in self.headers:
            headers.append(("accept", "*/*"))
        return {**self.scope, "headers": _encoded(headers)}

    def _replayed(self, body: bytes) -> Receive:
        messages: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> AsgiMessage:
            return messages.pop() if messages else await self.receive()

        return receive


def _encoded(headers: list[tuple[str, str]] | Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _too_large(max_bytes: int) -> Answer:
    return error_answer(413, INVALID_REQUEST, f"The body is larger than {max_bytes} bytes.")
