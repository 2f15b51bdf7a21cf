"""The audit trail: hash-chained events and the connector's call log."""
