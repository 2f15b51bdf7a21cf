"""How long `monsys demo` takes until it serves: the first time, and every time after it.

`uv run python -m tests.bench.start`; the last line is one JSON object, in seconds.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

LATER_STARTS = 3
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 300


def start_seconds(folder: Path) -> float:
    """Start the demo on this folder, stop it once it serves, and return how long that took."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "hub.cli", "demo", "--port", "0"]
    command += ["--data-dir", str(folder / "data"), "--ready-file", str(ready)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not ready.exists():
            if process.poll() is not None or time.monotonic() - began > _PATIENCE_SECONDS:
                process.kill()
                raise RuntimeError("The demo did not start; run `uv run monsys demo` to see why.")
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    return seconds


def main() -> None:
    """Measure in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = start_seconds(folder)
        later = [start_seconds(folder) for _ in range(LATER_STARTS)]
    figures = {"first_s": round(first, 2), "later_s": round(median(later), 2)}
    sys.stdout.write(f"first start {first:.1f} s, later starts {later} s\n{json.dumps(figures)}\n")


if __name__ == "__main__":
    main()
