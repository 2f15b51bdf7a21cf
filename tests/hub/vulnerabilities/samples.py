"""Real records that lie beside the project, where they do; tests need none of them."""

from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the project")
