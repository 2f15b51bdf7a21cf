"""Every page of accounts, ready to be included."""

from fastapi import APIRouter

from oauth.account import (
    alert_routes,
    app_routes,
    connector_routes,
    host_routes,
    ingest_routes,
    invitation_routes,
    member_routes,
    password_routes,
    security_routes,
    sign_up_routes,
    tenant_routes,
    totp_routes,
    webhook_routes,
)


def account_routes() -> APIRouter:
    """Return the pages from sign-up to alert rules."""
    router = APIRouter()
    for module in (
        sign_up_routes,
        password_routes,
        invitation_routes,
        security_routes,
        totp_routes,
        tenant_routes,
        member_routes,
        connector_routes,
        app_routes,
        host_routes,
        ingest_routes,
        webhook_routes,
        alert_routes,
    ):
        router.include_router(module.router)
    return router
