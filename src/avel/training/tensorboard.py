"""TensorBoard as a dashboard: numbers as Lightning logs them, and pictures, tables and the configuration beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL.Image import Image

from avel.exchange.text import shown
from avel.training.dashboards import Dashboard, Moment

MARKUP = re.compile(r"[^\w .,:%()@/+=-]|_")
"""What Markdown or HTML might take for more than itself."""

CHARTS = {"mAP per tIoU": {split: ["Multiline", [rf"{split}/(.+/)?map@.*"]] for split in ("val", "test")}}
"""Charts of the page "custom scalars": the tags in each are regular expressions."""


class TensorBoard(TensorBoardLogger, Dashboard):
    """Lightning's logger, which also shows what is no number. The run folder has the files: it keeps none.

    The page "text" has the configuration and the tables, "images" the pictures, "custom scalars" the mAP of all
    thresholds in one chart over the steps.
    """

    @rank_zero_only
    def describe(self, config: Mapping[str, Any]) -> None:
        """Show the configuration, and lay out the charts."""
        text = json.dumps(config, indent=2, default=str)
        self.experiment.add_text("config", "\n".join(f"    {line}" for line in text.splitlines()))
        self.experiment.add_custom_scalars(CHARTS)

    @rank_zero_only
    def show_picture(self, name: str, image: Image, moment: Moment) -> None:
        """Show it at its step."""
        self.experiment.add_image(name, np.asarray(image), moment.step, dataformats="HWC")

    @rank_zero_only
    def show_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], moment: Moment) -> None:
        """Show it as text."""
        self.experiment.add_text(name, markdown_table(columns, rows), moment.step)

    def show_curve(
        self, name: str, columns: tuple[str, str], points: Sequence[tuple[float, float]], moment: Moment
    ) -> None:
        """Show it as text; as scalars over the steps, its points are in `CHARTS`."""
        self.show_table(name, columns, points, moment)

    def keep(self, folder: Path, paths: Iterable[Path], model: Path | None) -> None:
        """Do nothing: the events lie in the run folder, beside the files."""

    @property
    def run_id(self) -> str:
        """TensorBoard has folders only."""
        return ""

    def resume(self, run_id: str) -> None:
        """Do nothing: a run that goes on in its folder is shown as one."""

    def close(self, *, failed: bool = False) -> str:
        """Do nothing: Lightning closes the file."""
        return ""


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table in Markdown; texts literally, numbers with four digits behind the point, None as nothing."""
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", shown(str(value)))
