import shutil
from contextlib import suppress

import pytest
import torch

from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from avel.tasks.loading import (
    AnyCheckpointIO,
    changed_arguments,
    check_same_classes,
    check_same_features,
    check_weights,
    load_method,
    open_checkpoint,
)
from tests.unit.checkpoints import hostile
from tests.unit.methods.narrow import narrow
from tests.unit.methods.test_uniav import narrow as narrow_uniav


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_a_checkpoint_rebuilds_its_method(kind, tmp_path):
    method = narrow(kind)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert type(again) is kind
    assert again.hparams == method.hparams
    assert not again.training
    for name, tensor in method.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("name", ["os.system", "avel.methods.unav.torch", "avel.methods.no.No", "avel.methods.", ""])
def test_a_checkpoint_cannot_name_anything_else(name, tmp_path):
    torch.save({"method": name, "hyper_parameters": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="bad.ckpt names no method of avel"):
        load_method(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_what_is_no_checkpoint_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "bad.ckpt").write_bytes(content)
    with pytest.raises(UserError, match="bad.ckpt cannot be opened as a checkpoint"):
        load_method(tmp_path / "bad.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        {"hyper_parameters": {}},
        {"hyper_parameters": 3},
        {"hyper_parameters": {"nothing": 3}},
        {"state_dict": None},
        {"state_dict": {"weight": torch.zeros(1)}},
    ],
)
def test_a_checkpoint_that_does_not_fit_itself_is_named(change, tmp_path):
    whole = {"method": "avel.methods.avdln.AVDLN", "state_dict": {}}
    whole["hyper_parameters"] = {"visual_dim": 3, "audio_dim": 3, "num_classes": 2}
    torch.save(whole | change, tmp_path / "odd.ckpt")
    with pytest.raises(UserError, match=r"odd.ckpt: AVDLN cannot be built of what it holds \(\w+: "):
        load_method(tmp_path / "odd.ckpt")


def test_options_of_the_network_that_changed_are_told(tmp_path):
    checkpoint = {}
    narrow(UnAV).on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    assert changed_arguments(tmp_path / "method.ckpt", narrow(UnAV)) == {}
    changed = narrow(UnAV, row_mask="released", decoder=DenseDecoder(nms="hard"))
    assert changed_arguments(tmp_path / "method.ckpt", changed) == {"row_mask": ("per_video", "released")}


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "tensor.ckpt")
    with pytest.raises(UserError, match=r"tensor.ckpt cannot be opened as a checkpoint: it is not of a run of avel"):
        load_method(tmp_path / "tensor.ckpt")


class Known:
    """A data set that knows how its features were made."""

    def __init__(self, **features):
        self.features = features

    def memory(self):
        return {"class_names": ["dog"], "features": self.features}


@pytest.mark.parametrize("data", [Known(), Known(fps=8, encoders={"hop": 0.5})])
@pytest.mark.parametrize(
    "learned", [{}, {"": {}}, {"": Known().memory()}, {"": Known(fps=8, encoders={"hop": 0.5}).memory()}]
)
def test_features_may_be_the_same_or_unknown(data, learned, tmp_path):
    torch.save({"hyper_parameters": {}, "data": learned}, tmp_path / "last.ckpt")
    check_same_features(tmp_path / "last.ckpt", {"": data})


