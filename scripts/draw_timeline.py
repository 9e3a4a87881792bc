"""Draws annotated and predicted events of one video: `python scripts/draw_timeline.py RUN --out FILE.svg`."""

import argparse
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import OmegaConf

from avel.data.annotations import VideoAnnotation
from avel.data.dense_module import DenseDataModule
from avel.errors import UserError
from avel.events import Event, EventTable
from avel.report.timeline import draw_timeline


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
    parser.add_argument("--video", help="id (default: the video with the most annotated classes)")
    parser.add_argument("--min-score", type=float, default=0.1, help="leave out less sure ones (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="SVG file to write")
    args = parser.parse_args()
    try:
        args.out.write_text(draw(args.run, args.split, args.video, args.min_score), encoding="utf-8")
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {args.out}")


def draw(run: Path, split: str, video: str | None, min_score: float) -> str:
    """Read the run's predictions and its data set's annotations and draw one of their videos."""
    path = run / "predictions" / f"{split}.json"
    try:
        predicted = EventTable.read_json(path).by_video()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}): {run} must be a run that tested or predicted") from None
    config = OmegaConf.load(run / "config.yaml").data
    if not config._target_.startswith("avel.data."):  # a run folder of others may name any code
        raise UserError(f"{run / 'config.yaml'}: data._target_ is no data set of avel")
    data = instantiate(config, _convert_="all")
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


def events_of(entry: VideoAnnotation, class_names: list[str]) -> list[Event]:
    """The annotated events of a video."""
    rows = zip(entry.segments.tolist(), entry.labels.tolist(), strict=True)
    return [Event(entry.video, start, end, class_names[label]) for (start, end), label in rows]


if __name__ == "__main__":
    main()
