"""OTLP's two encodings: requests are read and answers written in the one that the sender chose.

Protobuf's JSON mapping is OTLP's but for ids of traces, which stand in exemplars and are not kept.
"""

from dataclasses import dataclass
from enum import StrEnum

import orjson
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from hub.errors import InvalidInput
from hub.ingest.foreign.bodies import UnsupportedMedia, parsed_json


class Encoding(StrEnum):
    """The media types of OTLP/HTTP."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Unreadable(InvalidInput):
    """The request is no export of metrics. OTLP answers 400, which is not sent again."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many points were not stored, and a word for whoever operates the sender."""

    points: int
    message: str


def encoding_of(media_type: str) -> Encoding:
    """Return the encoding that the media type names."""
    try:
        return Encoding(media_type)
    except ValueError as error:
        raise UnsupportedMedia(
            "Send `Content-Type: application/x-protobuf` or `application/json`.",
            field="content-type",
        ) from error


def decode(body: bytes, encoding: Encoding) -> ExportMetricsServiceRequest:
    """Return the request."""
    if encoding is Encoding.JSON:
        return _from_json(body)
    try:
        return ExportMetricsServiceRequest.FromString(body)
    except DecodeError as error:
        raise Unreadable("The body is not an ExportMetricsServiceRequest.", field="body") from error


def encode_answer(rejected: Rejected, encoding: Encoding) -> bytes:
    """Return the answer; a full success has no `partial_success` at all."""
    answer = ExportMetricsServiceResponse()
    if rejected.points or rejected.message:
        answer.partial_success.rejected_data_points = rejected.points
        answer.partial_success.error_message = rejected.message
    return _encode(answer, encoding)


def encode_status(code: int, message: str, encoding: Encoding) -> bytes:
    """Return a refusal as `google.rpc.Status`."""
    return _encode(Status(code=code, message=message), encoding)


def _from_json(body: bytes) -> ExportMetricsServiceRequest:
    try:
        payload = parsed_json(body)
    except InvalidInput as error:
        raise Unreadable(error.message, field="body") from error
    if not isinstance(payload, dict):
        raise Unreadable("The body must be a JSON object with `resourceMetrics`.", field="body")
    try:
        return ParseDict(payload, ExportMetricsServiceRequest(), ignore_unknown_fields=True)
    # Protobuf's reader lets a few of Python's own errors out where a value has a wrong shape.
    except (ParseError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Unreadable(
            "The body is not an ExportMetricsServiceRequest in OTLP's JSON.", field="body"
        ) from error


def _encode(message: Message, encoding: Encoding) -> bytes:
    if encoding is Encoding.PROTOBUF:
        return message.SerializeToString()
    return orjson.dumps(MessageToDict(message))
