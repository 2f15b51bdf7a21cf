"""What each tool needs to deliver, ready to be copied: addresses and the new key are filled in.

`hub/ingest/foreign/README.md` explains each of them. A test sends with what stands here.
"""

from dataclasses import dataclass

from hub.ingest.keys.models import IngestSource

SOURCE_NAMES = {
    IngestSource.OTLP: "OpenTelemetry: metrics of hosts",
    IngestSource.ALERTMANAGER: "Alertmanager: alerts",
    IngestSource.FALCO: "Falco and falcosidekick: events",
    IngestSource.WAZUH: "Wazuh: alerts",
    IngestSource.CYCLONEDX: "CycloneDX: bills of materials, of Trivy and others",
    IngestSource.SIGNALS: "Signals of the Trust Score",
    IngestSource.SERVICE_LEVELS: "Good and total counts of service levels",
}
_HINTS = {
    IngestSource.OTLP: "For a program with an OpenTelemetry SDK, as environment variables. In a"
    " Collector, the exporter otlphttp takes the same address as its metrics_endpoint and the"
    " header Authorization.",
    IngestSource.ALERTMANAGER: "A receiver for alertmanager.yml. Name it in a route as well.",
    IngestSource.FALCO: "For config.yaml of falcosidekick. Falco itself cannot set headers, so it"
    " delivers through falcosidekick.",
    IngestSource.WAZUH: "The first part is for ossec.conf. The second is the script that Wazuh"
    " calls: /var/ossec/integrations/custom-monsys, of root and the group wazuh, mode 750.",
    IngestSource.CYCLONEDX: "Run it on each host, once a day for example. The name of the host is"
    " the one it has here.",
    IngestSource.SIGNALS: "An example to begin with: one signal, sent from a shell.",
    IngestSource.SERVICE_LEVELS: "An example to begin with: five minutes of one target, sent from a"
    " shell. The target is one that exists here and has the indicator “custom”.",
}
_TEXTS = {
    IngestSource.OTLP: """\
OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf
OTEL_EXPORTER_OTLP_METRICS_ENDPOINT={origin}/v1/metrics
OTEL_EXPORTER_OTLP_METRICS_HEADERS=Authorization=Bearer%20{key}
OTEL_RESOURCE_ATTRIBUTES=host.name=web-01""",
    IngestSource.ALERTMANAGER: """\
receivers:
  - name: monsys
    webhook_configs:
      - url: {origin}/api/v1/alertmanager
        send_resolved: true
        http_config:
          authorization:
            credentials: {key}""",
    IngestSource.FALCO: """\
webhook:
  address: {origin}/api/v1/falco
  customHeaders:
    Authorization: Bearer {key}""",
    IngestSource.WAZUH: """\
<integration>
  <name>custom-monsys</name>
  <hook_url>{origin}/api/v1/wazuh</hook_url>
  <api_key>{key}</api_key>
  <level>3</level>
  <alert_format>json</alert_format>
</integration>

#!/bin/sh
# $1: file of the alert, $2: api_key, $3: hook_url
printf 'header = "Authorization: Bearer %s"\\n' "$2" |
  curl --config - --fail --silent --show-error --retry 5 --max-time 30 \\
    --header 'Content-Type: application/json' --data-binary "@$1" "$3"\
""",
    # The key goes through a file: arguments of a command can be read by everybody on the machine.
    IngestSource.CYCLONEDX: """\
umask 077; echo 'Authorization: Bearer {key}' > monsys.key
trivy rootfs --format cyclonedx / |
  curl --fail --header @monsys.key --header 'Content-Type: application/json' \\
    --data-binary @- "{origin}/api/v1/sbom?host=$(hostname)\"""",
    IngestSource.SIGNALS: """\
umask 077; echo 'Authorization: Bearer {key}' > monsys.key
curl --fail --header @monsys.key --header 'Content-Type: application/json' \\
  --data-binary @- {origin}/api/v1/signals <<END
{{"signals": [{{"source": "backup_check", "subject": "db-01", "key": "restore_test",
  "severity": "high", "title": "Restore was not tried for 90 days",
  "observed_at": "$(date --utc +%FT%TZ)"}}]}}
END""",
    IngestSource.SERVICE_LEVELS: """\
umask 077; echo 'Authorization: Bearer {key}' > monsys.key
curl --fail --header @monsys.key --header 'Content-Type: application/json' \\
  --data-binary @- {origin}/api/v1/service-levels <<END
{{"target": "checkout", "counts": [{{"at": "$(date --utc +%FT%H:00:00Z)",
  "good": 99, "total": 100}}]}}
END""",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """What to tell a tool, file by file, and where it belongs."""

    hint: str
    parts: list[str]


def setup_of(source: IngestSource, *, origin: str, key: str) -> Setup:
    """Return what the tool behind this source needs."""
    parts = _TEXTS[source].split("\n\n")
    return Setup(_HINTS[source], [part.format(origin=origin, key=key) for part in parts])
