"""Files as the authors' codes wrote them, with the cases' weights: recognized, converted, with the cases' outputs."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from avel.tasks.conversion import Conversion, convert_released, write_conversion
from avel.tasks.loading import load_method
from tests.reference import actionformer, authors, test_cmran, test_matching, test_segment, uniav
from tests.reference.loader import FOLDER, Case, find_cases
from tests.reference.test_actionformer import short_videos
from tests.reference.test_dense import padded

DENSE = find_cases(kind="dense", methods=("unav", "ccnet"))


def converted(file, given) -> nn.Module:
    """The method of a released file, by way of a checkpoint."""
    conversion, checkpoint = convert_released(file, given=given), file.with_name("converted.ckpt")
    write_conversion(conversion, checkpoint)
    assert set(conversion.network.assumed).isdisjoint(given)
    return load_method(checkpoint)


def check_same(method: nn.Module, expected: nn.Module) -> None:
    """Check weights, bit by bit, but those that are not in released files."""
    assert type(method) is type(expected)
    ours, theirs = ({k: v for k, v in m.state_dict().items() if "normalizer" not in k} for m in (method, expected))
    assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("case", [case for case in DENSE if "out.cls_logits" in case.tensors], ids=str)
def test_training_states_of_unav_and_ccnet(case: Case, tmp_path):
    config, file = case.config, tmp_path / "model_best.pth.tar"
    authors.write_training_state(file, case.weights)
    given = {"pyramid.heads": config["n_head"], "pyramid.positions": config.get("use_abs_pe", True)}
    length = {"max_length": config["max_seq_len"]} if case.method == "unav" else {}  # CCNet's weights tell it
    method = converted(file, given | length)
    assert method.max_length == config["max_seq_len"]
    with torch.inference_mode():
        prediction = method(padded(case))
    assert_close(prediction.logits, case.tensors["out.cls_logits"], **case.tolerance)
    assert_close(prediction.offsets, case.tensors["out.offsets"], **case.tolerance)


@pytest.mark.parametrize("case", find_cases(kind="dense", methods=("ActionFormer",)), ids=str)
def test_training_states_of_actionformer(case: Case, tmp_path):
    sizes, file = actionformer.sizes(case.config["model"]), tmp_path / "epoch_030.pth.tar"
    authors.write_training_state(file, case.weights)
    pyramid = sizes["pyramid"]
    told = {"pyramid.heads": pyramid.heads, "pyramid.windows": list(pyramid.windows)}
    given = {"max_length": sizes["max_length"], "pyramid.positions": pyramid.positions}
    method = converted(file, given if pyramid.relative_positions else given | told)
    check_same(method, actionformer.build(case))
    batch = short_videos(case).pad_to(method.max_length)
    with torch.inference_mode():
        prediction = method(batch)
    logits = [case.tensors[f"eval.logits.l{level}"] for level in range(len(case.select("eval.logits.")))]
    assert_close(prediction.logits, torch.cat(logits, dim=1), **case.tolerance)


@pytest.mark.parametrize("case", find_cases(kind="dense", methods=("UniAV",)), ids=str)
def test_training_states_of_uniav(case: Case, tmp_path):
    file, expected = tmp_path / "epoch_005.pth.tar", uniav.build(case).eval()
    authors.write_training_state(file, case.weights)
    given = {f"tasks.{name}.max_length": task.max_length for name, task in expected.tasks.items()}
    given |= {f"tasks.{name}.num_classes": t.num_classes for name, t in expected.tasks.items() if not t.class_aware}
    given["pyramid.heads"] = case.config["model"]["n_head"]
    method = converted(file, given)
    for task in case.config["tasks"]:
        name = uniav.NAMES[task]
        method.set_prompts(name, case.tensors[f"in.{task}.prompt"])  # lie apart
        batch = method.padded(uniav.whole_videos(case, task))
        with torch.inference_mode():
            prediction, wanted = method(batch), expected(batch)
        logits = [case.tensors[f"eval.{task}.logits.l{n}"] for n in range(len(case.select(f"eval.{task}.logits.")))]
        assert_close(prediction.logits, torch.cat(logits, dim=1), **case.tolerance)
        assert torch.equal(prediction.offsets, wanted.offsets)
    check_same(method, expected)

    method, checkpoint = uniav.build(case), convert_released(file, given=given).checkpoint
    method.on_load_checkpoint(checkpoint)  # as a trainer does, whose configuration names the files of the prompts
    method.load_state_dict(checkpoint["state_dict"])
    check_same(method, expected)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("case", test_segment.CASES, ids=str)
def test_whole_modules(case: Case, legacy, tmp_path):
    file = tmp_path / f"{case.method}.pt"
    authors.write_module(file, case.weights, authors.CLASSES[case.method], legacy=legacy)
    given = {"supervision": "weak"} if case.method == "W-AV-att" else {}
    if case.config.get("nb_block", 1) > 1:
        given["fusion_blocks"] = case.config["nb_block"]
    method, expected = converted(file, given), test_segment.build(case)
    check_same(method, expected)
    with torch.inference_mode():
        output = method(test_segment.batch(case))
        assert_close(output.attention, case.tensors["mid/attention_map"], **case.tolerance)
        assert torch.equal(output.logits, expected.eval()(test_segment.batch(case)).logits)
    if "out/segment_logits" in case.tensors:
        assert_close(output.logits, case.tensors["out/segment_logits"], **case.tolerance)


@pytest.mark.parametrize("case", test_cmran.CASES, ids=str)
def test_state_dicts_of_cmran(case: Case, tmp_path):
    file = tmp_path / "epoch_48_76.095_task_Supervised_best_model.pth.tar"
    torch.save({f"module.{name}": tensor.double() for name, tensor in case.weights.items()}, file)
    heads = {ours: case.config[theirs] for ours, theirs in test_cmran.HEADS.items()}
    background = {"num_classes": case.config["classes"] - 1}
    weak = {"supervision": "weak"} if case.method == "CMRAN-weak" else {"supervision": "full"}
    method = converted(file, heads | background | weak)
    check_same(method, test_cmran.build(case))
    with torch.inference_mode():
        output = method(test_cmran.batch(case))
    assert_close(output.relevance, case.tensors["out/event_relevance_logit"], **case.tolerance)


@pytest.mark.parametrize("case", test_matching.CASES, ids=str)
def test_weights_of_avdln(case: Case, tmp_path):
    authors.write_keras(tmp_path / "cmm_model_weights.h5", case.weights)
    method = converted(tmp_path / "cmm_model_weights.h5", {"num_classes": 1})
    check_same(method, test_matching.build(case))
    with torch.inference_mode():
        visual, audio = method.embed(test_matching.pairs(case))
    assert_close(visual.flatten(0, 1), case.tensors["out/embed_visual"], **case.tolerance)
    assert_close(audio.flatten(0, 1), case.tensors["out/embed_audio"], **case.tolerance)


KEYS = sorted(FOLDER.glob("*-full-keys.json"))
I3D = {"backbone.embd_V.0.conv.weight": 2048, "backbone.embd_A.0.conv.weight": 128}


def of_published_size(keys: Path, changes: dict[str, int], file: Path) -> Conversion:
    """A file that has all names and shapes, and few numbers: all tensors share them."""
    document = json.loads(keys.read_text())
    shapes = {
        name: [shape[0], changes[name], *shape[2:]] if name in changes else shape
        for name, shape in document.get("state_dict", document.get("parameters"))
    }
    numbers = torch.zeros(max(map(math.prod, shapes.values())), dtype=torch.uint8, device="cpu")
    tensors = {f"module.{name}": numbers[: math.prod(shape)].view(shape) for name, shape in shapes.items()}
    torch.save({"state_dict": tensors, "state_dict_ema": tensors}, file)
    return convert_released(file, map_location="meta")


@pytest.mark.slow
@pytest.mark.parametrize("keys", [keys for keys in KEYS if "avdln" not in keys.name], ids=lambda keys: keys.stem)
def test_published_sizes_are_recognized(keys: Path, tmp_path):
    with torch.device("meta"):
        conversion = of_published_size(keys, {}, tmp_path / "model.pth.tar")
    arguments, weights = conversion.network.arguments, conversion.checkpoint["state_dict"].values()
    config = json.loads(keys.read_text())["config"]
    if isinstance(config, dict):  # else the name of a file of the released code
        theirs = {"num_classes": "num_classes", "input_dim_V": "visual_dim", "input_dim_A": "audio_dim"}
        theirs |= {"max_seq_len": "max_length", "visual_dim": "visual_dim", "lstm_hidden": "lstm_dim"}
        assert {ours: arguments[ours] for name, ours in theirs.items() if name in config} == {
            ours: config[name] for name, ours in theirs.items() if name in config
        }
    assert all(tensor.device.type == "meta" for tensor in weights)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [keys for keys in KEYS if keys.name.startswith("ccnet")], ids=lambda keys: keys.stem)
def test_ccnet_has_the_widths_of_its_features(keys: Path, tmp_path):
    """Both families of features are published."""
    with torch.device("meta"):
        conversion = of_published_size(keys, I3D, tmp_path / "model.pth.tar")
    read = conversion.network.sizes.read
    assert (read["visual_dim"], read["audio_dim"], read["max_length"]) == (2048, 128, 256)
