"""What the parsers let through is stored or refused as well: no payload ends in a fault."""

from typing import Any

import pytest

from hub.ingest.keys.models import IngestSource
from tests.fuzz.budget import fuzz
from tests.fuzz.json_payloads import mutated
from tests.fuzz.test_cyclonedx import GOOD as BILL
from tests.fuzz.test_falco import GOOD as FALCO
from tests.fuzz.test_otlp import GOOD as EXPORT
from tests.fuzz.test_wazuh import GOOD as WAZUH
from tests.hub.ingest.conftest import Send
from tests.hub.ingest.test_alertmanager import alert, group
from tests.hub.ingest.test_others import signal

PAYLOADS: dict[IngestSource, Any] = {
    IngestSource.ALERTMANAGER: group(alert(), alert(status="resolved", fingerprint="b")),
    IngestSource.CYCLONEDX: BILL,
    IngestSource.FALCO: [FALCO, FALCO | {"rule": "Terminal shell in container"}],
    IngestSource.OTLP: EXPORT,
    IngestSource.SIGNALS: {"signals": [signal(), signal(key="other")]},
    IngestSource.WAZUH: [WAZUH, WAZUH | {"rule": {"id": "1", "level": 3}}],
}
EXAMPLES = 40


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(PAYLOADS))
async def test_each_payload_is_stored_or_refused(source: IngestSource, send: Send) -> None:
    payloads: list[Any] = []
    fuzz(mutated(PAYLOADS[source]), payloads.append)
    for payload in payloads[:EXAMPLES]:
        response = await send(source, payload, params={"host": "web-01"})
        if source is IngestSource.OTLP:
            assert response.status_code in {200, 400}, payload
        elif response.status_code != 202:
            assert response.status_code == 422, payload
            assert response.json()["error"]["field"]
