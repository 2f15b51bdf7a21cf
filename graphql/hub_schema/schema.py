"""The schema, put together from its concepts."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from hub_schema.alerts import AlertQuery
from hub_schema.enums import HouseNames

Query = merge_types("Query", (AlertQuery,))

schema = strawberry.Schema(query=Query, config=StrawberryConfig(name_converter=HouseNames()))
