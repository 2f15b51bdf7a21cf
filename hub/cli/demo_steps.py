"""Progress of the demo's start: what is being done, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class Steps:
    """Prints each step when it is done; on a terminal it also shows what is going on."""

    console: Console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time one step."""
        started = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(f"{title} …"):
                yield
        else:
            yield
        seconds = time.monotonic() - started
        self.console.print(f"[green]✓[/] {title} [dim]{seconds:.1f} s[/]")
