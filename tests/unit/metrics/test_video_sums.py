import random
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from avel.errors import UserError
from avel.metrics.event_f1 import EventF1
from avel.metrics.pointing import PointingGame
from avel.metrics.segment_accuracy import SegmentAccuracy
from avel.metrics.video_sums import VideoSums, check_labels
from tests.unit.metrics.test_mean_ap import assert_same_digits

COUNT, LENGTH, CLASSES = 13, 10, 3


class Totals(VideoSums):
    """The bare sums of three numbers per video."""

    def __init__(self):
        super().__init__(num_values=3)

    def update(self, videos, values):
        self.add_videos(videos, values)

    def compute(self):
        return {"totals": self.totals()}


def inputs(kind):
    """Two tensors (or one) that `kind` takes for `COUNT` videos."""
    generator = torch.Generator().manual_seed(0)
    if kind is Totals:
        return (torch.rand(COUNT, 3, generator=generator) / 3,)
    if kind is PointingGame:
        attention = torch.randint(0, 3, (COUNT, LENGTH, 3, 3), generator=generator).float()
        return attention, torch.rand(COUNT, LENGTH, 3, 3, generator=generator) < 0.2
    changes = torch.rand(2, COUNT, LENGTH, generator=generator) < 0.3
    return tuple(changes.cumsum(2) % (CLASSES + 1))


def new(kind):
    return kind() if kind in (Totals, PointingGame) else kind(num_classes=CLASSES)


def evaluate(kind, order=range(COUNT), batch_size=4):
    metric, order = new(kind), list(order)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        metric.update([f"video {i}" for i in batch], *(tensor[batch] for tensor in inputs(kind)))
    return metric


KINDS = pytest.mark.parametrize("kind", [Totals, SegmentAccuracy, EventF1, PointingGame])


@KINDS
@pytest.mark.parametrize("batch_size", [1, 5, COUNT])
def test_order_and_batch_size_change_no_digit(kind, batch_size):
    order = random.Random(batch_size).sample(range(COUNT), COUNT)
    assert_same_digits(evaluate(kind, order, batch_size).compute(), evaluate(kind).compute())


@KINDS
def test_videos_seen_twice_count_once(kind):
    assert_same_digits(evaluate(kind, [*range(COUNT), 3, 0, 7]).compute(), evaluate(kind).compute())


@KINDS
def test_merged_ranks_give_the_digits_of_one(kind):
    """Ranks see unequal shares, two videos in common, and the third nothing."""
    one, *others = (evaluate(kind, part) for part in (range(9), range(7, COUNT), ()))
    for other in others:
        one.merge_state(other)
    assert_same_digits(one.compute(), evaluate(kind).compute())


@KINDS
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")  # was called before `update`: on purpose
def test_what_saw_nothing_is_nan_or_zero_and_a_reset_forgets(kind):
    metric = evaluate(kind)
    metric.reset()
    assert all(value.isnan().all() or not value.any() for value in metric.compute().values())
    assert {value.dtype for value in evaluate(kind).compute().values()} == {torch.float64}


def evaluate_as_rank(rank, folder):
    """Ranks see unequal shares and two videos in common; of the last metrics, rank 1 or both see nothing."""
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    shares = {"shared": (range(9), range(7, COUNT)), "lonely": (range(COUNT), ()), "empty": ((), ())}
    torch.save({name: evaluate(Totals, share[rank]).compute() for name, share in shares.items()}, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_the_digits_of_one(tmp_path):
    torch.multiprocessing.spawn(evaluate_as_rank, (tmp_path,), nprocs=2)
    expected = evaluate(Totals).compute()
    for rank in (0, 1):
        results = torch.load(tmp_path / f"{rank}.pt")
        assert_same_digits(results["shared"], expected)
        assert_same_digits(results["lonely"], expected)
        assert results["empty"]["totals"].tolist() == [0, 0, 0]


def test_the_first_visit_to_a_video_counts():
    metric = Totals()
    metric.update(["a", "b", "a"], torch.tensor([[1, 2, 3], [10, 20, 30], [5, 5, 5]]))
    metric.update(["b"], torch.tensor([[7, 7, 7]]))
    assert metric.compute()["totals"].tolist() == [11, 22, 33]


def test_each_video_has_its_numbers():
    with pytest.raises(ValueError, match="2 videos need"):
        Totals().update(["a", "b"], torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), r"one shape \(B, T\), got \(2, 3\) predicted and \(2, 4\) true"),
        (torch.zeros(3, 3), torch.zeros(3, 3), "labels of 2 videos must have"),
        (torch.zeros(2, 3, 1), torch.zeros(2, 3, 1), "must have one shape"),
        (torch.tensor([[0], [4]]), torch.zeros(2, 1), "video 'b': a predicted label outside 0..3"),
        (torch.zeros(2, 1), torch.tensor([[-1], [0]]), "video 'a': a true label outside 0..3"),
    ],
)
def test_labels_that_do_not_fit_are_named(predicted, true, message):
    with pytest.raises(UserError, match=message):
        check_labels(["a", "b"], predicted, true, 3)
