"""Bodies that other tools send: read, unpacked and parsed within bounds, or refused with a word."""

import zlib
from typing import Any

import orjson
from fastapi import Request

from hub.errors import HubError, InvalidInput

MAX_SENT_BYTES = 8 * 1_048_576
MAX_UNPACKED_BYTES = 16 * 1_048_576
_AUTOMATIC_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or deflate
_ENCODINGS = {"gzip": _AUTOMATIC_HEADER, "x-gzip": _AUTOMATIC_HEADER, "deflate": _AUTOMATIC_HEADER}


class TooLarge(HubError):  # noqa: N818 - reads as the refusal it is
    """The body is larger than what one request may bring."""

    code = "TOO_LARGE"


class UnsupportedMedia(HubError):  # noqa: N818
    """The body is in a form that this endpoint does not read."""

    code = "UNSUPPORTED_MEDIA_TYPE"


async def read_body(request: Request) -> bytes:
    """Return the body, unpacked. Nothing beyond the bounds is ever held in memory."""
    window_bits = _window_bits(request.headers.get("content-encoding", ""))
    sent = await _sent(request)
    return sent if window_bits is None else unpack(sent, window_bits)


def media_type(request: Request) -> str:
    """Return the content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_json(request: Request, *, also: frozenset[str] = frozenset()) -> None:
    """Refuse what does not say that it is JSON; no type at all is read as JSON."""
    kind = media_type(request)
    if kind and kind != "application/json" and not kind.endswith("+json") and kind not in also:
        raise UnsupportedMedia("Send `Content-Type: application/json`.", field="content-type")


def parsed_json(body: bytes) -> Any:
    """Return the JSON value of the body."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("The body must be JSON in UTF-8.", field="body") from error


def unpack(sent: bytes, window_bits: int = _AUTOMATIC_HEADER) -> bytes:
    """Return the unpacked bytes; stop at the bound, however much a small body would grow."""
    unpacker = zlib.decompressobj(window_bits)
    try:
        unpacked = unpacker.decompress(sent, MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise InvalidInput(
            "The body is not what `Content-Encoding` says.", field="content-encoding"
        ) from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"A body may unpack to {MAX_UNPACKED_BYTES} bytes; send it in smaller parts.",
            field="body",
        )
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidInput("The packed body is cut off or has more than one part.", field="body")
    return unpacked


def _window_bits(encoding: str) -> int | None:
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name not in _ENCODINGS:
        raise UnsupportedMedia(
            "`Content-Encoding` must be gzip, deflate or identity.", field="content-encoding"
        )
    return _ENCODINGS[name]


async def _sent(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > MAX_SENT_BYTES:
        raise _too_long()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_SENT_BYTES:
            raise _too_long()
    return bytes(body)


def _too_long() -> TooLarge:
    return TooLarge(
        f"A body may have {MAX_SENT_BYTES} bytes; send it in smaller parts or packed (gzip).",
        field="body",
    )
