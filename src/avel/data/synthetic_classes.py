"""The classes of rendered clips: who looks like what and sounds like what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from avel.data.synthetic_looks import COLOURS, MOTIONS, SHAPES, Look
from avel.data.synthetic_voices import VOICES, Voice


@dataclass(frozen=True, slots=True)
class RenderedClass:
    """How a class shows.

    Attributes:
        name: its name, such as "red disc ringing".
        look: what is seen.
        voice: what is heard.
    """

    name: str
    look: Look
    voice: Voice


def _classes() -> Iterator[RenderedClass]:
    """Combine looks and voices so that the first eight share nothing, and no two share more than a part."""
    colours, shapes, motions, voices = list(COLOURS), list(SHAPES), list(MOTIONS), list(VOICES)
    for group, pitch in enumerate((1.0, 1.5, 0.67, 1.23)):
        for k in range(8):
            colour, shape, voice = colours[(k + 3 * group) % 8], shapes[k], voices[(k + group) % 8]
            look = Look(shape, COLOURS[colour], motions[(k + 2 * group) % len(motions)])
            yield RenderedClass(f"{colour} {shape} {voice}", look, Voice(voice, pitch))


CLASSES = tuple(_classes())
"""All that there are."""
