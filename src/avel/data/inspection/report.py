"""Looks through a data set as training would, but goes on where training would stop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avel.data.annotations import Annotations, VideoAnnotation, check_annotations, read_videos
from avel.data.ave import AVE
from avel.data.custom import SHARES, CustomData, read_custom
from avel.data.dense_module import DenseDataModule
from avel.data.event_checks import AnnotationRules, EventChecker, class_numbers
from avel.data.features import FeatureFolder
from avel.data.inspection.annotation_findings import annotation_findings
from avel.data.inspection.feature_findings import feature_findings, long_videos
from avel.data.inspection.features import FeatureSurvey, Track, survey_features
from avel.data.inspection.findings import Finding, damaged_videos, faulty_videos
from avel.data.module import SPLITS, LocalizationDataModule
from avel.data.option_names import name_options_of
from avel.data.splits import draw_splits
from avel.errors import UserError


@dataclass(slots=True)
class DatasetReport:
    """What was found.

    Attributes:
        source: file or folder of the annotations; None where they were not found.
        annotations: those that could be read; None where nothing could.
        folder: where the features lie; None where features were not looked at one by one.
        survey: what is in them.
        findings: what is wrong, or may be.
        warned: what reading warned of; it is among the findings, too.
    """

    source: Path | None = None
    annotations: Annotations | None = None
    folder: FeatureFolder | None = None
    survey: FeatureSurvey = field(default_factory=FeatureSurvey)
    findings: list[Finding] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    @property
    def fatal(self) -> int:
        """For how many reasons training would fail."""
        return sum(finding.level == "error" for finding in self.findings)

    @contextmanager
    def noting(self, *, warned: bool = True) -> Iterator[None]:
        """Turn what ends the block into a finding, and warnings into others if they should be noted."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                yield
            except UserError as error:
                self.findings.append(Finding(str(error), level="error"))
        if warned:
            self.warned += dict.fromkeys(str(warning.message) for warning in told)
            messages = [message.removeprefix(f"{self.source}: ") for message in self.warned]
            self.findings += [Finding(message[:1].upper() + message[1:], level="note") for message in messages]


def inspect(
    data: LocalizationDataModule, *, splits: Sequence[str] = (), headers_only: bool = False, track: Track = iter
) -> DatasetReport:
    """Look through the annotations and features of a data set.

    Args:
        data: any data set.
        splits: those that are needed; () for all that training and testing need, and whether it could begin.
        headers_only: look at the headers of feature files alone; NaN and the like are not found then.
        track: goes through the videos, and may show how far it is.
    """
    report = DatasetReport()
    with report.noting():
        if isinstance(data, DenseDataModule):
            _look_at_files(data, report, splits, headers_only, track)
        elif isinstance(data, AVE):
            _look_at_samples(data, report, splits or SPLITS, headers_only, track)
    if not splits and not report.fatal:
        with report.noting(warned=False):  # the last word is that of training
            data.setup("fit")
            data.train_dataloader()
            data.setup("test")
    report.findings = [
        Finding(name_options_of(data.task, found.what), name_options_of(data.task, found.remedy), found.level)
        for found in report.findings
    ]
    return report


def inspect_annotations(path: Path, *, frame_rate: float | None = None) -> DatasetReport:
    """Look through annotations of one's own that have no features yet, see `CustomData`."""
    report, unknown = DatasetReport(path), list[str]()
    with report.noting():
        database = read_custom(path, unknown.append, frame_rate=frame_rate)
        good = _without_faults(database, None, CustomData.rules, report)
        if good or not database:  # of nothing at all, the check says what is wrong
            report.annotations = draw_splits(check_annotations(good, path, rules=CustomData.rules), SHARES, path)
            report.findings += annotation_findings(report.annotations, SPLITS)
        if unknown:
            what = f"Videos whose duration is not known without features: {len(unknown)} of {len(database)}"
            report.findings.append(Finding(what, "Here they last until the end of their last event", "note"))
    return report


def _look_at_files(
    data: DenseDataModule, report: DatasetReport, splits: Sequence[str], headers_only: bool, track: Track
) -> None:
    report.source, database = data.database()
    good = _without_faults(database, data.listed_classes, data.reading, report)
    if database and not good:
        return
    sound = len(good) == len(database)
    report.annotations = annotations = data.annotations if sound else data.split(data.check(report.source, good))
    report.folder = data.features
    report.findings += annotation_findings(annotations, splits or ("train", data.selection_split, "test"))
    if splits:
        annotations = replace(annotations, videos=tuple(v for v in annotations.videos if v.split in splits))
    videos = [video.video for video in annotations.videos]
    report.survey = survey_features(data.features, videos, headers_only=headers_only, track=track)
    report.survey.strays = [video for video in report.survey.strays if video not in database]
    report.findings += feature_findings(annotations, data.features, report.survey, may_miss=data.allow_missing)
    if not report.fatal and not data.resize:
        report.findings += long_videos(annotations, report.survey, data.max_length)


def _look_at_samples(data: AVE, report: DatasetReport, splits: Sequence[str], headers_only: bool, track: Track) -> None:
    report.source = data.root
    data.prepare("train")  # all files are checked, whatever the split
    report.annotations = Annotations(tuple(_annotated(data)), tuple(data.class_names))
    report.findings += annotation_findings(report.annotations, splits)
    for split in splits:
        samples = data.dataset(split, training=False)
        for index, video in enumerate([] if headers_only else track(samples.videos)):
            try:
                _ = samples[index]
            except UserError as error:
                report.survey.damaged[video] = str(error)
    report.findings += damaged_videos(report.survey.damaged)


def _annotated(data: AVE) -> Iterator[VideoAnnotation]:
    for split in SPLITS:
        durations = data.durations(split)
        for video, target in data.targets(split).items():
            segments, labels = target["segments"].double().numpy(), target["labels"].numpy()
            yield VideoAnnotation(video, split, durations[video], segments, labels)


def _without_faults(
    database: Mapping[str, Any], class_names: Sequence[str] | None, rules: AnnotationRules, report: DatasetReport
) -> dict[str, Any]:
    """Return the entries that can be read; the others become a finding."""
    _, faults = read_videos(database, EventChecker(rules, class_numbers(database, class_names, rules.ignored)))
    report.findings += faulty_videos(faults, len(database))
    return {video: entry for video, entry in database.items() if video not in faults}
