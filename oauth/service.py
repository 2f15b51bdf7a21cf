"""What the OAuth endpoints share; `app.state.oauth`."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import Database
from hub.mail import Mail, build_mail
from hub.secret_box import SecretBox
from hub.settings import Settings
from oauth.client_documents.directory import ClientDirectory
from oauth.client_documents.fetcher import DocumentFetcher, HttpsFetcher
from oauth.refusals import RefusalLog
from oauth.server import HubAuthorizationServer
from oauth.sign_in_pace import SignInPace
from oauth.throttle import Throttle


@dataclass(frozen=True, slots=True)
class OAuth:
    """Settings, storage, keys, limits and the web's clients; one for the process's life."""

    settings: Settings
    database: Database
    secret_box: SecretBox
    throttle: Throttle
    clients: ClientDirectory
    refusals: RefusalLog
    mail: Mail
    pace: SignInPace

    def server(self, session: AsyncSession, *, request_id: str | None) -> HubAuthorizationServer:
        """Return the authorization server of one request's transaction."""
        return HubAuthorizationServer(
            session, self.settings, secret_box=self.secret_box, request_id=request_id
        )


def build_oauth(
    settings: Settings, database: Database, *, fetcher: DocumentFetcher | None = None
) -> OAuth:
    """Return the service for `app.state.oauth`. Tests bring a fetcher of their own network."""
    throttle = Throttle(settings)
    return OAuth(
        settings=settings,
        database=database,
        secret_box=SecretBox.load(settings),
        throttle=throttle,
        clients=ClientDirectory(database, fetcher or HttpsFetcher(), throttle),
        refusals=RefusalLog(database),
        mail=build_mail(settings),
        pace=SignInPace(settings, database),
    )


def _oauth_of(request: Request) -> OAuth:
    return cast("OAuth", request.app.state.oauth)


type OAuthDep = Annotated[OAuth, Depends(_oauth_of)]


def request_id_of(request: Request) -> str | None:
    """Return the id that the response carries too, so that an operator can find the event."""
    return getattr(request.state, "request_id", None)
