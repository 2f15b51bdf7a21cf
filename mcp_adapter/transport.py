"""Streamable HTTP for all four revisions: who may speak, what was said, who answers it.

`tools/call` is answered here, because the SDK's handling of a message costs more than the query
behind it, and because there must be one way to run a tool. Whatever else is asked goes to the SDK
with the same body.
"""

from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from hub.errors import Forbidden, Unauthenticated, Unavailable
from hub.principal import Principal
from mcp_adapter import messages
from mcp_adapter.answers import CallAnswers
from mcp_adapter.calls import ToolCaller
from mcp_adapter.credentials import Authenticator, Challenge, bearer_token, tokens_shown
from mcp_adapter.eras import BATCH_VERSION, VERSION_HEADER, envelope_refusal, is_modern
from mcp_adapter.guard import Guard, preflight
from mcp_adapter.hang_up import HungUpError, cancelled_by_hang_up
from mcp_adapter.messages import ACCEPTED, Answer, Message, MessageError, error_answer
from mcp_adapter.outcome import CallOutcome, CallStatus
from mcp_adapter.request import AsgiApp, Request

_log = structlog.get_logger(__name__)
_MAX_BATCH = 20
_NOT_POSTED = (
    "This is the connector's address: MCP clients send their messages here with POST."
    " /docs/claude-connector says how to connect one."
)


