"""Draws annotated and predicted events of one video: `python scripts/draw_timeline.py RUN --out FILE.svg`."""

import argparse
from pathlib import Path
from typing import Any

from avel.data.annotations import VideoAnnotation
from avel.data.dense_module import DenseDataModule
from avel.errors import UserError, check_number
from avel.events import Event, EventTable
from avel.files import whole_file
from avel.report.timeline import draw_timeline
from avel_run.interruption import interruptible
from avel_run.stored_config import NAME, build_data, read_config


@interruptible
def main() -> None:
    """Draw the picture and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run that tested or predicted")
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="RUN/predictions/SPLIT.json (default: %(default)s)",
    )
    parser.add_argument("--task", help="of a run with several: RUN/predictions/TASK/SPLIT.json")
    parser.add_argument("--video", help="id (default: the video with the most annotated classes)")
    parser.add_argument(
        "--min-score", type=float, default=0.1, help="lowest score of predictions, 0 to 1 (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, help="SVG file to write")
    args = parser.parse_args()
    try:
        if args.out.suffix != ".svg":
            raise UserError(f"--out {args.out}: the picture is an SVG file; give a name that ends in .svg")
        picture = draw(args.run, args.task, args.split, args.video, args.min_score)
        with whole_file(args.out) as temporary:
            temporary.write_text(picture, encoding="utf-8")
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {args.out}")


def draw(run: Path, task: str | None, split: str, video: str | None, min_score: float) -> str:
    """Read the run's predictions and its data set's annotations and draw one of their videos."""
    check_number("--min-score", min_score, 0, 1)
    task, config = choose(run, task)
    data = build_data(config, run / NAME)
    path = run / "predictions" / task / f"{split}.json"
    try:
        predicted = EventTable.read_json(path).by_video()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}): {run} must be a run that tested or predicted") from None
    if not isinstance(data, DenseDataModule):
        raise UserError(
            f"{run}: its videos are short clips, without a timeline; their pictures lie in {run / 'attention'}"
        )
    annotated = {entry.video: entry for entry in data.annotations.split(split) if entry.video in predicted}
    if not annotated:
        raise UserError(f"{run} has no predictions of annotated videos of the split {split}")
    if video is None:
        video = max(annotated, key=lambda name: (len(set(annotated[name].labels.tolist())), name))
    if video not in annotated:
        raise UserError(f"{run} has no predictions of an annotated video {video}")
    events = events_of(annotated[video], data.class_names)
    return draw_timeline(video, annotated[video].duration, events, predicted[video], min_score)


def choose(run: Path, task: str | None) -> tuple[str, Any]:
    """Return the task, "" where a run has one without a name, and the options of its data set."""
    config = read_config(run).get("data")
    if not isinstance(config, dict):
        raise UserError(f"{run} must be the folder of a run: it has no config.yaml that names data")
    sets = config.get("sets")
    sets = sets if isinstance(sets, dict) else {"": config}
    tasks = [task] if task is not None else [*sets]
    if len(tasks) > 1:
        raise UserError(f"{run} has several tasks: choose one by --task {' or '.join(tasks)}")
    if tasks[0] not in sets:
        raise UserError(f"--task {task}: {run} has {', '.join(sets) or 'one task, without a name: leave --task out'}")
    return tasks[0], sets[tasks[0]]


def events_of(entry: VideoAnnotation, class_names: list[str]) -> list[Event]:
    """The annotated events of a video."""
    rows = zip(entry.segments.tolist(), entry.labels.tolist(), strict=True)
    return [Event(entry.video, start, end, class_names[label]) for (start, end), label in rows]


if __name__ == "__main__":
    main()
