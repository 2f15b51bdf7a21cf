"""What the commands that bring advisories in share: a progress bar, and a table of what came."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from hub.cli.output import answers, progress
from hub.vulnerabilities.feeds.synchronise import Synchronised

_REFUSALS_SHOWN = 20


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show how far each step is, on standard error."""
    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=progress, transient=True, disable=not progress.is_interactive)

    def report(step: str, done: int, total: int | None) -> None:
        # Not before there is something to show: a source that is not there leaves no blank line.
        bar.start()
        if step not in tasks:
            tasks[step] = bar.add_task(step, total=total)
        bar.update(tasks[step], completed=done, total=total)

    try:
        yield report
    finally:
        bar.stop()


def show(results: Sequence[Synchronised]) -> None:
    """Print what came in, by ecosystem, and what was refused with its reason."""
    table = Table("feed", "ecosystem", "decided", "undecided")
    for result in results:
        for ecosystem in sorted(result.decided.keys() | result.undecided.keys()):
            decided, undecided = result.decided[ecosystem], result.undecided[ecosystem]
            table.add_row(result.feed, ecosystem, f"{decided:,}", f"{undecided:,}")
    if table.row_count:
        answers.print(table)
    for result in results:
        answers.print(_sentence(result), markup=False)
        for refused in result.refused[:_REFUSALS_SHOWN]:
            answers.print(f"  refused: {refused}", markup=False)


def _sentence(result: Synchronised) -> str:
    if result.is_unchanged:
        return f"{result.feed}: unchanged since the last time."
    return (
        f"{result.feed}: {result.files:,} files, {result.stored:,} groups changed,"
        f" {len(result.refused):,} refused, {result.unwanted:,} of other ecosystems;"
        f" {result.findings_changed:,} findings changed."
    )
