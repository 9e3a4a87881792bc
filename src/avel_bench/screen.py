"""What is seen of a benchmark while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.status import Status


@dataclass(frozen=True, slots=True)
class Screen:
    """A console with a line that changes.

    Attributes:
        console: where tables go.
        line: says what is being measured.
    """

    console: Console
    line: Status

    def doing(self, what: str) -> None:
        """Say what is being measured."""
        self.line.update(escape(what))

    def show(self, shown: RenderableType) -> None:
        """Leave something on the console."""
        self.console.print(shown)


@contextmanager
def open_screen(console: Console) -> Iterator[Screen]:
    """Show the line as long as the block runs."""
    with console.status("") as line:
        yield Screen(console, line)
