import math
import random
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.metrics.mean_ap import DenseMeanAveragePrecision

NUM_CLASSES = 3


def make_videos(count=12, seed=0):
    """Videos with tied scores and contested events; one has no events, one no predictions."""
    generator = torch.Generator().manual_seed(seed)
    preds, target = [], []
    for index in range(count):
        guesses, truths = (0 if index == 3 else 15), (0 if index == 5 else 3)
        preds.append(make_rows(f"video {index}", guesses, generator))
        preds[-1]["scores"] = torch.randint(0, 5, (guesses,), generator=generator) / 5
        target.append(make_rows(f"video {index}", truths, generator))
    return preds, target


def make_rows(video, count, generator):
    segments = (torch.rand(count, 2, generator=generator) * 10).sort(dim=1).values
    return {
        "video_id": video,
        "segments": segments,
        "labels": torch.randint(0, NUM_CLASSES, (count,), generator=generator),
    }


def evaluate(preds, target, batch_size=4):
    metric = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    for start in range(0, len(preds), batch_size):
        metric.update(preds[start : start + batch_size], target[start : start + batch_size])
    return metric.compute()


def assert_same_digits(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


def test_shapes_types_and_means():
    result = evaluate(*make_videos())
    assert {value.dtype for value in result.values()} == {torch.float64}
    assert result["ap"].shape == (NUM_CLASSES, 9)
    torch.testing.assert_close(result["map_per_tiou"], result["ap"].mean(dim=0))
    torch.testing.assert_close(result["map_per_class"], result["ap"].mean(dim=1))
    torch.testing.assert_close(result["map"], result["ap"].mean())
    assert 0 < result["map"] < result["recall@1"] < result["recall@5"] < 1


def test_perfect_predictions_score_one_and_classes_without_events_are_nan():
    _, target = make_videos()
    target = [
        {
            **video,
            "segments": video["segments"][video["labels"] != 1],
            "labels": video["labels"][video["labels"] != 1],
        }
        for video in target
    ]
    result = evaluate([video | {"scores": torch.rand(len(video["labels"]))} for video in target], target)
    assert result["map"] == result["recall@5"] == 1
    assert result["map_per_class"].isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_order_and_batch_size_change_no_digit(batch_size):
    preds, target = make_videos()
    order = random.Random(batch_size).sample(range(len(preds)), len(preds))
    shuffled = evaluate([preds[i] for i in order], [target[i] for i in order], batch_size)
    assert_same_digits(shuffled, evaluate(preds, target))


def parts_of(metric, videos, random):
    """Give a metric videos in random order, in batches of random sizes, some of them empty."""
    pairs = random.sample(videos, len(videos))
    ends = sorted(random.choices(range(len(pairs) + 1), k=3))
    for start, end in zip([0, *ends], [*ends, len(pairs)], strict=True):
        metric.update(*([pair[side] for pair in pairs[start:end]] for side in (0, 1)))
    return metric


@settings(max_examples=8)
@given(st.integers(1, 12), st.integers(0, 3), st.randoms())
def test_no_split_over_updates_and_ranks_changes_a_digit(count, seed, random):
    """Three ranks share the videos; what one of them has, another may have as well."""
    videos = list(zip(*make_videos(count, seed), strict=True))
    shares = [videos, random.sample(videos, random.randint(0, count)), []]
    first, *others = (
        parts_of(DenseMeanAveragePrecision(num_classes=NUM_CLASSES), share, random)
        for share in random.sample(shares, 3)
    )
    for other in others:
        first.merge_state(other)
    assert_same_digits(first.compute(), evaluate(*make_videos(count, seed)))


def test_videos_seen_twice_count_once():
    preds, target = make_videos()
    assert_same_digits(evaluate(preds + preds[:5], target + target[:5]), evaluate(preds, target))


def test_forward_returns_the_batch_and_keeps_all():
    preds, target = make_videos()
    metric = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    assert_same_digits(metric(preds[:6], target[:6]), evaluate(preds[:6], target[:6]))
    metric(preds[6:], target[6:])
    assert_same_digits(metric.compute(), evaluate(preds, target))


def test_reset_forgets_and_an_empty_update_adds_nothing():
    preds, target = make_videos()
    metric = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    metric.update(*make_videos(seed=1))
    metric.reset()
    metric.update([], [])
    metric.update(preds, target)
    assert_same_digits(metric.compute(), evaluate(preds, target))


def evaluate_as_rank(rank, folder):
    """Ranks see unequal shares and two videos in common; of the second metric, rank 1 sees nothing."""
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    preds, target = make_videos()
    shared = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    lonely = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    part = slice(0, 9) if rank == 0 else slice(7, None)
    shared.update(preds[part], target[part])
    lonely.update(*((preds, target) if rank == 0 else ([], [])))
    torch.save((shared.compute(), lonely.compute()), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_digits_of_one(tmp_path: Path):
    torch.multiprocessing.spawn(evaluate_as_rank, (tmp_path,), nprocs=2)
    expected = evaluate(*make_videos())
    for rank in (0, 1):
        for result in torch.load(tmp_path / f"{rank}.pt"):
            assert_same_digits(result, expected)


PREDICTION = {
    "video_id": "v",
    "segments": torch.tensor([[0.0, 1.0]]),
    "scores": torch.tensor([0.5]),
    "labels": torch.tensor([0]),
}
EVENT = {"video_id": "v", "segments": torch.tensor([[0.0, 1.0]]), "labels": torch.tensor([0])}


@pytest.mark.parametrize(
    ("preds", "target", "message"),
    [
        ([PREDICTION], [], "preds holds 1 videos, but target 0"),
        ([PREDICTION], [EVENT | {"video_id": "w"}], r"preds\[0\] is video 'v', but target\[0\] 'w'"),
        ([EVENT], [EVENT], r"preds\[0\] lacks scores"),
        ([PREDICTION | {"segments": torch.zeros(1, 3)}], [EVENT], r"preds\[0\] \(video 'v'\) needs segments"),
        ([PREDICTION | {"scores": torch.zeros(2)}], [EVENT], r"preds\[0\] \(video 'v'\) needs segments"),
        ([PREDICTION], [EVENT | {"labels": torch.tensor([3])}], "video 'v': a label outside 0..2 in its events"),
        ([PREDICTION | {"labels": torch.tensor([-1])}], [EVENT], "a label outside 0..2 in its predictions"),
        ([PREDICTION | {"scores": torch.tensor([math.nan])}], [EVENT], "'v': a number that is not finite"),
        ([PREDICTION], [EVENT | {"segments": torch.tensor([[2.0, 1.0]])}], "'v': a segment that ends before it"),
    ],
)
def test_bad_input_names_the_video(preds, target, message):
    metric = DenseMeanAveragePrecision(num_classes=NUM_CLASSES)
    with pytest.raises(UserError, match=message):
        metric.update(preds, target)


def test_a_bad_row_is_traced_to_its_video_in_a_batch():
    preds, target = make_videos()
    preds[4]["scores"][2] = math.inf
    with pytest.raises(UserError, match="'video 4'"):
        DenseMeanAveragePrecision(num_classes=NUM_CLASSES).update(preds, target)


def test_finite_scores_may_be_too_large_to_be_added():
    preds, target = make_videos()
    large = [video | {"scores": video["scores"].double() * torch.finfo(torch.float64).max} for video in preds]
    assert_same_digits(evaluate(large, target), evaluate(preds, target))


def test_thresholds_must_lie_in_the_unit_interval():
    with pytest.raises(UserError, match="tiou_thresholds"):
        DenseMeanAveragePrecision(num_classes=NUM_CLASSES, tiou_thresholds=[0.5, 1.5])
