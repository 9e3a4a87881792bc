"""Measure the CPU time of the parts that have a speed target, in one thread."""

from __future__ import annotations

import argparse
import json
import platform
import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.segments.nms import SuppressionRule, nms

Row = tuple[str, Callable[[], object], float | None]
"""What is measured, the work, and the milliseconds that released code was measured to take for it on another day."""


def metric_rows(annotations: Path | None) -> Iterator[Row]:
    """UnAV-100 test scale, 100 predictions for each of 2,167 videos; and ten times as many videos."""
    for times, released in ((1, 60_700.0), (10, None)):
        videos = [video_with_predictions(i, events) for i, events in enumerate(load_events(annotations) * times)]
        yield f"mAP, {100 * len(videos):,} predictions", partial(evaluate, videos), released


def evaluate(videos: list[tuple[dict[str, Any], ...]]) -> None:
    """Update in batches of 16 videos and compute."""
    metric = DenseMeanAveragePrecision(num_classes=100)
    for start in range(0, len(videos), 16):
        metric.update(*zip(*videos[start : start + 16], strict=True))
    metric.compute()


def load_events(annotations: Path | None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Segments and labels of each video of UnAV-100's test split, or random ones."""
    if annotations is None:
        return [((torch.rand(3, 2) * 40).sort().values, torch.randint(100, (3,))) for _ in range(2167)]
    database = json.loads(annotations.read_text(encoding="utf-8"))["database"].values()
    rows = [video["annotations"] for video in database if video["subset"] == "test"]
    return [(torch.tensor([e["segment"] for e in row]), torch.tensor([e["label_id"] for e in row])) for row in rows]


def video_with_predictions(video_id: int, events: tuple[torch.Tensor, torch.Tensor]) -> tuple[dict[str, Any], ...]:
    """Half of the predictions lie around events, half anywhere."""
    segments, labels = events
    near = torch.randint(len(labels), (50,))
    guesses = torch.cat([segments[near] + torch.randn(50, 2), torch.rand(50, 2) * 60]).sort().values
    classes = torch.cat([labels[near], torch.randint(100, (50,))])
    truth = {"video_id": video_id, "segments": segments, "labels": labels}
    return truth | {"segments": guesses, "labels": classes, "scores": torch.rand(100)}, truth


def nms_rows(annotations: Path | None) -> Iterator[Row]:
    """Soft-NMS of one video, labels uniform over 100 classes, 100 picks."""
    for n, released in ((2000, 9.53), (12000, 18.2)):
        segments = torch.rand(1, n, 1) * 224 + torch.rand(1, n, 1) * torch.tensor([-20.0, 20.0])
        inputs = segments, torch.rand(1, n), torch.randint(100, (1, n)), torch.ones(1, n, dtype=torch.bool)
        yield f"soft-NMS, {n:,} candidates", partial(nms, *inputs, rule=SuppressionRule()), released


ROWS = {"metric": metric_rows, "nms": nms_rows}


def main() -> None:
    """Run the chosen rows, print a table and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--annotations", type=Path, help="UnAV-100 annotation file (default: random events)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    machine = f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, 1 thread"
    table, results = Table("what", "best ms", "released code, ms", "ratio", title=machine), []
    for name, work, released in (row for group in args.only for row in ROWS[group](args.annotations)):
        best = 1e3 * min(timeit.repeat(work, timer=time.process_time, number=1, repeat=args.repeats))
        results.append({"what": name, "best_ms": best, "released_ms": released})
        table.add_row(name, f"{best:.1f}", *((f"{released:,.1f}", f"{released / best:.1f}") if released else ()))
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "rows": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
