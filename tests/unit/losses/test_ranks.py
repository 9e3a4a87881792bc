"""Two processes learn what one with all their videos learns."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch.testing import assert_close

from avel.batch import DensePrediction
from avel.losses.dense import DenseCriterion, DenseLossConfig
from avel.losses.pair_similarity import StaleSimilarityTargets
from avel.losses.ranks import mean_over_ranks, own_rows, rows_of_all
from avel.segments.targets import DenseTargets
from tests.unit.losses.test_dense import case
from tests.unit.methods.clips import random_clips
from tests.unit.methods.test_cmran import narrow


def dense(weight, rows):
    """Loss and its gradients of some rows of a batch, behind a step on another one."""
    prediction, targets = case(4)
    criterion = DenseCriterion(DenseLossConfig(regression_weight=weight))
    for _ in range(2):
        found = DensePrediction(prediction.logits[rows], prediction.offsets[rows], prediction.mask[rows])
        losses = criterion(found, DenseTargets(targets.labels[rows], targets.offsets[rows]))
    gradients = torch.autograd.grad(losses.total, (prediction.logits, prediction.offsets))
    return {"loss": losses.total, "normalizer": criterion.normalizer, "logits": gradients[0], "offsets": gradients[1]}


def cmran(rows):
    """The same of CMRAN, for its classifier; clips of background alone do not count there."""
    clips = random_clips(count=4)
    clips.video_labels[1] = 3
    tensors = {f.name: getattr(clips, f.name)[rows] for f in fields(clips) if f.name not in ("videos", "task")}
    method = narrow().eval()
    loss = method.losses(replace(clips, **tensors))["classification"]
    loss.backward()
    return {"loss": loss, "classify": method.classify.weight.grad}


def learn(rows):
    parts = {"fixed": dense(1.0, rows), "balanced": dense(None, rows), "cmran": cmran(rows)}
    return {f"{name}.{key}": value.detach() for name, part in parts.items() for key, value in part.items()}


def stale_targets():
    """Targets of two batches, as rows of all ranks, and what is left behind them."""
    events = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    stale = StaleSimilarityTargets()
    targets = [rows_of_all(stale(own_rows(event))) for event in events]
    return [*targets, stale.get_extra_state()]


def learn_as_rank(rank, folder):
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    together = {name: mean_over_ranks(value) for name, value in learn(slice(rank, None, 2)).items()}
    torch.save((together, stale_targets()), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    torch.multiprocessing.spawn(learn_as_rank, (tmp_path,), nprocs=2)
    alone, targets = learn(slice(None)), stale_targets()
    for rank in (0, 1):
        together, of_all = torch.load(tmp_path / f"{rank}.pt")
        assert_close(together, alone)
        assert_close(of_all, targets, rtol=0, atol=0)
