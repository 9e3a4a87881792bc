import numpy as np
import pytest
import torch

from avel.batch import collate_clips
from avel.data.ave_annotations import KEY, read_ave_annotations
from avel.data.clips import ClipDataset, ClipFeatures
from avel.data.h5 import H5Array
from tests.unit.data.ave_files import CLASSES, FEATURES, LABELS, SNIPPETS, VIDEOS, write_ave

ROWS = np.array([7, 0, 13, 2])
MAPS = np.concatenate([FEATURES["visual_feature.h5"], FEATURES["visual_feature_noisy.h5"]]).astype(np.float32)
AUDIO = np.concatenate([FEATURES["audio_feature.h5"], FEATURES["audio_feature_noisy.h5"]]).astype(np.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_ave(tmp_path_factory.mktemp("data") / "ave")


def features(root, *, pool=False):
    def open_both(name):
        axes = dict.fromkeys(range(FEATURES[name].ndim))
        return tuple(H5Array(root / file, KEY, axes) for file in (name, name.replace(".h5", "_noisy.h5")))

    return ClipFeatures(open_both("visual_feature.h5"), open_both("audio_feature.h5"), pool)


def dataset(root, *, pool=False, **options):
    annotations = read_ave_annotations(root / "Annotations.txt", snippets=SNIPPETS).with_background(2)
    return ClipDataset(annotations, ROWS, features(root, pool=pool), **options)


def test_clips_carry_the_features_and_labels_of_their_rows(root):
    data = dataset(root)
    clips = [data[index] for index in range(len(data))]
    assert [clip.video for clip in clips] == [VIDEOS[7], VIDEOS[0], "background_001", VIDEOS[2]]
    assert [clip.video_label for clip in clips] == [CLASSES[7], CLASSES[0], 3, CLASSES[2]]
    assert [clip.labels.tolist() for clip in clips] == [*LABELS[[7, 0]].tolist(), [3] * 4, [3] * 4]
    for clip, row in zip(clips, ROWS, strict=True):
        assert clip.visual.dtype == clip.audio.dtype == torch.float32
        torch.testing.assert_close(clip.visual, torch.from_numpy(MAPS[row]), rtol=0, atol=0)
        torch.testing.assert_close(clip.audio, torch.from_numpy(AUDIO[row]), rtol=0, atol=0)
    assert torch.equal(data[1, 5].visual, data[1].visual)


def test_pooled_maps_are_averages(root):
    data = dataset(root, pool=True)
    for index, row in enumerate(ROWS):
        torch.testing.assert_close(data[index].visual, torch.from_numpy(MAPS[row]).mean(dim=(1, 2)))


@pytest.mark.parametrize("pool", [False, True])
def test_single_snippets_are_the_snippets_of_the_clips(root, pool):
    whole, single = dataset(root, pool=pool), dataset(root, pool=pool, single_snippets=True)
    assert len(single) == SNIPPETS * len(whole)
    for index in range(len(single)):
        clip, part = whole[index // SNIPPETS], single[index, 3]
        time = slice(index % SNIPPETS, index % SNIPPETS + 1)
        assert (part.video, part.video_label) == (clip.video, clip.video_label)
        for name in ("visual", "audio", "labels"):
            torch.testing.assert_close(getattr(part, name), getattr(clip, name)[time])


def test_a_row_beyond_all_files_is_an_error(root):
    with pytest.raises(IndexError, match="there are fewer videos"):
        features(root).load([14], [slice(None)])


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("single_snippets", [False, True])
def test_a_batch_holds_the_same_clips_as_one_by_one_and_is_not_copied(root, pool, single_snippets):
    data = dataset(root, pool=pool, single_snippets=single_snippets)
    keys = [(3, 1), (2, 1), (0, 1), (3, 1)]
    clips = data.__getitems__(keys)
    batch = collate_clips(clips)
    assert batch.videos == [data[key].video for key in keys]
    for name in ("visual", "audio", "labels"):
        alone = torch.stack([getattr(data[key], name) for key in keys])
        torch.testing.assert_close(getattr(batch, name), alone, rtol=0, atol=0)
    assert batch.visual.data_ptr() == clips[0].visual.data_ptr()
