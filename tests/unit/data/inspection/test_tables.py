from pathlib import Path

from rich.console import Console

from avel.batch import TimeGrid
from avel.data.families import FeatureFamily
from avel.data.feature_reader import Shape
from avel.data.features import FeatureFolder
from avel.data.inspection.features import FeatureSurvey
from avel.data.inspection.findings import Finding
from avel.data.inspection.report import DatasetReport
from avel.data.inspection.tables import CLASSES, show_report
from tests.unit.data.inspection.videos import annotations, video

FAMILY = FeatureFamily(visual=("_v.npy",), audio=(), grid=TimeGrid(fps=2, stride=1, window=2), max_length=64)


def shown(report, **options):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(*show_report(report, **options), sep="\n")
    return capture.get()


def test_a_report_says_it_all_in_lines_that_fit():
    report = DatasetReport(
        annotations=annotations(
            video("a", (0, 2, 0), (0, 0.25, 1)), video("[b]", split="test"), names=("[dog]", "cat")
        ),
        folder=FeatureFolder(Path("features"), FAMILY),
        survey=FeatureSurvey(shapes={"a": Shape(19, 19, 3, 2), "[b]": Shape(9, 9, 3, 2)}),
        findings=[
            Finding("All is [bold]well", "Go on", "note"),
            Finding("Hm"),
            Finding("Nothing goes\nat all", level="error"),
        ],
    )
    text = shown(report)
    assert max(map(len, text.splitlines())) <= 100
    rows = [line.split() for line in text.splitlines()]
    assert ["videos", "1", "0", "1"] in rows
    assert ["[dog]", "1", "0", "0", "50.0", "%", "1", "2.0"] in rows
    assert ["seconds", "of", "an", "event", "0.25", "–", "1.1", "–", "2.0"] in rows
    what = "Features: features 3 channels visual, 2 audio; a snippet of 1 s every 0.5 s, 9 to 19 a video"
    assert what in " ".join(text.split())
    order = ["error   Nothing goes", "at all", "warning Hm", "note    All is [bold]well", "→ Go on"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_of_many_classes_the_ends_are_shown():
    count = 2 * CLASSES + 5
    events = [(0, 1, label) for label in range(count) for _ in range(count - label)]
    report = DatasetReport(annotations=annotations(video("a", *events), names=[f"class-{i}" for i in range(count)]))
    text = shown(report)
    assert text.count("class-") == 2 * CLASSES
    assert "… 5 more" in text
    assert text.index("class-0 ") < text.index("… 5 more") < text.index(f"class-{count - 1} ")
    assert shown(report, all_classes=True).count("class-") == count


def test_a_report_about_nothing():
    assert shown(DatasetReport()) == "\n"