class Transport:
    """The ASGI app of one address of the connector."""

    def __init__(
        self,
        *,
        guard: Guard,
        challenge: Challenge,
        authenticator: Authenticator,
        caller: ToolCaller,
        sdk: AsgiApp,
        answers: CallAnswers,
        max_request_bytes: int,
    ) -> None:
        self._guard = guard
        self._challenge = challenge
        self._authenticator = authenticator
        self._caller = caller
        self._sdk = sdk
        self._answers = answers
        self._max_request_bytes = max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request.of(scope, receive, send)
        try:
            answer = await self._answer(request)
        except MessageError as error:
            answer = error.answer
        except HungUpError:
            return
        if answer is not None:
            await request.respond(answer, extra=self._guard.cors_headers(request.headers))

    async def _answer(self, request: Request) -> Answer | None:
        """Return the answer; None when the SDK has given it."""
        if refusal := await self._refusal(request):
            return refusal
        principal = await self._principal(request)
        if isinstance(principal, Answer):
            return principal
        if refusal := _media_type_refusal(request):
            return refusal
        body = await request.body(max_bytes=self._max_request_bytes)
        if isinstance(body, Answer):
            return body
        value = messages.decoded(body)
        if isinstance(value, list):
            return await self._batch(request, principal, value)
        answer = await self._message(request, principal, value)
        if answer is None:
            extra = self._guard.cors_headers(request.headers)
            await request.pass_to(self._sdk, body, extra=extra)
        return answer

    async def _refusal(self, request: Request) -> Answer | None:
        if refusal := self._guard.refusal(request.headers):
            await self._turned_away(request, refusal)
            return refusal
        method = request.scope["method"]
        if method == "OPTIONS":
            return preflight()
        if method != "POST":
            # No stream is kept open and there is no session to end: nothing to GET or DELETE.
            # People do open the address in a browser, which shows an empty 405 as a failure.
            return error_answer(
                405, messages.INVALID_REQUEST, _NOT_POSTED, headers=(("Allow", "POST"),)
            )
        return None

    async def _principal(self, request: Request) -> Principal | Answer:
        query: bytes = request.scope.get("query_string", b"")
        token = bearer_token(request.all("authorization"), query, self._challenge)
        if isinstance(token, Answer):
            _log.info("bearer_refused", status=token.status, request_id=request.request_id)
            if token.status == HTTPStatus.BAD_REQUEST:
                # A 401 to who showed nothing is how every client begins, and is no event.
                await self._turned_away(request, token)
            return token
        try:
            principal = await self._authenticator.authenticate(token)
        except Unauthenticated as error:
            return self._challenge.invalid_token(error)
        except Forbidden as error:
            return error_answer(403, messages.FORBIDDEN, error.message)
        except Exception:  # noqa: BLE001 - the edge: the database may be away
            _log.exception("bearer_check_failed", request_id=request.request_id)
            return error_answer(
                503,
                messages.UNAVAILABLE,
                "The hub cannot check the token right now. Try again in a moment.",
                headers=(("Retry-After", "5"),),
            )
        if principal.user_id is None:
            # Calls are logged with a person's name; agents and the hub itself have other doors.
            text = "The connector acts for a person, and this token speaks for none."
            return error_answer(403, messages.FORBIDDEN, text)
        return principal

    async def _turned_away(self, request: Request, refusal: Answer) -> None:
        client = request.scope.get("client") or ("",)
        query: bytes = request.scope.get("query_string", b"")
        await self._authenticator.turned_away(
            orjson.loads(refusal.body or b"{}").get("error", {}).get("message", ""),
            shown=tokens_shown(request.all("authorization"), query),
            address=str(client[0]),
            request_id=request.request_id,
        )

    async def _batch(self, request: Request, principal: Principal, values: list[Any]) -> Answer:
        """Answer a batch: 2025-03-26 demands it, and no other revision has it."""
        if request.headers.get(VERSION_HEADER, BATCH_VERSION) != BATCH_VERSION:
            raise MessageError(messages.INVALID_REQUEST, "This revision has no batches.")
        if not 1 <= len(values) <= _MAX_BATCH:
            raise MessageError(
                messages.INVALID_REQUEST, f"A batch holds 1 to {_MAX_BATCH} messages."
            )
        bodies = [await self._batched(request, principal, value) for value in values]
        answered = [body for body in bodies if body is not None]
        return Answer(200, b"[" + b",".join(answered) + b"]") if answered else ACCEPTED

    async def _batched(self, request: Request, principal: Principal, value: Any) -> bytes | None:
        try:
            answer = await self._message(request, principal, value)
        except MessageError as error:
            answer = error.answer
        if answer is None and value["method"] == "initialize":
            text = "`initialize` cannot be part of a batch."
            answer = error_answer(400, messages.INVALID_REQUEST, text, request_id=value["id"])
        elif answer is None:
            answer = await request.answer_of(self._sdk, orjson.dumps(value))
        return answer.body

    async def _message(self, request: Request, principal: Principal, value: Any) -> Answer | None:
        """Return the answer to one message; None when it is one for the SDK."""
        message = messages.message_of(value)
        if message is None:
            return self._posted_response(request)
        modern = is_modern(message, request)
        if message.id is None:
            return None if modern else ACCEPTED
        if modern and (refusal := envelope_refusal(message, request)):
            return refusal
        if message.method != "tools/call":
            return None
        if not modern:
            return await self._call(request, principal, message, is_modern=False)
        async with cancelled_by_hang_up(request.receive):
            return await self._call(request, principal, message, is_modern=True)

    @staticmethod
    def _posted_response(request: Request) -> Answer:
        """Answer a client's response to a request of ours, which we never make."""
        if request.headers.get(VERSION_HEADER) == "2026-07-28":
            raise MessageError(messages.INVALID_REQUEST, "Clients send no responses.")
        return ACCEPTED

    async def _call(
        self, request: Request, principal: Principal, message: Message, *, is_modern: bool
    ) -> Answer:
        name, arguments = message.params.get("name"), message.params.get("arguments")
        try:
            outcome = await self._caller.call(principal, name, arguments, request.request_id)
        except Unavailable as error:
            outcome = CallOutcome(CallStatus.ERROR, message=error.message)
        return self._answers.of(message.id, outcome, is_modern=is_modern)


def _media_type_refusal(request: Request) -> Answer | None:
    """Return the answer to a body or an expectation that is not JSON."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return error_answer(415, messages.INVALID_REQUEST, "Content-Type must be application/json.")
    accepted = request.headers.get("accept", "*/*").lower()
    kinds = {kind.partition(";")[0].strip() for kind in accepted.split(",")}
    if not kinds & {"application/json", "application/*", "*/*"}:
        return error_answer(406, messages.INVALID_REQUEST, "Accept must allow application/json.")
    return None
