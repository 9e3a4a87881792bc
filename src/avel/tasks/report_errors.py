"""The error analysis of a report, in its words and units."""

from __future__ import annotations

from avel.metrics.characteristics import Bin as MetricBin
from avel.metrics.errors import ErrorProfile, FalsePositives
from avel.metrics.one_sided import ModalityErrors
from avel.report.run_report import Bin, ErrorAnalysis, Mistakes, share


def error_analysis(profile: ErrorProfile) -> ErrorAnalysis:
    """Say in the units of a report where a run fails."""
    missed = profile.missed
    return ErrorAnalysis(
        tiou=profile.tiou_threshold,
        top=profile.top,
        ap=share(profile.map),
        ap_normalized=share(profile.map_normalized),
        predictions=profile.predictions,
        total=profile.total,
        false_positives=tuple(_mistakes(found.kind, found) for found in profile.false_positives),
        missed=Mistakes("missed", missed.count, share(missed.share), share(missed.cost)),
        characteristics={found.name: tuple(map(_bin, found.bins)) for found in profile.characteristics},
        one_sided=tuple(_mistakes(found.side, found) for found in profile.modality),
    )


def _mistakes(kind: str, found: FalsePositives | ModalityErrors) -> Mistakes:
    return Mistakes(kind, found.count, share(found.share), share(found.cost))


def _bin(found: MetricBin) -> Bin:
    return Bin(found.label, found.events, share(found.missed), share(found.map))
