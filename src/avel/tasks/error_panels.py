"""What dashboards show of a test beside its scores: precision over recall, mistakes by kind, and missed events."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avel.events import EventTable
from avel.metrics.errors import ErrorProfile
from avel.metrics.precision_recall import precision_recall
from avel.report.charts import Bar, draw_bars, draw_curves
from avel.report.raster import rasterize
from avel.tasks.evaluation import DenseData
from avel.tasks.flat_tables import numbers, predictions_of
from avel.tasks.report_dense import DenseRun, Ground, ground_of
from avel.training.dashboards import Dashboard, Moment


def show_errors(
    boards: Sequence[Dashboard], prefix: str, data: DenseData, split: str, table: EventTable, moment: Moment
) -> None:
    """Show where a method fails, of a split with events.

    - "<prefix>/precision_recall": a picture, the mean over classes, for the usual tIoU and the ends of the grid;
    - "<prefix>/false_positives" and "<prefix>/missed_events": tables; "…_chart": the same as pictures.

    The numbers are those of the run's report (`avel.tasks.report_dense`).

    Args:
        boards: show it.
        prefix: beginning of the names.
        data: has the annotations.
        split: what was judged.
        table: what was found in it.
        moment: when it was found.
    """
    number = numbers(table.videos)
    if not number:
        return
    ground = ground_of(data, number, split)
    if not len(ground.events.labels):
        return
    run = DenseRun(table, predictions_of(table, number, numbers(data.class_names)), ground)
    shown, profile = thresholds_of(ground), run.profile()
    curves = precision_recall(run.found, ground.events, num_classes=ground.num_classes, tiou_thresholds=shown)
    for board in boards:
        show_curves(board, prefix, curves, shown, moment)
        show_profile(board, prefix, profile, moment)


def thresholds_of(ground: Ground) -> Tensor:
    """Return the tIoU thresholds of which curves are shown, ascending: the usual one and the ends of the grid."""
    return torch.stack([ground.grid.min(), ground.grid.new_tensor(ground.usual), ground.grid.max()]).unique()


def show_curves(board: Dashboard, prefix: str, precision: Tensor, thresholds: Tensor, moment: Moment) -> None:
    """Show the mean over classes of precision (C, T, P) at T thresholds, over P recalls from 0 to 1."""
    recall = torch.linspace(0, 1, precision.shape[2]).tolist()
    curves = {
        f"tIoU {threshold:.2f}": list(zip(recall, mean.tolist(), strict=True))
        for threshold, mean in zip(thresholds.tolist(), precision.nanmean(dim=0), strict=True)
    }
    picture = draw_curves("Precision over recall, mean over classes", ("recall", "precision"), curves)
    board.show_picture(f"{prefix}/precision_recall", rasterize(picture), moment)


def show_profile(board: Dashboard, prefix: str, profile: ErrorProfile, moment: Moment) -> None:
    """Show the false positives by kind and the missed events by what they are like, as tables and pictures."""
    mistakes = [[*row] for rows in mistakes_of(profile).values() for row in rows]
    board.show_table(f"{prefix}/false_positives", ["kind", "count", "share", "mAP it costs"], mistakes, moment)
    board.show_picture(f"{prefix}/false_positives_chart", rasterize(false_positives_chart(profile)), moment)

    rows = [[c.name, b.label, b.events, b.missed, b.map] for c in profile.characteristics for b in c.bins]
    columns = ["characteristic", "range", "events", "missed", "normalized mAP"]
    board.show_table(f"{prefix}/missed_events", columns, rows, moment)
    board.show_picture(f"{prefix}/missed_events_chart", rasterize(missed_events_chart(profile)), moment)


def mistakes_of(profile: ErrorProfile) -> dict[str, list[tuple[str, int, float, float]]]:
    """Group false positives: heading -> rows of kind, count, share of the counted predictions, and cost in mAP.

    What lies on spans that are only heard or only seen is counted by kind as well.
    """
    kinds = [(wrong.kind, wrong.count, wrong.share, wrong.cost) for wrong in profile.false_positives]
    sides = [(f"only {wrong.side}", wrong.count, wrong.share, wrong.cost) for wrong in profile.modality]
    rows = {"": kinds} | ({"of these, on spans that are": sides} if sides else {})
    return {
        heading: [(name, n, share if n else 0.0, cost) for name, n, share, cost in rows[heading]] for heading in rows
    }


def false_positives_chart(profile: ErrorProfile) -> str:
    """Draw bars for the false positives, as long as their share of the predictions that are counted."""
    groups = {
        heading: [Bar(name, share, f"{n:,}, costs {100 * cost:.2f} mAP") for name, n, share, cost in rows]
        for heading, rows in mistakes_of(profile).items()
    }
    title = f"False positives at tIoU {profile.tiou_threshold:.2f}, share of {profile.predictions:,} predictions"
    return draw_bars(title, groups)


def missed_events_chart(profile: ErrorProfile) -> str:
    """Draw a bar for every kind of events: the share that no prediction gets."""
    groups = {
        characteristic.name: [
            Bar(of_bin.label, of_bin.missed, f"{100 * of_bin.missed:.1f} % of {of_bin.events:,}")
            for of_bin in characteristic.bins
        ]
        for characteristic in profile.characteristics
    }
    missed = f"{profile.missed.count:,} ({100 * profile.missed.share:.1f} %)"
    return draw_bars(f"Missed events at tIoU {profile.tiou_threshold:.2f}: {missed}", groups)
