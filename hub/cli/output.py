"""Where commands write: answers to standard output, progress to standard error."""

from rich.console import Console

answers = Console(highlight=False, soft_wrap=True)
progress = Console(stderr=True, highlight=False)
