import json
import multiprocessing
import pickle

import h5py
import numpy as np
import pytest
import torch

from avel.data.families import FAMILIES
from avel.data.feature_reader import Shape
from avel.data.manifest import manifest_of
from avel.data.pack_folder import pack_folder
from avel.data.packed import PackedFeatures
from avel.errors import UserError
from tests.unit.data.files import write_own_features

LENGTHS = {"a": 3, "b": 5, "c": 1}


@pytest.fixture
def folder(tmp_path):
    return write_own_features(tmp_path / "own", LENGTHS)


@pytest.fixture
def path(folder, tmp_path):
    pack_folder(folder, tmp_path / "x.h5")
    return tmp_path / "x.h5"


def test_each_video_is_read_as_it_was(path, folder):
    packed = PackedFeatures(path)
    assert packed.videos() == ["a", "b", "c"]
    assert packed.missing(["d", "b", "e"]) == ["d", "e"]
    for video, length in LENGTHS.items():
        visual, audio = packed.read(video)
        assert np.array_equal(visual, np.load(folder / f"{video}_v.npy"))
        assert np.array_equal(audio, np.load(folder / f"{video}_a.npy"))
        assert packed.shape(video) == Shape(length, length, 3, 2)


def test_a_video_that_is_not_there_is_named(path):
    packed = PackedFeatures(path)
    for ask in (packed.read, packed.shape, lambda video: packed.expect([video])):
        with pytest.raises(UserError, match=r"x\.h5: holds no features of video 'd': pack the features again"):
            ask("d")


def test_writing_to_features_does_not_change_the_file(path):
    before = path.read_bytes()
    packed = PackedFeatures(path)
    packed.read("a")[0].zero_()
    assert path.read_bytes() == before
    assert PackedFeatures(path).read("a")[0].any()


def child(packed, connection):
    connection.send([part.numpy().copy() for part in packed.read("b")])
    connection.close()


def test_workers_read_what_their_parent_has_opened(path):
    packed = PackedFeatures(path)
    expected = packed.read("b")
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(packed, sender))
    process.start()
    sender.close()
    received = receiver.recv()
    process.join()
    assert all(np.array_equal(one, other) for one, other in zip(received, expected, strict=True))


def test_it_can_be_pickled_when_it_is_open(path):
    packed = PackedFeatures(path)
    packed.expect(["a", "b"])
    expected = packed.read("a")[0]
    assert torch.equal(pickle.loads(pickle.dumps(packed)).read("a")[0], expected)


def test_a_file_that_is_replaced_meanwhile_does_no_harm(path, folder, tmp_path):
    expected, packed = PackedFeatures(path).read("b")[0].clone(), PackedFeatures(path)  # of which nothing was read yet
    sent = pickle.dumps(packed)
    write_own_features(folder, {"a": 9})
    pack_folder(folder, path, force=True)
    assert torch.equal(packed.read("b")[0], expected)
    with pytest.raises(UserError, match=r"was replaced while it was in use: start again"):
        pickle.loads(sent).read("b")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(path, bad):
    with h5py.File(path, "r+") as file:
        file["audio"][4, 1] = bad
    packed = PackedFeatures(path)
    packed.read("a")
    with pytest.raises(UserError, match=r"x\.h5: video 'b': holds NaN or infinite values: pack the features again"):
        packed.read("b")


def test_values_whose_sum_is_infinite_are_numbers_all_the_same(path):
    with h5py.File(path, "r+") as file:
        file["audio"][3:8] = 3e38
    assert PackedFeatures(path).read("b")[1].min() > 2e38


def replaced(file, key, value, **options):
    del file[key]
    file.create_dataset(key, data=value, **options)


