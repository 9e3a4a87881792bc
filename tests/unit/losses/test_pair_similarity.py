import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.losses.pair_similarity import StaleSimilarityTargets, pair_similarity_loss, similarity_targets

LENGTH = 4
clip = st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH)
mini_batch = st.lists(clip, min_size=1, max_size=3)


@given(mini_batch)
def test_targets_share_evenly_within_the_event(rows):
    for row, target in zip(rows, similarity_targets(torch.tensor(rows)).tolist(), strict=True):
        count = sum(row) or LENGTH
        assert target == pytest.approx([1 / count if inside or not any(row) else 0 for inside in row])


def slow_stale(batches):
    """A list of rows that is written to and never cleared."""
    buffer, seen = [[0.0] * LENGTH for _ in range(3)], []
    for rows in batches:
        for slot, row in enumerate(rows):
            inside = [t for t in range(LENGTH) if row[t]] or range(LENGTH)
            for t in inside:
                buffer[slot][t] = 1 / len(inside)
        seen.append([list(row) for row in buffer[: len(rows)]])
    return seen


@given(st.lists(mini_batch, min_size=1, max_size=5))
def test_stale_targets_keep_what_background_does_not_overwrite(batches):
    stale = StaleSimilarityTargets()
    for rows, expected in zip(batches, slow_stale(batches), strict=True):
        assert_close(stale(torch.tensor(rows)), torch.tensor(expected))


def test_the_first_mini_batch_is_clean():
    event = torch.tensor([[True, False, False], [False, False, False]])
    assert_close(StaleSimilarityTargets()(event), similarity_targets(event))


def test_stale_targets_go_on_from_a_saved_state():
    whole, first = StaleSimilarityTargets(), StaleSimilarityTargets()
    events = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    expected = [whole(event) for event in events]
    for event in events[:2]:
        first(event)
    second = StaleSimilarityTargets()
    second.load_state_dict(first.state_dict())
    for event, target in zip(events[2:], expected[2:], strict=True):
        assert_close(second(event), target, rtol=0, atol=0)


def features(cosines):
    """Visual and audio vectors with these cosines."""
    cosines = torch.tensor(cosines)
    return torch.tensor([1.0, 0.0]).expand(*cosines.shape, 2), torch.stack([cosines, (1 - cosines**2).sqrt()], dim=-1)


def test_no_loss_where_only_the_event_agrees():
    visual, audio = features([[0.8, 0.8, -0.5, 0.0]])
    target = similarity_targets(torch.tensor([[True, True, False, False]]))
    assert pair_similarity_loss(visual, audio, target).item() == pytest.approx(0, abs=1e-12)
    assert pair_similarity_loss(3 * visual, audio / 2, target).item() == pytest.approx(0, abs=1e-12)


def test_loss_is_the_mean_of_squares():
    visual, audio = features([[0.6, 0.2, -1.0], [0.0, -0.1, -0.2]])
    target = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    expected = (0.25**2 + 0.25**2 + 0.5**2 + 0.5**2) / 6
    assert pair_similarity_loss(visual, audio, target).item() == pytest.approx(expected, rel=1e-5)
