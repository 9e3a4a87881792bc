import pytest

from avel.data.inspection.annotation_findings import annotation_findings
from tests.unit.data.inspection.videos import annotations, video, whats

SPLITS = ("train", "validation", "test")
ENOUGH = [(start, start + 0.5, label) for start in range(10) for label in (0, 1)]
SOUND = [video(split, *ENOUGH, split=split) for split in SPLITS]


def found(*videos, names=("dog", "cat"), needed=SPLITS):
    return list(annotation_findings(annotations(*videos, names=names), needed))


def test_nothing_is_wrong():
    assert found(*SOUND) == []


def test_a_split_that_is_needed_has_videos():
    (finding,) = found(*SOUND[:2])
    assert (finding.what, finding.level) == ("No video in the split 'test'", "error")
    assert found(*SOUND[:2], needed=("train", "validation")) == []


def test_classes_that_are_rare_or_do_not_occur():
    videos = [SOUND[0], video("v", (1, 2, 2), split="validation"), video("t", *ENOUGH, (0, 1, 3), split="test")]
    findings = found(*videos, video("more", (0, 1, 3)), names=("dog", "cat", "bird", "cow"))
    assert [finding.level for finding in findings] == ["warning", "warning", "note", "note"]
    assert whats(findings) == [
        "Classes without an event in training: 1 of 4 (bird)",
        "Classes with fewer than 10 events in training: 1 of 4 (cow 1)",
        "Classes that do not occur in the split 'validation': 3 of 4 (dog, cat, cow)",
        "Classes that do not occur in the split 'test': 1 of 4 (bird)",
    ]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("Dog", "dog"), "'Dog' and 'dog'"),
        (("dog_barking", "Dog-barking "), "'dog_barking' and 'Dog-barking '"),
        (("dog", "dogs"), None),
    ],
)
def test_names_that_are_nearly_the_same(names, what):
    assert whats(found(*SOUND, names=names)) == ([f"Class names that are nearly the same: {what}"] if what else [])


def test_events_that_were_annotated_twice():
    videos = [video(name, *ENOUGH, (20, 30, 0), (20.1, 29.9, 0), duration=40) for name in "abcd"]
    (what,) = whats(found(*SOUND, *videos))
    assert what == "Pairs of events of one class that nearly coincide: 4 (in a, b, c, …)"
