"""What is wrong, or may be, with features, and how they fit the annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from avel.batch import TimeGrid
from avel.data.annotations import Annotations, VideoAnnotation
from avel.data.features import FeatureFolder
from avel.data.inspection.features import FeatureSurvey
from avel.data.inspection.findings import Finding, damaged_videos, some

END_SECONDS, END_SHARE = 2.0, 0.05
"""The end of a video's features may miss that of the video by either of these."""


def feature_findings(
    annotations: Annotations, folder: FeatureFolder, survey: FeatureSurvey, *, may_miss: bool
) -> Iterator[Finding]:
    """Look at feature files, and whether they fit the annotations.

    Args:
        annotations: the checked ones.
        folder: where the files lie.
        survey: what is in them.
        may_miss: whether videos without files are left out.
    """
    yield from _missing_files(len(annotations.videos), folder, survey, may_miss=may_miss)
    yield from damaged_videos(survey.damaged)
    usable = [video for video in annotations.videos if video.video in survey.shapes]
    grids = {video.video: folder.family.grid_at(video.fps) for video in usable}
    ends = {video.video: grids[video.video].seen(survey.shapes[video.video].length) for video in usable}
    yield from _other_widths(survey)
    yield from _other_ends(usable, ends)
    yield from _unseen_events(usable, ends, grids)
    yield from _odd_contents(annotations, survey)


def long_videos(annotations: Annotations, survey: FeatureSurvey, max_length: int) -> Iterator[Finding]:
    """Tell which training videos are longer than a training sample."""
    training = [video.video for video in annotations.split("train") if video.video in survey.shapes]
    if long := [video for video in training if survey.shapes[video].length > max_length]:
        yield Finding(
            f"Training videos of more than {max_length} snippets: {len(long)} of {len(training)} ({some(long)})",
            "Training sees parts of them, and they are localized in windows; data.max_length sets how long",
            "note",
        )


def _missing_files(videos: int, folder: FeatureFolder, survey: FeatureSurvey, *, may_miss: bool) -> Iterator[Finding]:
    unused = f"{len(survey.strays)} ({some(survey.strays)})"
    if survey.missing:
        family, all_missing = folder.family, len(survey.missing) == videos
        files = " and ".join(f"{family.prefix}ID{ending}" for ending in family.visual + family.audio)
        left_out = may_miss and not all_missing
        remedy = "Extract them" if all_missing else "Extract them, or leave these videos out: data.allow_missing=true"
        names = f". Or do names differ? Features without annotations: {unused}" if survey.strays else ""
        names = names or (_other_files(folder.place) if all_missing else "")
        yield Finding(
            f"Videos without feature files: {len(survey.missing)} of {videos} ({some(survey.missing)});"
            f" looked for {files} in {folder.place}",
            "They are left out" if left_out else remedy + names,
            "note" if left_out else "error",
        )
    elif survey.strays:
        yield Finding(f"Videos with features but without annotations: {unused}", "They are not used", "note")


def _other_files(place: Path) -> str:
    """Say what else lies in a folder of which no file was taken for features, the manifest apart."""
    names = sorted(path.name for path in place.iterdir() if path.suffix not in (".json", "")) if place.is_dir() else []
    if not names:
        return ""
    return f". Or are they called otherwise, or no .npy files? What is there: {len(names)} ({some(names)})"


def _other_widths(survey: FeatureSurvey) -> Iterator[Finding]:
    if (widths := survey.widths) is None:
        return
    visual, audio = widths
    odd = {video: shape for video, shape in survey.shapes.items() if (shape.visual_dim, shape.audio_dim) != widths}
    if odd:
        names = some([f"{video}: {shape.visual_dim} and {shape.audio_dim}" for video, shape in odd.items()])
        yield Finding(
            f"Videos whose features are not {visual} (visual) and {audio} (audio) wide: {len(odd)} ({names})",
            "Extract the features of all videos in the same way",
            "error",
        )


def _other_ends(videos: Sequence[VideoAnnotation], ends: Mapping[str, float]) -> Iterator[Finding]:
    far = [
        f"{video.video}: {ends[video.video]:.1f} of {video.duration:.1f} s"
        for video in videos
        if abs(ends[video.video] - video.duration) > max(END_SECONDS, END_SHARE * video.duration)
    ]
    if far:
        share = 100 * median(ends[video.video] / video.duration for video in videos)
        many = f"fps and stride of the features are wrong: they typically end at {share:.0f} % of the video"
        few = "Look which is wrong, the duration in the annotations or the features"
        yield Finding(
            f"Videos whose features do not end where they do: {len(far)} of {len(videos)} ({some(far)})",
            f"Unless durations are wrong, {many}" if len(far) > len(videos) / 2 else few,
        )


def _unseen_events(
    videos: Sequence[VideoAnnotation], ends: Mapping[str, float], grids: Mapping[str, TimeGrid]
) -> Iterator[Finding]:
    late = {video.video: int((video.segments[:, 0] >= ends[video.video]).sum()) for video in videos}
    if count := sum(late.values()):
        where = some([video for video, events in late.items() if events])
        yield Finding(
            f"Events behind the end of their video's features: {count} (in {where})", "They can only be missed"
        )
    lengths = [(end - start, grids[video.video].hop) for video in videos for start, end in video.segments]
    if short := sum(length < hop for length, hop in lengths):
        hop = max(hop for _, hop in lengths)
        yield Finding(
            f"Events shorter than the {hop:.3g} s from snippet to snippet: {short} of {len(lengths)}",
            "Features with a shorter stride would show them better",
            "note",
        )


def _odd_contents(annotations: Annotations, survey: FeatureSurvey) -> Iterator[Finding]:
    uneven = [
        f"{video}: {shape.visual_length} and {shape.audio_length} snippets"
        for video, shape in survey.shapes.items()
        if shape.is_uneven
    ]
    if uneven:
        yield Finding(
            f"Videos whose visual and audio features differ in length: {len(uneven)} ({some(uneven)})",
            "They are cut to the shorter; extract both at the same times",
        )
    for modality, videos in survey.constant.items():
        if videos:
            yield Finding(
                f"Videos whose {modality} features never change: {len(videos)} ({some(videos)})",
                f"Look whether these videos have {'pictures' if modality == 'visual' else 'sound'}",
            )
    splits = {video.video: video.split for video in annotations.videos}
    if pairs := [f"{a} in {splits[a]}, {b} in {splits[b]}" for a, b in survey.copies]:
        yield Finding(
            f"Pairs of videos with the same features: {len(pairs)} ({some(pairs)})",
            "Keep one of each: copies in two splits make results too good",
        )
