"""avel: audio-visual event localization, from features to comparable results, and from videos to events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avel.tasks.localization import localize

__version__ = "0.1.0"
__all__ = ["localize"]


def __getattr__(name: str) -> Any:
    """Import `localize` when somebody asks for it: what it needs takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from avel.tasks.localization import localize

    return localize
