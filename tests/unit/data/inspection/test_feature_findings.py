from pathlib import Path

import pytest

from avel.batch import TimeGrid
from avel.data.families import FeatureFamily
from avel.data.feature_reader import Shape
from avel.data.features import FeatureFolder
from avel.data.inspection.feature_findings import feature_findings, long_videos
from avel.data.inspection.features import FeatureSurvey
from tests.unit.data.inspection.videos import annotations, video, whats

FAMILY = FeatureFamily(visual=("_v.npy",), audio=("_a.npy",), grid=TimeGrid(fps=2, stride=1, window=2), max_length=64)
FOLDER = FeatureFolder(Path("features"), FAMILY)
"""A snippet every half second that sees a second: 19 of them see 10 seconds."""
VIDEOS = [video(name, (1, 2, 0)) for name in "abcde"]


def shapes(**changes):
    return {video.video: Shape(19, 19, 3, 2) for video in VIDEOS} | changes


def found(survey, *, videos=VIDEOS, may_miss=False):
    return list(feature_findings(annotations(*videos), FOLDER, survey, may_miss=may_miss))


def test_nothing_is_wrong():
    assert found(FeatureSurvey(shapes=shapes())) == []


@pytest.mark.parametrize(
    ("missing", "strays", "may_miss", "level", "remedy"),
    [
        ("a", [], False, "error", "Extract them, or leave these videos out: data.allow_missing=true"),
        ("a", [], True, "note", "They are left out"),
        ("abcde", [], False, "error", "Extract them"),
        ("abcde", [], True, "error", "Extract them"),
        ("abcde", ["A"], True, "error", "Extract them. Or do names differ? Features without annotations: 1 (A)"),
    ],
)
def test_videos_without_files(missing, strays, may_miss, level, remedy):
    survey = FeatureSurvey(missing=list(missing), strays=strays)
    (finding,) = found(survey, may_miss=may_miss)
    assert finding.what.startswith(f"Videos without feature files: {len(missing)} of 5 (a")
    assert finding.what.endswith("looked for ID_v.npy and ID_a.npy in features")
    assert (finding.level, finding.remedy) == (level, remedy)


def test_files_of_another_kind_are_named(tmp_path):
    for name in ("a_v.npz", "b_v.npz", "manifest.json"):
        (tmp_path / name).touch()
    survey = FeatureSurvey(missing=["a", "b"])
    (finding,) = feature_findings(annotations(*VIDEOS[:2]), FeatureFolder(tmp_path, FAMILY), survey, may_miss=False)
    assert finding.remedy.endswith("or no .npy files? What is there: 2 (a_v.npz, b_v.npz)")


def test_files_without_videos():
    (finding,) = found(FeatureSurvey(shapes=shapes(), strays=["x", "y"]))
    assert (finding.what, finding.level) == ("Videos with features but without annotations: 2 (x, y)", "note")


def test_damaged_files_are_listed():
    (finding,) = found(FeatureSurvey(damaged={f"v{i}": f"v{i}.npy: is cut off" for i in range(12)}))
    assert finding.level == "error"
    lines = finding.what.splitlines()
    assert lines[:2] == ["Videos with damaged features: 12", "v0: v0.npy: is cut off"]
    assert lines[-1] == "… and 2 more"
    assert len(lines) == 12


def test_other_widths():
    (finding,) = found(FeatureSurvey(shapes=shapes(b=Shape(19, 19, 4, 2))))
    assert finding.what == "Videos whose features are not 3 (visual) and 2 (audio) wide: 1 (b: 4 and 2)"
    assert finding.level == "error"


def test_features_that_end_elsewhere():
    (finding,) = found(FeatureSurvey(shapes=shapes(b=Shape(9, 9, 3, 2))))
    assert finding.what == "Videos whose features do not end where they do: 1 of 5 (b: 5.0 of 10.0 s)"
    assert "Look which is wrong" in finding.remedy
    half = dict.fromkeys("abcde", Shape(9, 9, 3, 2))
    (finding,) = found(FeatureSurvey(shapes=half))
    assert finding.remedy.endswith("fps and stride of the features are wrong: they typically end at 50 % of the video")


def test_events_that_features_do_not_show():
    videos = [*VIDEOS, video("f", (9, 10, 0), (10.5, 11, 0), (1, 1.2, 0), duration=11)]
    survey = FeatureSurvey(shapes=shapes(f=Shape(19, 19, 3, 2)))
    assert whats(found(survey, videos=videos)) == [
        "Events behind the end of their video's features: 1 (in f)",
        "Events shorter than the 0.5 s from snippet to snippet: 1 of 8",
    ]


def test_odd_contents():
    survey = FeatureSurvey(
        shapes=shapes(a=Shape(19, 30, 3, 2)), constant={"visual": ["b"], "audio": ["c", "d"]}, copies=[("d", "e")]
    )
    findings = found(survey)
    assert whats(findings) == [
        "Videos whose visual and audio features differ in length: 1 (a: 19 and 30 snippets)",
        "Videos whose visual features never change: 1 (b)",
        "Videos whose audio features never change: 2 (c, d)",
        "Pairs of videos with the same features: 1 (d in train, e in train)",
    ]
    assert {finding.level for finding in findings} == {"warning"}


def test_long_videos():
    survey = FeatureSurvey(shapes=shapes(b=Shape(65, 70, 3, 2), c=Shape(65, 60, 3, 2)))
    (what,) = whats(long_videos(annotations(*VIDEOS), survey, 64))
    assert what == "Training videos of more than 64 snippets: 1 of 5 (b)"
    assert list(long_videos(annotations(*VIDEOS), survey, 65)) == []
