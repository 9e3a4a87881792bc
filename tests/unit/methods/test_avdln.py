from dataclasses import replace

import h5py
import pytest
import torch
from torch.testing import assert_close

from avel.errors import UserError
from avel.losses.contrastive import contrastive_loss, pair_distance
from avel.methods.avdln import AVDLN
from avel.tasks.loading import load_method
from avel.training.optim import StepRecipe
from tests.unit.keras_files import write_keras
from tests.unit.methods.clips import C, random_clips

KERAS = {
    "dense_1": (6, 5),
    "dense_2": (5, 3),
    "dense_3": (4, 5),
    "dense_4": (5, 3),
}


def narrow(seed=0, **changes):
    torch.manual_seed(seed)
    return AVDLN(**{"num_classes": C, "visual_dim": 6, "audio_dim": 4, "hidden_dim": 5, "embedding_dim": 3, **changes})


def test_embeds_both_modalities_in_one_space():
    method, batch = narrow(), random_clips()
    visual, audio = method.embed(batch)
    assert visual.shape == audio.shape == (4, 5, 3)
    vectors = replace(batch, visual=batch.visual.mean(dim=(2, 3)))
    assert_close(method.embed(vectors)[0], visual)


def test_maps_and_vectors_of_one_position_are_the_same():
    method, batch = narrow(), random_clips(height=1, width=1)
    assert_close(method.embed(replace(batch, visual=batch.visual[:, :, 0, 0])), method.embed(batch))


def test_learns_which_seconds_belong_to_events():
    method, batch = narrow(margin=1.5), random_clips()
    expected = contrastive_loss(pair_distance(*method.embed(batch)), batch.labels < C, 1.5)
    assert_close(method.losses(batch), {"contrastive": expected})


def test_every_weight_learns():
    method = narrow()
    method.losses(random_clips())["contrastive"].backward()
    assert [name for name, p in method.named_parameters() if not p.grad.any()] == []


def test_weights_start_as_in_keras():
    method = narrow(visual_dim=300, hidden_dim=200)
    bound = (6 / 500) ** 0.5
    weight = method.visual[0].weight
    assert 0.95 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not any(layer.bias.any() for net in (method.visual, method.audio) for layer in (net[0], net[2]))


def test_a_checkpoint_rebuilds_it(tmp_path):
    method = narrow(margin=1.0, optimizer=StepRecipe(eps=1e-7))
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert again.hparams == method.hparams
    assert_close(again.state_dict(), method.state_dict(), rtol=0, atol=0)


def test_released_weights_bring_their_sizes(tmp_path):
    weights = write_keras(tmp_path / "weights.h5", KERAS)
    method = load_method(tmp_path / "weights.h5")
    assert not method.training
    assert dict(method.hparams) == {
        "num_classes": 28,
        "visual_dim": 6,
        "audio_dim": 4,
        "hidden_dim": 5,
        "embedding_dim": 3,
        "margin": 2.0,
        "optimizer": None,
    }
    batch = random_clips()
    hidden = batch.audio @ weights["dense_3/kernel"] + weights["dense_3/bias"]
    hidden = hidden.where(hidden > 0, 0.3 * hidden)
    assert_close(method.embed(batch)[1], hidden @ weights["dense_4/kernel"] + weights["dense_4/bias"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense_5": (3, 3)}, "dense_5/kernel has no counterpart"),
        ({"dense_4": (5, 2)}, "dense_4/kernel has shape"),
        ({"dense_1": None}, "of no method that is known"),
        ({"dense_3": None}, "looks like AVDLN, .*audio.0.weight"),
        ({"dense_2": (5, 3, 3)}, "dense_2/kernel has shape"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, change, message):
    layers = {name: shape for name, shape in (KERAS | change).items() if shape}
    write_keras(tmp_path / "weights.h5", layers)
    with pytest.raises(UserError, match=rf"(?s)weights.h5 cannot be opened as a checkpoint.*{message}"):
        load_method(tmp_path / "weights.h5")


def test_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["avadataset"] = [0]
    with pytest.raises(UserError, match="other.h5 cannot be read as a weight file of Keras"):
        load_method(tmp_path / "other.h5")
