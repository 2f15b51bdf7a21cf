"""What the OAuth endpoints share; `app.state.oauth`."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from hub.database import Database
from hub.secret_box import SecretBox
from hub.settings import Settings
from oauth.throttle import Throttle


@dataclass(frozen=True, slots=True)
class OAuth:
    """Settings, storage, keys and limits; one for the process's life."""

    settings: Settings
    database: Database
    secret_box: SecretBox
    throttle: Throttle


def build_oauth(settings: Settings, database: Database) -> OAuth:
    """Return the service for `app.state.oauth`."""
    return OAuth(settings, database, SecretBox.load(settings), Throttle(settings))


def _oauth_of(request: Request) -> OAuth:
    return cast("OAuth", request.app.state.oauth)


type OAuthDep = Annotated[OAuth, Depends(_oauth_of)]


def request_id_of(request: Request) -> str | None:
    """Return the id that the response carries too, so that an operator can find the event."""
    return getattr(request.state, "request_id", None)
