"""What OpenAPI tells of the endpoints for other tools: bodies, examples, answers."""

from typing import Any

from hub.faults import ProblemResponse
from hub.ingest.foreign.door import DELIVERIES_PER_MINUTE
from hub.ingest.foreign.outcome import Delivered
from hub.ingest.foreign.signals import COMPONENT_BY_SOURCE, SignalItem

type Told = dict[str, Any]

_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_KEY = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`Bearer mik_…`: an ingest key of this source; `monsys ingest key create` or the"
    " dashboard makes one. Never in the address, where logs would keep it.",
    "schema": {"type": "string", "pattern": "^Bearer mik_[0-9A-Za-z]{49}$"},
}
_OBJECT = {"type": "object"}
_OBJECT_OR_LIST = {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}


def _refusals(model: type[Any] | None) -> dict[int | str, Told]:
    words = {
        401: "No ingest key, or one that nobody has.",
        403: "The key was revoked, or is for another source.",
        413: "The body is too large, packed or unpacked.",
        415: "The body's type or packing is not one that this endpoint reads.",
        429: f"More than {DELIVERIES_PER_MINUTE} requests a minute with one key.",
        503: "The queue is full or the database does not answer; nothing was stored. Send it"
        " again.",
    }
    told: dict[int | str, Told] = {
        status: {"description": text} | ({"model": model} if model else {})
        for status, text in words.items()
    }
    for status in (429, 503):
        told[status]["headers"] = _RETRY
    return told


def _told(
    summary: str,
    content: dict[str, Told],
    *,
    parameters: list[Told] | None = None,
) -> Told:
    return {
        "summary": summary,
        "status_code": 202,
        "response_model": Delivered,
        "response_description": "What became of each item; what is accepted is stored durably.",
        "responses": _refusals(ProblemResponse)
        | {422: {"model": ProblemResponse, "description": "Nothing of it could be stored."}},
        "openapi_extra": {
            "requestBody": {"required": True, "content": content},
            "parameters": [_KEY, *(parameters or [])],
        },
    }


_EXPORT = {
    "resourceMetrics": [
        {
            "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "web-01"}}]},
            "scopeMetrics": [
                {
                    "metrics": [
                        {
                            "name": "system.memory.utilization",
                            "unit": "1",
                            "gauge": {
                                "dataPoints": [
                                    {
                                        "timeUnixNano": "1795336043006635546",
                                        "asDouble": 0.48,
                                        "attributes": [
                                            {
                                                "key": "system.memory.state",
                                                "value": {"stringValue": "used"},
                                            }
                                        ],
                                    }
                                ]
                            },
                        }
                    ]
                }
            ],
        }
    ]
}
_PARTIAL = {
    "partialSuccess": {
        "rejectedDataPoints": "4",
        "errorMessage": "4 points: a time is missing, older than 7 days or ahead of the clock",
    }
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}

METRICS: Told = {
    "summary": "Store metrics of hosts (OTLP/HTTP)",
    "response_description": "Stored; `partial_success` says what was not, and what was ignored.",
    "responses": {
        200: {
            "description": "Stored; `partial_success` says what was not, and what was ignored.",
            "content": {
                "application/x-protobuf": _BINARY,
                "application/json": {"schema": _OBJECT, "example": _PARTIAL},
            },
        },
        400: {"description": "No ExportMetricsServiceRequest. Not to be sent again."},
        **_refusals(None),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _OBJECT, "example": _EXPORT},
                "application/x-protobuf": _BINARY,
            },
        },
        "parameters": [_KEY],
    },
}

