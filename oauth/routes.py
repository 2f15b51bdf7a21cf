"""The authorization server, ready to be mounted: `app.include_router(oauth_routes())`.

It needs `app.state.settings`, `app.state.database` and `app.state.oauth = build_oauth(…)`.
"""

from fastapi import APIRouter, Depends

from oauth import api_routes, authorize_routes, sign_in_routes
from oauth.account.routes import account_routes
from oauth.door import no_frame, own_host
from oauth.language import choose_language
from oauth.service import OAuth, build_oauth

__all__ = ["OAuth", "build_oauth", "oauth_routes"]


def oauth_routes() -> APIRouter:
    """Return every endpoint: those of the API's origin and the pages of the app's."""
    router = APIRouter(dependencies=[Depends(own_host)])
    router.include_router(api_routes.router)
    pages = [Depends(choose_language), Depends(no_frame)]
    router.include_router(sign_in_routes.router, dependencies=pages)
    router.include_router(authorize_routes.router, dependencies=pages)
    router.include_router(account_routes(), dependencies=pages)
    return router
