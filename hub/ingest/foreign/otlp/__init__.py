"""OTLP/HTTP: metrics of hosts as OpenTelemetry's collectors and SDKs export them."""