def text(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


DAMAGE = {
    "no array": (lambda file: file.__delitem__("audio"), "'audio': no such array"),
    "other dtype": (
        lambda file: replaced(file, "visual", np.ones((9, 3), ">f4")),
        "'visual': must be float32 or float16",
    ),
    "whole numbers": (lambda file: replaced(file, "visual", np.ones((9, 3), int)), "'visual': must hold numbers"),
    "compressed": (
        lambda file: replaced(file, "visual", np.ones((9, 3), "f4"), compression="gzip"),
        "'visual': is stored in chunks or compressed",
    ),
    "lengths": (
        lambda file: replaced(file, "visual_lengths", [3, 5, 2]),
        "'visual_lengths': do not add up to the 9 rows",
    ),
    "negative lengths": (lambda file: replaced(file, "visual_lengths", [3, 7, -1]), "'visual_lengths': do not add up"),
    "too few lengths": (lambda file: replaced(file, "visual_lengths", [9]), "'visual_lengths': must have the shape"),
    "ids": (lambda file: replaced(file, "videos", text(["a", "b", "b"])), "'videos': must be a list of ids"),
    "no ids": (lambda file: replaced(file, "videos", text({"a": 1})), "'videos': must be a list of ids"),
    "no text": (lambda file: replaced(file, "videos", np.array([255, 0], "u1")), "'videos': is damaged"),
    "manifest": (lambda file: replaced(file, "manifest", text([1])), "'manifest': must say which files were packed"),
    "endings": (lambda file: replaced(file, "manifest", text({"visual": "x", "audio": []})), "'manifest': must say"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_named(path, damage, message):
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(UserError, match=rf"x\.h5: {message}"):
        PackedFeatures(path)


def test_a_flipped_byte_anywhere_never_ends_in_a_foreign_error(path):
    """Damage is either harmless or told as such."""
    whole, told = path.read_bytes(), []
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            packed = PackedFeatures(path)
            for video in packed.videos():
                packed.read(video)
        except UserError as error:
            told.append(str(error))
    assert len(told) > 5
    assert all(message.startswith(f"{path}: ") for message in told)


def test_what_is_no_packed_file_is_refused(path, tmp_path):
    with pytest.raises(UserError, match="nowhere.h5: 'manifest': no such file|nowhere.h5: no such file"):
        PackedFeatures(tmp_path / "nowhere.h5")
    (tmp_path / "page.h5").write_text("<html>404</html>")
    with pytest.raises(UserError, match=r"page\.h5: 'manifest': cannot be read as HDF5"):
        PackedFeatures(tmp_path / "page.h5")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"x\.h5: .*(cannot be read as HDF5|is cut off)"):
        PackedFeatures(path)


def link_outside(file, key, other):
    del file[key]
    file[key] = h5py.ExternalLink(str(other), key)


def link_inside(file, key, other):
    file["there"] = file[key][()]
    del file[key]
    file[key] = h5py.SoftLink("/there")


def external_storage(file, key, other):
    values = file[key][()]
    del file[key]
    file.create_dataset(key, values.shape, values.dtype, external=[(str(other), 0, values.nbytes)])


def virtual(file, key, other):
    values = file[key][()]
    del file[key]
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource(str(other), key, values.shape)
    file.create_virtual_dataset(key, layout)


@pytest.mark.parametrize("key", ["visual", "audio_lengths", "manifest"])
@pytest.mark.parametrize("elsewhere", [link_outside, link_inside, external_storage, virtual])
def test_nothing_outside_of_the_file_is_read(path, folder, tmp_path, key, elsewhere):
    pack_folder(folder, tmp_path / "other.h5")
    with h5py.File(path, "r+") as file:
        elsewhere(file, key, tmp_path / "other.h5")
    with pytest.raises(UserError, match=rf"x\.h5: '{key}': must be an array in this file, not a group or a link"):
        PackedFeatures(path)


def test_features_may_lack_audio(tmp_path):
    family = FAMILIES["one_peace"]
    np.save(tmp_path / "a_rgb.npy", np.ones((4, 3), np.float32))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest_of(family) | {"visual": ["_rgb.npy"], "audio": []}))
    pack_folder(tmp_path, tmp_path / "features.h5")
    packed = PackedFeatures(tmp_path / "features.h5")
    visual, audio = packed.read("a")
    assert (visual.shape, audio.shape) == ((4, 3), (4, 0))
    assert packed.shape("a") == Shape(4, 4, 3, 0)