@pytest.mark.parametrize(("task", "where"), [("", "features that"), ("sounds", "features of the task sounds that")])
def test_other_features_than_those_learned_from_are_refused(task, where, tmp_path):
    learned = Known(fps=8, encoders={"hop": 0.5}).memory()
    torch.save({"hyper_parameters": {}, "data": {"other": learned, task: learned}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=rf"last.ckpt: learned from {where}") as error:
        check_same_features(tmp_path / "last.ckpt", {task: Known(fps=8, encoders={"hop": 0.25})})
    assert str(error.value).splitlines()[1:] == ["  encoders.hop: 0.5 (checkpoint), 0.25 (data)"]


class Named:
    """A data set that knows its classes."""

    def __init__(self, *class_names):
        self.class_names = class_names

    def memory(self):
        return {"class_names": list(self.class_names)}


@pytest.mark.parametrize(
    "learned", [{}, {"": {}}, {"": Named("dog", "cat").memory()}, {"other": Named("owl").memory()}]
)
def test_classes_may_be_the_same_or_unknown(learned, tmp_path):
    torch.save({"hyper_parameters": {}, "data": learned}, tmp_path / "last.ckpt")
    check_same_classes(tmp_path / "last.ckpt", {"": Named("dog", "cat")})


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        (("dog", "owl"), "class 1 is cat in the checkpoint, owl in the data"),
        (("cat", "dog"), "class 0 is dog in the checkpoint, cat in the data"),
        (("dog",), "class 1 is cat in the checkpoint, nothing in the data"),
        (("dog", "cat", "owl"), "class 2 is nothing in the checkpoint, owl in the data"),
    ],
)
def test_other_classes_or_another_order_are_refused(now, difference, tmp_path):
    torch.save({"hyper_parameters": {}, "data": {"sounds": Named("dog", "cat").memory()}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=f"classes of the task sounds .*: {difference}. Repeat the data.class_names"):
        check_same_classes(tmp_path / "last.ckpt", {"sounds": Named(*now)})


def test_only_a_network_that_numbers_classes_needs_the_same():
    assert narrow(UnAV).classes_by_order
    assert not narrow(UnAV, decoder=DenseDecoder(class_scores="other.json")).classes_by_order
    assert not narrow_uniav().classes_by_order


@pytest.fixture
def run_checkpoint(tmp_path):
    """A checkpoint of a run that could go on."""
    checkpoint = {"loops": {}, "epoch": 2, "global_step": 9, "pytorch-lightning_version": "2.5"}
    method = narrow(UnAV)
    checkpoint["state_dict"] = method.state_dict()
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_a_changed_number_is_noticed_and_another_checkpoint_offered(run_checkpoint):
    previous = run_checkpoint.with_name("previous.ckpt")
    shutil.copy(run_checkpoint, previous)
    content = bytearray(run_checkpoint.read_bytes())
    weight = max(torch.load(previous, weights_only=True)["state_dict"].values(), key=torch.numel)
    content[content.index(weight.numpy().tobytes())] ^= 1
    run_checkpoint.write_bytes(content)
    assert check_weights(run_checkpoint, resumes=True) == 3  # which looks at no numbers
    for use in (open_checkpoint, load_method, AnyCheckpointIO().load_checkpoint):
        with pytest.raises(
            UserError, match=rf"last\.ckpt cannot be opened as a checkpoint: is damaged.*\n{previous} is whole"
        ):
            use(run_checkpoint)


def test_a_torn_checkpoint_is_refused_at_once(run_checkpoint):
    shutil.copy(run_checkpoint, run_checkpoint.with_name("previous.ckpt"))
    run_checkpoint.write_bytes(run_checkpoint.read_bytes()[:-100])
    with pytest.raises(
        UserError,
        match=r"this is no checkpoint of a run, or a damaged one: .*\n.*previous\.ckpt is whole \(epoch 3, step 9\)",
    ):
        check_weights(run_checkpoint, resumes=True)


def hostile_files(trace, folder):
    """Write files that would run code or take all memory, one after the other."""
    path = folder / "bad.ckpt"
    for name, content in hostile.bombs(2000).items():
        path.write_bytes(content)
        yield name, path
    for name, call in hostile.calls(trace).items():
        for place, content in hostile.places(call).items():
            for layout in ("archive", "stream"):
                hostile.write(path, content, layout)
                yield f"{name}, {place}, {layout}", path
        hostile.write(path, {"hyper_parameters": {"dim": call}}, "archive")
        yield f"{name}, argument", path


def test_no_door_lets_a_hostile_file_do_anything(tmp_path):
    trace = tmp_path / "trace"
    for name, path in hostile_files(trace, tmp_path):
        with pytest.raises(UserError):
            check_weights(path, resumes=True)
        for use in (load_method, check_same_classes, AnyCheckpointIO().load_checkpoint):
            with suppress(UserError):
                use(path, *[{}] * (use is check_same_classes))
        assert not trace.exists(), name


def test_no_memory_is_taken_for_sizes_that_are_not_those_of_the_weights(tmp_path):
    method = narrow(UnAV)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    checkpoint["hyper_parameters"]["visual_dim"] = 10**12
    torch.save(checkpoint, tmp_path / "large.ckpt")
    with pytest.raises(UserError, match="size mismatch for pyramid"):
        load_method(tmp_path / "large.ckpt")
