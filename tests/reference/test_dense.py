"""CCNet and UnAV against the released codes: outputs, losses, gradients, ten training steps, official names."""

import json

import pytest
import torch
from lightning import Trainer
from torch import Tensor
from torch.testing import assert_close

from avel.batch import Batch, DensePrediction
from avel.losses.dense import DenseLosses
from avel.segments.targets import DenseTargets
from avel.training.averaging import ExponentialMovingAverage
from tests.reference import methods
from tests.reference.decoding import check_decoding
from tests.reference.history import History
from tests.reference.loader import FOLDER, Case, find_cases

CASES = find_cases(kind="dense", methods=("unav", "ccnet"))
FORWARD = [case for case in CASES if "history" not in case.expected]
TRAJECTORIES = [case for case in CASES if "history" in case.expected]
TRAINED = [(case, name) for case in FORWARD for name in case.expected if name.startswith("train_")]


def padded(case: Case) -> Batch:
    """The input as the released code pads it: to the maximal length, or to the coarsest stride beyond it."""
    longest, stride = int(case.tensors["in.lengths"].max()), 2 ** case.config["backbone_arch"][2]
    return methods.batch(case, pad=max(case.config["max_seq_len"], -(-longest // stride) * stride))


def targets(case: Case) -> DenseTargets:
    return DenseTargets(case.tensors["gt.cls_labels"].float(), case.tensors["gt.offsets"])


def test_there_are_cases():
    assert FORWARD
    assert TRAJECTORIES


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_forward_of_released_batch(case):
    with torch.inference_mode():
        method, batch = methods.build(case, row_mask="released").eval(), padded(case)
        features, masks = method.pyramid(batch.visual, batch.audio, batch.mask)
        assert [mask.shape[1] for mask in masks] == case.tensors["out.level_lengths"].tolist()
        assert_close(torch.cat(features, 1).mT, case.tensors["mid.backbone"], **case.tolerance)
        if "mid.neck" in case.tensors:
            neck = method.dependency if case.method == "unav" else method.collaboration
            assert_close(torch.cat(neck(features, masks), 1).mT, case.tensors["mid.neck"], **case.tolerance)
        prediction = method(batch)
    assert torch.equal(prediction.mask.long(), case.tensors["out.masks"])
    assert_close(prediction.logits, case.tensors["out.cls_logits"], **case.tolerance)
    assert_close(prediction.offsets, case.tensors["out.offsets"], **case.tolerance)


@pytest.mark.parametrize("case", [c for c in FORWARD if "single.cls_logits" in c.tensors], ids=str)
def test_batch_mates_do_not_matter(case):
    with torch.inference_mode():
        prediction = methods.build(case).eval()(padded(case))
    assert_close(prediction.logits, case.tensors["single.cls_logits"], **case.tolerance)
    assert_close(prediction.offsets, case.tensors["single.offsets"], **case.tolerance)


@pytest.mark.parametrize("case", [c for c in FORWARD if "single.cls_logits" in c.tensors], ids=str)
def test_cropped_padding_is_exact(case):
    method, full = methods.build(case).eval(), padded(case)
    for row, length in enumerate(full.lengths.tolist()):
        alone = full.windows([row], [0], method.padded_length(length))
        with torch.inference_mode():
            prediction = method(alone)
        valid = case.tensors["out.masks"][row].bool()
        assert_close(
            prediction.logits[prediction.mask],
            case.tensors["single.cls_logits"][row][valid],
            **case.tolerance,
        )
        assert_close(prediction.offsets[prediction.mask], case.tensors["single.offsets"][row][valid], **case.tolerance)


@pytest.mark.parametrize(("case", "name"), TRAINED, ids=lambda value: str(value))
def test_losses_and_gradients(case, name):
    expected = case.expected[name]
    options = {
        "train_legacy_masks": ({}, "released"),
        "train_corrected_temporal_mask": ({}, "per_video"),
        "train_legacy_auto_balanced_loss_weight_-1": ({"regression_weight": None}, "released"),
        "train_legacy_label_smoothing_0.1": ({"label_smoothing": 0.1}, "released"),
    }
    changes, row_mask = options[name]
    method = methods.build(case, row_mask=row_mask, loss=methods.loss(case.config, **changes))

    losses = method.criterion(method(padded(case)), targets(case))
    check_losses(losses, method.criterion.normalizer, expected)
    if "second_call" in expected:
        again = method.criterion(method(padded(case)), targets(case))
        check_losses(again, method.criterion.normalizer, expected["second_call"])
    if "grad_norms" in expected:
        losses.total.backward()
        check_gradients(case, method, expected, exact=name == "train_legacy_masks")


def check_losses(losses: DenseLosses, normalizer: Tensor, expected: dict) -> None:
    values = torch.stack([losses.classification, losses.regression, losses.total, normalizer])
    names = ("cls_loss", "reg_loss", "final_loss", "loss_normalizer_after")
    assert_close(values.detach(), torch.tensor([expected[n] for n in names]), rtol=1e-5, atol=1e-7)


def check_gradients(case: Case, method: torch.nn.Module, expected: dict, *, exact: bool) -> None:
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == expected["params_without_grad"]
    table = methods.TABLES[case.method]
    for name, norm in expected["grad_norms"].items():
        ours = gradients[methods.official.rename(name, table)].norm().item()
        assert ours == pytest.approx(norm, rel=1e-3, abs=1e-7), name
    total = torch.stack([gradient.norm() for gradient in gradients.values()]).norm().item()
    assert total == pytest.approx(expected["total_grad_norm"], rel=1e-3)
    for name, gradient in case.select("grad.").items() if exact else ():
        ours = gradients[methods.official.rename(name, table)]
        assert_close(ours, gradient.reshape(ours.shape), rtol=1e-3, atol=1e-5 * float(gradient.abs().max()) + 1e-8)


@pytest.mark.parametrize("case", [c for c in FORWARD if "cand.count" in c.tensors], ids=str)
def test_candidates_and_detections(case):
    check_decoding(
        methods.decoder(case.config["test_cfg"]),
        DensePrediction(case.tensors["out.cls_logits"], case.tensors["out.offsets"], case.tensors["out.masks"].bool()),
        padded(case),
        case.config["backbone_arch"][2] + 1,
        case.select("cand."),
        case.select("det."),
        tolerance=1e-5,
    )


def check_gradient_norms(rows: list[dict], expected: list[dict]) -> None:
    """Equal at all steps but at most one, where the gradient may jump.

    Perturbing the weights of `unav-trajectory` by 1e-7 moves its eighth norm by up to 1 % (in float64 it is 0.8 % off),
    the other nine by 2e-5 at most.
    """
    ours, reference = (torch.tensor([row["grad_norm_before_clip"] for row in table]) for table in (rows, expected))
    difference = (ours / reference - 1).abs()
    assert (difference > 1e-3).sum() <= 1, difference
    assert difference.max() < 0.05, difference


@pytest.mark.parametrize("case", TRAJECTORIES, ids=str)
def test_training_steps(case, tmp_path):
    """The whole recipe through a real Trainer: loss, clipping, AdamW groups, schedule, moving average."""
    config, expected = case.config, case.expected["history"]

    class OnGivenTargets(methods.METHODS[case.method]):
        def losses(self, batch: Batch) -> DenseLosses:
            return self.criterion(self(batch), targets(case))

    method = methods.build(case, row_mask="released", kind=OnGivenTargets, optimizer=methods.recipe(config))
    schedule = config["scheduler"]
    history = History(len(expected))
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=schedule["warmup_epochs"] + schedule["epochs"],
        callbacks=[history, ExponentialMovingAverage(config["ema_decay"], warmup=False)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    steps = [methods.batch(case, pad=config["max_seq_len"])] * schedule["iterations_per_epoch"]
    trainer.fit(method, torch.utils.data.DataLoader(steps, batch_size=None))

    assert len(history.rows) == len(expected)
    for row, reference in zip(history.rows, expected, strict=True):
        for name in row.keys() - {"grad_norm_before_clip"}:
            assert row[name] == pytest.approx(reference[name], rel=1e-3, abs=1e-9), (name, reference["iteration"])
    check_gradient_norms(history.rows, expected)
    for prefix, state in (("final.", history.raw), ("ema.", method.state_dict())):
        reference = case.select(prefix)
        assert reference
        for name, value in methods.official.convert(
            reference, methods.TABLES[case.method], state, partial=True
        ).items():
            assert_close(state[name], value, rtol=case.tolerance["rtol"], atol=2e-4, msg=f"{prefix}{name}")


def official_keys() -> list[dict]:
    documents = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*-full-keys.json"))]
    return [document for document in documents if document.get("method") in methods.METHODS]


@pytest.mark.parametrize("document", official_keys(), ids=lambda document: document["method"])
def test_official_names_match_one_to_one(document):
    with torch.device("meta"):
        values = methods.arguments(document["method"], document["config"])
        method = methods.METHODS[document["method"]](**values)
        released = {name: torch.empty(shape) for name, shape in document["state_dict"]}
    ours = method.state_dict()
    state = methods.official.convert(released, methods.TABLES[document["method"]], ours)
    assert len(state) == len(released) == document["tensors"]
    assert set(ours) - set(state) == {"criterion.normalizer"}
    assert sum(p.numel() for p in method.parameters()) == document["total_parameters"]
