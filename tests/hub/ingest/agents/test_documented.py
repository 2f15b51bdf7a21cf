"""What OpenAPI tells of the agents' endpoints."""

from fastapi import FastAPI

from hub.fleet.signatures import (
    KEY_HEADER,
    SEQUENCE_HEADER,
    TIMESTAMP_HEADER,
)
from hub.ingest.routes import ingest_routes


def test_openapi_documents_every_answer() -> None:
    app = FastAPI()
    app.include_router(ingest_routes())
    paths = app.openapi()["paths"]
    documented = {
        path: sorted(operations["post"]["responses"]) for path, operations in paths.items()
    }
    signed = ["401", "403", "409", "413", "422", "429", "503"]
    assert documented["/api/v1/ingest"] == ["202", *signed]
    assert documented["/api/v1/heartbeat"] == ["200", *signed]
    assert documented["/api/v1/service-levels"] == sorted(["202", "404", *signed])
    ingest = paths["/api/v1/ingest"]["post"]
    assert {parameter["name"] for parameter in ingest["parameters"]} == {
        KEY_HEADER,
        SEQUENCE_HEADER,
        TIMESTAMP_HEADER,
    }
    assert ingest["security"] == [{"AgentSignature": []}]
    assert ingest["requestBody"]["required"] is True
