"""Whether the hub lives, and whether it can answer."""

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy import text

from hub.database import Database

_log = structlog.get_logger(__name__)

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """What a probe reads."""

    status: Literal["ok", "unavailable"]


def database_of(request: Request) -> Database:
    """Return the application's database."""
    database: Database = request.app.state.database
    return database


@router.get("/live", summary="The process runs and answers")
async def live() -> Health:
    """Answer without asking anything else: a restart helps when this does not."""
    return Health(status="ok")


@router.get(
    "/ready",
    summary="The hub can answer: its database does",
    responses={503: {"model": Health, "description": "The database does not answer."}},
)
async def ready(response: Response, database: Annotated[Database, Depends(database_of)]) -> Health:
    """Ask the database; turns red while it is away and green again without a restart."""
    try:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        _log.warning("not_ready", error=type(error).__name__)
        response.status_code = 503
        return Health(status="unavailable")
    return Health(status="ok")
