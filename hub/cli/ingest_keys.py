"""`monsys ingest`: keys with which other tools deliver, and whether unknown hosts become known."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.failures import CommandError
from hub.cli.output import table
from hub.cli.tenants import the_tenant
from hub.clock import utc_now
from hub.database import Database
from hub.errors import HubError
from hub.ingest.keys.commands import (
    IssuedKey,
    accept_unknown_hosts,
    create_ingest_key,
    revoke_ingest_key,
)
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import KeyRow, ingest_keys
from hub.principal import PERMISSIONS_BY_ROLE, Principal, PrincipalKind, Role
from hub.tenancy.commands import SYSTEM_ACTOR
