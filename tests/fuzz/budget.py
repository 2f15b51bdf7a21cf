"""How long each parser is fuzzed: a moment by default, as many seconds as CI asks for."""

import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS = float(os.environ.get("MONSYS_FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("MONSYS_FUZZ_SEED", "0"))
_EXAMPLES = 60
_EXAMPLES_A_ROUND = 500


def fuzz[Payload](strategy: SearchStrategy[Payload], check: Callable[[Payload], None]) -> None:
    """Run the check on payloads until the time is over; a few are tried in any case."""
    started, rounds = time.monotonic(), 0
    while rounds == 0 or time.monotonic() - started < SECONDS:
        _round(strategy, check, number=rounds)
        rounds += 1


def _round[Payload](
    strategy: SearchStrategy[Payload], check: Callable[[Payload], None], *, number: int
) -> None:
    @settings(
        max_examples=_EXAMPLES_A_ROUND if SECONDS else _EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    @given(strategy)
    def run(payload: Payload) -> None:
        check(payload)

    # Another seed each round, so that a minute is not the same second sixty times; the same ones in
    # every run, so that what is red stays red. MONSYS_FUZZ_SEED looks elsewhere.
    seed(SEED + number)(run)()
