import weakref

import torch

from avel.batch import TimeGrid
from avel.decoding.candidates import Candidates, merge_windows
from avel.decoding.dense import DenseDecoder

GRID = TimeGrid(fps=16, stride=4, window=16)


def test_candidates_of_different_videos_are_padded_alike():
    one, two = (
        Candidates(torch.ones(1, n, 2), torch.ones(1, n), torch.ones(1, n).long(), torch.ones(1, n).bool())
        for n in (3, 1)
    )
    stacked = Candidates.stack([one, two])
    assert stacked.valid.tolist() == [[True] * 3, [True, False, False]]
    assert stacked.segments.shape == (2, 3, 2)


def test_each_window_speaks_for_what_lies_nearest_to_its_middle():
    def windows(*rows):
        segments = torch.tensor(rows)[..., None] + torch.tensor([-1.0, 1.0])
        shape = segments.shape[:2]
        return Candidates(segments, torch.ones(shape), torch.zeros(shape).long(), torch.ones(shape).bool())

    # Video 0: windows from 0, 8 and 12 of size 16 share borders at 12 and 18; video 1 has one window.
    # What lies on a border belongs to the later one, and is seen once.
    parts = [windows([3.0, 13.0, 12.0], [3.0, 5.0, 10.0]), windows([5.0, 6.0], [2.0, 15.0])]
    merged = merge_windows(parts, [[0, 8, 12], [0]], 16)
    assert merged.valid.sum(dim=1).tolist() == [3, 2]
    assert merged.segments[0].mean(dim=1).tolist() == [3.0, 13.0, 18.0]
    assert merged.segments[1, :2].mean(dim=1).tolist() == [2.0, 15.0]


def window_of(count, generator):
    middle, half = 16 * torch.rand(1, count, generator=generator), 2 * torch.rand(1, count, generator=generator)
    scores = torch.rand(1, count, generator=generator).mul(50).round() / 50  # with ties
    labels = torch.randint(3, (1, count), generator=generator)
    return Candidates(
        torch.stack([middle - half, middle + half], 2), scores, labels, torch.rand(1, count, generator=generator) < 0.9
    )


def test_of_a_long_video_the_best_candidates_are_kept_and_the_events_are_the_same():
    generator, starts = torch.Generator().manual_seed(0), [list(range(0, 240, 8))]
    parts = [window_of(40, generator) for _ in starts[0]]
    every, best = merge_windows(parts, starts, 16), merge_windows(parts, starts, 16, limit=200)
    assert every.scores.shape[1] > 500
    order = every.scores.argsort(dim=1, descending=True, stable=True)[:, :200].sort(dim=1).values
    for field, of_every in zip(best.fields(), every.take(order).fields(), strict=True):
        assert torch.equal(field, of_every)
    decoder = DenseDecoder(max_events=20)
    ((one,), (other,)) = (decoder.detect(found, torch.tensor([1e4]), [GRID]) for found in (every, best))
    for name in ("segments", "scores", "labels"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_few_windows_of_a_long_video_are_held_at_a_time():
    seen, most = [], 0

    def windows():
        nonlocal most
        for _ in range(20):
            part = window_of(8, torch.Generator())
            seen.append(weakref.ref(part.scores))
            yield part
            del part
            most = max(most, sum(scores() is not None for scores in seen))

    merge_windows(windows(), [list(range(0, 160, 8))], 16, limit=10)
    assert most <= 2


def test_few_candidates_of_a_long_video_are_held_at_a_time(monkeypatch):
    held, best = [], Candidates.best
    monkeypatch.setattr(Candidates, "best", lambda self, count: held.append(self.scores.shape[1]) or best(self, count))
    starts, generator = list(range(0, 240, 8)), torch.Generator().manual_seed(0)
    merge_windows((window_of(40, generator) for _ in starts), [starts], 16, limit=100)
    assert 100 < max(held) <= 1.25 * 100 + 40
