import pytest
import torch

from avel.batch import DensePrediction
from avel.losses.dense import DenseCriterion, DenseLossConfig
from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import assign_targets


def case(events: int, *, class_aware: bool = True):
    """A prediction for 2 videos of 16 snippets with that many events, and their targets."""
    generator = torch.Generator().manual_seed(events)
    points = pyramid_points(16, default_ranges(3))
    start = torch.rand(2, events, generator=generator) * 8
    segments = torch.stack([start, start + 1 + torch.rand(2, events, generator=generator) * 7], dim=2)
    labels = torch.randint(3, (2, events), generator=generator)
    targets = assign_targets(points, segments, labels, num_classes=3, class_aware=class_aware)
    shape = (2, 28, 3, 2) if class_aware else (2, 28, 2)
    prediction = DensePrediction(
        torch.randn(2, 28, 3, generator=generator).requires_grad_(),
        torch.rand(*shape, generator=generator).requires_grad_(),
        torch.ones(2, 28, dtype=torch.bool),
    )
    return prediction, targets


@pytest.mark.parametrize("class_aware", [True, False])
@pytest.mark.parametrize("weight", [1.0, None])
@pytest.mark.parametrize("events", [0, 1, 4])
def test_every_batch_has_finite_losses_and_gradients(events, weight, class_aware):
    prediction, targets = case(events, class_aware=class_aware)
    losses = DenseCriterion(DenseLossConfig(regression_weight=weight))(prediction, targets)
    losses.total.backward()
    assert losses.total.isfinite()
    assert prediction.logits.grad.isfinite().all()
    assert prediction.offsets.grad.isfinite().all()
    assert (losses.regression > 0) == (events > 0)


def test_padded_points_count_for_nothing():
    prediction, targets = case(4)
    criterion = DenseCriterion(DenseLossConfig())
    prediction.mask[1] = False
    alone = DensePrediction(*(t[:1] for t in (prediction.logits, prediction.offsets, prediction.mask)))
    of_first = type(targets)(targets.labels[:1], targets.offsets[:1])
    both = criterion(prediction, targets)
    again = DenseCriterion(DenseLossConfig())(alone, of_first)
    assert both.total.item() == pytest.approx(again.total.item())


def test_the_normalizer_follows_the_number_of_positive_points():
    prediction, targets = case(4)
    criterion = DenseCriterion(DenseLossConfig(initial_normalizer=100, normalizer_momentum=0.8))
    positives = targets.labels.any(dim=2).sum().item()
    assert positives > 1
    criterion(prediction, targets)
    assert criterion.normalizer.item() == pytest.approx(80 + 0.2 * positives)
    criterion(prediction, case(0)[1])
    assert criterion.normalizer.item() == pytest.approx(0.8 * (80 + 0.2 * positives) + 0.2)
    assert "normalizer" in criterion.state_dict()


def test_automatic_weight_balances_both_losses():
    prediction, targets = case(4)
    losses = DenseCriterion(DenseLossConfig(regression_weight=None))(prediction, targets)
    assert losses.total.item() == pytest.approx(2 * losses.classification.item())
