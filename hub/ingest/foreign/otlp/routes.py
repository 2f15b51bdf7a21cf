"""`POST /v1/metrics`, answered as OTLP/HTTP says."""

from fastapi import Request, Response

from hub.errors import HubError, InvalidInput
from hub.ingest.foreign.answers import headers_of, status_of
from hub.ingest.foreign.bodies import UnsupportedMedia, media_type
from hub.ingest.foreign.door import deliver
from hub.ingest.foreign.otlp.encoding import (
    Encoding,
    Unreadable,
    decode,
    encode_answer,
    encode_status,
    encoding_of,
)
from hub.ingest.foreign.otlp.store import store_export
from hub.ingest.keys.models import IngestSource
from hub.ingest.unread import Arriving

# google.rpc.Code by HTTP status; senders go by the status, people read the code.
_RPC_CODE = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 413: 8, 415: 3, 429: 8, 503: 14}
_INTERNAL = 13


async def take_metrics(request: Request) -> Response:
    """Store what hosts measure: CPU, memory, file systems, network, load.

    Metrics that the hub does not keep are ignored, and the answer says how many there were.
    """
    encoding, arriving = Encoding.PROTOBUF, Arriving(request.receive)
    try:
        encoding = encoding_of(media_type(request))
        rejected = await deliver(
            Request(request.scope, arriving),
            IngestSource.OTLP,
            parse=lambda body: decode(body, encoding),
            store=store_export,
        )
    except HubError as error:
        await arriving.let_go()
        return _refusal(error, encoding)
    return Response(encode_answer(rejected, encoding), media_type=encoding.value)


def _refusal(error: HubError, encoding: Encoding) -> Response:
    # 400 is what OTLP calls bad data, which is not sent again.
    is_bad_data = isinstance(error, Unreadable) or type(error) is InvalidInput
    status = 400 if is_bad_data else status_of(error)
    if isinstance(error, UnsupportedMedia):
        encoding = Encoding.JSON  # what it reads is not known; people read this
    code = _RPC_CODE.get(status, _INTERNAL)
    return Response(
        encode_status(code, error.message, encoding),
        status,
        headers=headers_of(error),
        media_type=encoding.value,
    )
