"""Ctrl-C ends a command with a word in the place of a traceback."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING

from avel.training.ranks import rank

if TYPE_CHECKING:
    from lightning import Trainer

EXIT_CODE = 130
"""Of what SIGINT has ended, as shells count."""


def interruptible(main: Callable[[], None]) -> Callable[[], None]:
    """Make `main` one that Ctrl-C ends quietly, with exit code 130."""

    @wraps(main)
    def command() -> None:
        try:
            main()
        except KeyboardInterrupt:
            if rank() == 0:
                print("interrupted", file=sys.stderr)
            sys.exit(EXIT_CODE)
        finally:
            # the last to be registered is the first to be called: before libraries clean up what they hold,
            # which takes a moment, and would be full of tracebacks if Ctrl-C met it
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)

    return command


@contextmanager
def answering_ctrl_c(trainer: Trainer) -> Iterator[None]:
    """Let what a trainer does end by Ctrl-C as all else does: Lightning has an exit code of its own."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
