"""Packed bodies are unpacked within bounds, or refused."""

import gzip
import zlib

import pytest
from hypothesis import strategies as st

from hub.errors import InvalidInput
from hub.ingest.foreign import bodies as bounds
from hub.ingest.foreign.bodies import TooLarge, unpack
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import check_refusal


def test_each_packed_body_is_unpacked_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_UNPACKED_BYTES", 1_000)

    def check(body: bytes) -> None:
        try:
            unpacked = unpack(body)
        except (InvalidInput, TooLarge) as refusal:
            check_refusal(refusal)
            return
        assert len(unpacked) <= 1_000

    plain = st.binary(max_size=300) | st.integers(0, 5_000).map(lambda size: b"\0" * size)
    packed = plain.map(gzip.compress) | plain.map(zlib.compress)
    torn = st.tuples(packed, st.integers(0, 60)).map(lambda told: told[0][: told[1]])
    fuzz(packed | torn | st.binary(max_size=200), check)
