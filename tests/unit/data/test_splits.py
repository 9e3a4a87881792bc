from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.annotations import Annotations, VideoAnnotation
from avel.data.splits import draw_splits
from avel.errors import UserError

SOURCE = Path("own.csv")
SHARES = {"test": 0.2, "validation": 0.1}


def video(name, split="train", label=0):
    return VideoAnnotation(name, split, 10.0, np.array([[1.0, 2.0]]), np.array([label]))


def annotations(*videos, names=("dog", "cat")):
    return Annotations(videos, names)


def splits(found):
    return {video.video: video.split for video in found.videos}


@given(st.integers(3, 60), st.randoms())
@pytest.mark.filterwarnings("ignore:.*drawn by a hash")
def test_shares_are_exact_and_the_order_does_not_matter(count, random):
    videos = [video(f"v{number}") for number in range(count)]
    found = draw_splits(annotations(*videos), SHARES, SOURCE)
    assert len(found.split("test")) == max(round(0.2 * count), 1)
    assert len(found.split("validation")) == pytest.approx(max(0.1 * count, 1), abs=1)
    assert found.split("train")
    assert [video.video for video in found.videos] == [video.video for video in videos]
    random.shuffle(videos)
    assert splits(draw_splits(annotations(*videos), SHARES, SOURCE)) == splits(found)


def test_what_was_drawn_is_told():
    videos = [video(f"v{number}") for number in range(20)]
    with pytest.warns(
        UserWarning, match="own.csv: has no test and no validation split; .*: 14 train, 2 validation, 4 test"
    ):
        draw_splits(annotations(*videos), SHARES, SOURCE)


def test_splits_that_are_there_stay(recwarn):
    told = annotations(video("a"), video("b"), video("c", "validation"), video("d", "test"))
    assert draw_splits(told, SHARES, SOURCE) is told
    assert not recwarn.list
    with pytest.warns(UserWarning, match="has no validation split"):
        found = draw_splits(annotations(video("a"), video("b"), video("d", "test")), SHARES, SOURCE)
    assert sorted(splits(found).values()) == ["test", "train", "validation"]
    assert splits(found)["d"] == "test"


def test_a_share_of_nothing_draws_nothing(recwarn):
    told = annotations(video("a"), video("b"))
    assert draw_splits(told, dict.fromkeys(SHARES, 0.0), SOURCE) is told
    assert draw_splits(annotations(video("a", "test")), SHARES, SOURCE).split("validation") == []
    assert not recwarn.list


def test_too_few_videos_are_refused():
    with pytest.raises(
        UserError, match="own.csv: has 2 training videos, too few to draw the splits test and validation"
    ):
        draw_splits(annotations(video("a"), video("b")), SHARES, SOURCE)