ALERTMANAGER = _told(
    "Store alerts of Alertmanager (webhook version 4)",
    {
        "application/json": {
            "schema": _OBJECT,
            "example": {
                "version": "4",
                "groupKey": '{}:{alertname="HostDiskFull"}',
                "status": "firing",
                "receiver": "monsys",
                "groupLabels": {"alertname": "HostDiskFull"},
                "commonLabels": {"alertname": "HostDiskFull"},
                "commonAnnotations": {},
                "externalURL": "http://alertmanager.example.com:9093",
                "truncatedAlerts": 0,
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {
                            "alertname": "HostDiskFull",
                            "instance": "web-01:9100",
                            "severity": "critical",
                        },
                        "annotations": {"summary": "Disk of web-01 is 97 % full"},
                        "startsAt": "2026-11-03T08:00:00.123456789Z",
                        "endsAt": "0001-01-01T00:00:00Z",
                        "generatorURL": "http://prometheus.example.com:9090/graph",
                        "fingerprint": "9b21c2f4a0d3e877",
                    }
                ],
            },
        }
    },
)

FALCO = _told(
    "Store events of Falco or falcosidekick",
    {
        "application/json": {
            "schema": _OBJECT_OR_LIST,
            "example": {
                "hostname": "web-01",
                "rule": "Read sensitive file untrusted",
                "priority": "Warning",
                "time": "2026-11-03T08:00:00.123456789Z",
                "source": "syscall",
                "output": "Sensitive file opened for reading (file=/etc/shadow)",
                "output_fields": {
                    "evt.time": 1_793_692_800_123_456_789,
                    "fd.name": "/etc/shadow",
                    "proc.cmdline": "less /etc/shadow",
                    "user.name": "www-data",
                },
                "tags": ["filesystem", "T1555"],
            },
        },
        "application/x-ndjson": {"schema": {"type": "string"}},
    },
)

WAZUH = _told(
    "Store alerts of Wazuh",
    {
        "application/json": {
            "schema": _OBJECT_OR_LIST,
            "example": {
                "timestamp": "2026-11-03T08:00:00.123+0000",
                "id": "1793692800.104932",
                "rule": {
                    "id": "5710",
                    "level": 5,
                    "description": "sshd: Attempt to login using a non-existent user",
                    "groups": ["syslog", "sshd", "authentication_failed"],
                },
                "agent": {"id": "003", "name": "web-01", "ip": "10.20.0.11"},
                "manager": {"name": "wazuh-01"},
                "data": {"srcip": "203.0.113.7", "srcuser": "admin"},
                "location": "/var/log/auth.log",
            },
        },
        "application/x-ndjson": {"schema": {"type": "string"}},
    },
)

_BILL = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"component": {"type": "container", "name": "shop:2026-11-03"}},
    "components": [
        {"type": "operating-system", "name": "debian", "version": "12.8"},
        {
            "type": "library",
            "name": "libssl3",
            "version": "3.0.15-1~deb12u1",
            "purl": "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12.8",
            "properties": [
                {"name": "aquasecurity:trivy:SrcName", "value": "openssl"},
                {"name": "aquasecurity:trivy:SrcVersion", "value": "3.0.15-1~deb12u1"},
            ],
        },
    ],
}


def _parameter(name: str, description: str, *, maximum: int) -> Told:
    schema = {"type": "string", "maxLength": maximum}
    return {"name": name, "in": "query", "description": description, "schema": schema}


SBOM = _told(
    "Store a CycloneDX bill of materials of a host",
    {
        "application/json": {"schema": _OBJECT, "example": _BILL},
        "application/vnd.cyclonedx+json": {"schema": _OBJECT},
    },
    parameters=[
        _parameter("host", "Whose bill it is; without it the key's default host.", maximum=253),
        _parameter(
            "subject",
            "What it is a bill of: an image, an application. The next bill of the same subject"
            " replaces it; without it the name of the bill's own component.",
            maximum=200,
        ),
    ],
)

SIGNALS = _told(
    "Store signals of the Trust Score",
    {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["signals"],
                "properties": {
                    "signals": {"type": "array", "items": SignalItem.model_json_schema()}
                },
                "description": f"Sources: {', '.join(sorted(COMPONENT_BY_SOURCE))}.",
            },
            "example": {
                "signals": [
                    {
                        "source": "backup_check",
                        "subject": "db-01",
                        "key": "restore_test",
                        "severity": "high",
                        "observed_at": "2026-11-03T08:00:00Z",
                        "title": "Restore was not tried for 90 days",
                    }
                ]
            },
        }
    },
)
