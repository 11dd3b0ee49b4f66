"""What the demonstration shows, the same with and without colours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

from bento_observe import semconv
from bento_observe.demo._comparison import Line
from bento_observe.demo._drift import DriftLine, Side

__all__ = ["Screen", "Step"]

_LABEL_WIDTH = 10


class Step:
    """One step of the set-up; `result` is what stands behind its name once it is done."""

    def __init__(self, label: str, status: Status, console: Console) -> None:
        self._label = label
        self._status = status
        self._console = console
        self.result = ""

    def now(self, words: str) -> None:
        """What is being done at the moment; seen on a terminal only, and only as long as the step takes."""
        self._status.update(Text(f"{self._label:<{_LABEL_WIDTH}}{words}"))

    def note(self, words: str) -> None:
        """A line that stays."""
        self._console.print(Text(f"  {'':<{_LABEL_WIDTH}}{words}", style="dim"), soft_wrap=True)


class Screen:
    """Prints to `console`, by default the standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def title(self, words: str) -> None:
        """What this is."""
        self.console.print(Text(words, style="bold"))
        self.console.print()

    @contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """A step: a spinner while it runs, one line with its result and how long it took afterwards."""
        began = time.monotonic()
        with self.console.status(Text(f"{label:<{_LABEL_WIDTH}}")) as status:
            step = Step(label, status, self.console)
            yield step
        took = f"{time.monotonic() - began:.1f} s"
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(width=_LABEL_WIDTH - 2, style="bold")
        grid.add_column(ratio=1, overflow="fold")
        grid.add_column(justify="right", style="dim")
        grid.add_row(label, step.result, took)
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    def comparison(self, lines: Sequence[Line]) -> None:
        """The table: what was expected, what has arrived, whether it is the same."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("signal", style="dim")
        table.add_column("")
        table.add_column("expected", justify="right")
        table.add_column("arrived", justify="right")
        table.add_column("")
        signal = ""
        for line in lines:
            mark = Text("equal", "green") if line.equal else Text("DIFFERS", "bold red")
            table.add_row("" if line.signal == signal else line.signal, line.title, line.expected, line.arrived, mark)
            signal = line.signal
        self._section("Sent, and what of it has arrived")
        self.console.print()
        self.console.print(Padding(table, (0, 0, 0, 2)))
        for line in lines:
            for difference in line.differences:
                self.console.print(Text(f"  {line.title}: {difference}", style="red"), soft_wrap=True)

    def picture(self, title: str, picture: RenderableType) -> None:
        """A picture under its title."""
        self._section(title)
        self.console.print()
        self.console.print(Padding(picture, (0, 0, 0, 2)))

    def drift(self, lines: Sequence[DriftLine]) -> None:
        """The features' distance from the training data, before and after."""
        self._section("How far all of them are from the training data")
        self.console.print()
        if not lines:
            self.console.print(
                Text("  Nothing to compare with has arrived: the service has no reference.", style="red")
            )
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("feature")
        for when in ("before", "after"):
            table.add_column(when, justify="right")
            table.add_column("PSI, critical")
        for line in lines:
            name = line.feature if line.signal == semconv.SIGNAL_INPUT else f"{line.signal}: {line.feature}"
            sides = (cell for side in (line.before, line.after) for cell in (f"{side.n:,}", _distance(side)))
            table.add_row(name, *sides)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        trained = max(line.trained for line in lines)
        words = (
            "PSI, the population stability index, is 0 where both distributions are equal. Above its critical value it "
            f"is drift; that value is high here, because {trained} wines to compare with are few."
        )
        self.console.print()
        self.console.print(Padding(Text(words, style="dim"), (0, 0, 0, 2)))

    def places(self, title: str, places: Sequence[tuple[str, str]]) -> None:
        """Where to look further."""
        self._section(title)
        self.console.print()
        width = max(len(label) for label, _ in places) + 2
        for label, place in places:
            self.console.print(Text.assemble("  ", (f"{label:<{width}}", "bold"), place), soft_wrap=True)
        self.console.print()

    def verdict(self, lines: Sequence[Line]) -> None:
        """The last word: whether every count is equal."""
        wrong = sum(not line.equal for line in lines)
        self.console.print()
        if wrong:
            self.console.print(Text(f"{wrong} of {len(lines)} counts differ.", style="bold red"))
        else:
            self.console.print(
                Text(f"All {len(lines)} counts are equal: nothing lost, nothing twice.", style="bold green")
            )

    def _section(self, title: str) -> None:
        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), align="left", style="dim"))


def _distance(side: Side) -> Text:
    if not side.enough:
        return Text("not enough data", "dim")
    if side.drifted:
        return Text(f"{side.psi:.2f} > {side.critical:.2f}  drift", "bold yellow")
    return Text(f"{side.psi:.2f} ≤ {side.critical:.2f}")
