"""Every table of the hub, gathered for alembic."""

import importlib

from sqlalchemy import MetaData
from sqlmodel import SQLModel

# By name: `oauth` stands above `hub` in the import order, and only the database joins the two.
_MODULES = (
    "hub.alerts.models",
    "hub.alerts.rule_models",
    "hub.alerts.webhooks.models",
    "hub.audit.models",
    "hub.detections.intake_models",
    "hub.detections.models",
    "hub.fleet.fact_models",
    "hub.fleet.metric_models",
    "hub.fleet.models",
    "hub.ingest.foreign.models",
    "hub.ingest.keys.models",
    "hub.jobs.models",
    "hub.overview.models",
    "hub.sla.models",
    "hub.tenancy.models",
    "hub.trust.models",
    "hub.vulnerabilities.bill_models",
    "hub.vulnerabilities.matching_models",
    "hub.vulnerabilities.models",
    "oauth.models",
)
for _module in _MODULES:
    importlib.import_module(_module)

metadata: MetaData = SQLModel.metadata
