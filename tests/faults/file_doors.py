"""The readers of what runs and other programs leave, each with a good input and with what makes bad ones of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml
from scripts.draw_timeline import draw
from scripts.results_table import tabulate

from avel.data.formats.events import read_events
from avel.data.synthetic import SyntheticOptions, write_unav100
from avel.events import Event, EventTable
from avel.exchange.formats import write_events
from avel.report.results_table import BEGIN, END
from avel.tasks.run_report import read_run, write_run_report
from hydra_plugins.avel_sweeps.summary import data_of, summarize
from tests.faults.mutations import mutate_json, mutate_table, mutate_text, mutate_xml

VIDEOS = 8


@dataclass(frozen=True)
class Door:
    """What reads a file.

    Attributes:
        file: the file that is damaged, in the folder.
        write: writes good files into a folder.
        damage: changes the file.
        read: reads the folder, and writes what it makes of it into another one.
    """

    file: str
    write: Callable[[Path], None]
    damage: Callable[[str, Random], bytes]
    read: Callable[[Path, Path], object]


def _damage_json(text: str, random: Random) -> bytes:
    return mutate_json(json.loads(text), random)


def _events() -> EventTable:
    rows = [Event(f"v{k % 3}", k / 3, k / 2 + 1, ("dog", "cat (big)")[k % 2], k / 9) for k in range(9)]
    return EventTable(rows, ["nothing", "v0"])


def _exported(name: str, path: str) -> Callable[[Path], None]:
    return lambda folder: write_events(_events(), folder / path, name)


def _export(folder: Path, out: Path) -> None:
    """Read events of any kind and write them as all other programs want them."""
    (path,) = folder.iterdir()
    table = read_events(path)
    for name in ("activitynet", "csv", "audacity", "elan", "label_studio", "srt", "vtt"):
        write_events(table, out / name, name)


def write_run(folder: Path) -> None:
    """Write the data and the folder of a run that was tested, as run.py leaves it."""
    root, run = folder / "unav100", folder / "run"
    write_unav100(root, SyntheticOptions(videos=VIDEOS, classes=2, visual_dim=2, audio_dim=2))
    data = {"_target_": "avel.data.unav100.UnAV100", "root": str(root), "features": "i3d_vggish"}
    database = json.loads((root / "annotations" / "unav100_annotations.json").read_text())["database"]
    judged = {name: entry for name, entry in database.items() if entry["subset"] == "test"}
    rows = [Event(name, *row["segment"], row["label"], 0.5) for name, e in judged.items() for row in e["annotations"]]
    (run / "predictions").mkdir(parents=True)
    EventTable(rows, [*judged]).write_json(run / "predictions" / "test.json")
    (run / "config.yaml").write_text(yaml.safe_dump({"data": data, "seed": 0}))
    (run / "metrics.csv").write_text("epoch,step,train/loss,val/map\n0,1,2.5,\n0,1,,0.1\n1,2,2.0,\n1,2,,0.2\n")
    (run / "results.json").write_text(json.dumps(_results(len(judged))))
    (folder / "README.md").write_text(f"# x\n{BEGIN}\n\n{END}\n")


def _results(videos: int) -> dict[str, Any]:
    return {
        **{"experiment": "unav_unav100", "method": "unav", "data": "unav100", "size": "narrow", "protocol": "clean"},
        **{"features": "i3d_vggish", "modality": "both", "synthetic": True, "tiou_grid": [0.1, 0.5]},
        **{"videos": {"evaluated": videos, "annotated": videos}, "stage": "fit", "split": "test", "monitor": "map"},
        **{"selection_split": "validation", "selection_score": 0.2, "resting_split": None, "seed": 0},
        **{"overrides": ["experiment=unav_unav100", "size=narrow"], "metrics": {"test/map": 1.0, "test/map@0.50": 1.0}},
        **{"ckpt_path": "checkpoints/best.ckpt", "baselines": {"most frequent": {"map": 0.1}}, "parameters": 9},
        **{"seconds": 3.5, "versions": {"torch": "2"}, "git_commit": "0" * 40},
    }


def _report(folder: Path, out: Path) -> None:
    run = read_run(folder / "run")
    write_run_report(out / "report.html", [run], data_of(folder / "run"), resamples=5)


def _compare(folder: Path, out: Path) -> None:
    with redirect_stdout(io.StringIO()):
        summarize([folder / "run"], out, resamples=5)


def _tabulate(folder: Path, out: Path) -> None:
    tabulate([folder / "run"], out / "measured.json", folder / "README.md")


def _draw(folder: Path, out: Path) -> None:
    (out / "picture.svg").write_text(draw(folder / "run", None, "test", None, 0.1), encoding="utf-8")


RUN_FILES: Mapping[str, tuple[str, Callable[[str, Random], bytes]]] = {
    "results": ("run/results.json", _damage_json),
    "predictions": ("run/predictions/test.json", _damage_json),
    "config": ("run/config.yaml", lambda text, random: mutate_text(text, random)),
    "metrics": ("run/metrics.csv", mutate_table),
}
READERS: Mapping[str, tuple[Callable[[Path, Path], object], tuple[str, ...]]] = {
    "report": (_report, ("results", "predictions", "config", "metrics")),
    "compare_runs": (_compare, ("results",)),
    "results_table": (_tabulate, ("results",)),
    "draw_timeline": (_draw, ("predictions", "config")),
}
EVENT_FILES: Mapping[str, tuple[str, str, Callable[[str, Random], bytes]]] = {
    "activitynet": ("events.json", "events.json", _damage_json),
    "csv": ("events.csv", "events.csv", mutate_table),
    "audacity": ("tracks", "tracks/v0.txt", lambda text, random: mutate_table(text, random, "\t")),
    "elan": ("documents", "documents/v0.eaf", mutate_xml),
}
DOORS = {
    f"{name} of {kind}": Door(file, _exported(kind, path), damage, _export)
    for name in ("export_events",)
    for kind, (path, file, damage) in EVENT_FILES.items()
} | {
    f"{name} of {part}": Door(RUN_FILES[part][0], write_run, RUN_FILES[part][1], read)
    for name, (read, parts) in READERS.items()
    for part in parts
}
"""Command and the file that is damaged -> how."""
