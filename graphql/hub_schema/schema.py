"""The schema, put together from its concepts."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from hub_schema.alert_mutes import AlertMuteMutation, AlertMuteQuery
from hub_schema.alert_rules import AlertRuleMutation, AlertRuleQuery
from hub_schema.alerts import AlertQuery
from hub_schema.audit import AuditQuery
from hub_schema.detection_rules import DetectionRuleMutation, DetectionRuleQuery
from hub_schema.detection_triage import DetectionMutation
from hub_schema.detections import DetectionQuery
from hub_schema.enrolment import EnrolmentMutation, EnrolmentQuery
from hub_schema.enums import HouseNames
from hub_schema.fleet import FleetQuery
from hub_schema.ingest_keys import IngestKeyMutation, IngestKeyQuery
from hub_schema.live import Subscription
from hub_schema.metric_history import MetricHistoryQuery
from hub_schema.overview import OverviewQuery
from hub_schema.sla import SlaQuery
from hub_schema.sla_management import SlaMutation
from hub_schema.trust import TrustQuery
from hub_schema.trust_weights import TrustMutation
from hub_schema.undecided import UndecidedQuery
from hub_schema.viewer import ViewerQuery
from hub_schema.vulnerabilities import VulnerabilityQuery
from hub_schema.vulnerability_acceptance import VulnerabilityMutation
from hub_schema.webhooks import WebhookMutation, WebhookQuery

Query = merge_types(
    "Query",
    (
        AlertMuteQuery,
        AlertQuery,
        AlertRuleQuery,
        AuditQuery,
        DetectionQuery,
        DetectionRuleQuery,
        EnrolmentQuery,
        FleetQuery,
        IngestKeyQuery,
        MetricHistoryQuery,
        OverviewQuery,
        SlaQuery,
        TrustQuery,
        UndecidedQuery,
        ViewerQuery,
        VulnerabilityQuery,
        WebhookQuery,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        AlertMuteMutation,
        AlertRuleMutation,
        WebhookMutation,
        DetectionMutation,
        DetectionRuleMutation,
        EnrolmentMutation,
        IngestKeyMutation,
        VulnerabilityMutation,
        SlaMutation,
        TrustMutation,
    ),
)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(name_converter=HouseNames()),
)
