import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.metrics.videos import first_visits, video_number


def test_video_numbers_are_exact_and_differ():
    ids = [*range(-3, 50), *(f"video {i}" for i in range(1000)), 2**60, "\udcff"]
    numbers = {video_number(video) for video in ids}
    assert len(numbers) == len(ids)
    assert all(number == int(number) and abs(number) < 2**53 for number in numbers)


@given(st.lists(st.integers(-3, 3)))
def test_the_first_visit_to_each_video_counts(videos):
    found = first_visits(torch.tensor(videos, dtype=torch.float64))
    assert found.tolist() == [videos.index(video) for video in sorted(set(videos))]
