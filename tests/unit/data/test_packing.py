from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avel.data.feature_reader import Shape
from avel.data.packed import PackedFeatures
from avel.data.packing import pack
from avel.errors import UserError

MANIFEST = {"visual": ["_v.npy"], "audio": ["_a.npy"], "fps": 8, "stride": 4, "window": 8}


@dataclass
class Memory:
    """Features in memory; see `FeatureReader`."""

    features: dict[str, tuple[torch.Tensor, torch.Tensor]]
    place: Path = Path("memory")
    sought: str = "features"
    read_before: list[str] = field(default_factory=list)

    def describe(self, video):
        return "in memory"

    def videos(self):
        return list(self.features)

    def shape(self, video):
        visual, audio = self.features[video]
        return Shape(len(visual), len(audio), visual.shape[1], audio.shape[1])

    def read(self, video):
        self.read_before.append(video)
        return self.features[video]


def of(**arrays_by_video):
    return Memory({v: (torch.as_tensor(x), torch.as_tensor(x)[:, :1]) for v, x in arrays_by_video.items()})


def ones(length, width=2):
    return np.ones((length, width), np.float32)


floats = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(3)), elements=st.floats(-6e4, 6e4, width=32))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(videos=st.dictionaries(st.text(min_size=1, max_size=3), floats, min_size=1, max_size=4))
def test_what_is_packed_is_read_again(tmp_path, videos):
    source = of(**{video: torch.from_numpy(values) for video, values in videos.items()})
    for dtype, kept in (("float32", np.float32), ("float16", np.float16)):
        pack(source, list(videos), MANIFEST, tmp_path / "x.h5", dtype=dtype)
        packed = PackedFeatures(tmp_path / "x.h5")
        assert (packed.videos(), packed.dtype) == (sorted(videos), dtype)
        for video, values in videos.items():
            visual, audio = packed.read(video)
            assert visual.dtype == torch.float32
            assert np.array_equal(visual, values.astype(kept))
            assert np.array_equal(audio, values[:, :1].astype(kept))


def test_lengths_may_differ_and_stay_so(tmp_path):
    source = Memory({"a": (torch.ones(5, 2), torch.ones(3, 1)), "b": (torch.ones(2, 2), torch.ones(4, 1))})
    pack(source, ["b", "a"], MANIFEST, tmp_path / "x.h5")
    packed = PackedFeatures(tmp_path / "x.h5")
    assert [packed.shape(video) for video in ("a", "b")] == [Shape(5, 3, 2, 1), Shape(2, 4, 2, 1)]


def test_float16_takes_half_the_space(tmp_path):
    source = of(a=ones(5000, 20))
    sizes = {}
    for dtype in ("float32", "float16"):
        sizes[dtype] = pack(source, ["a"], MANIFEST, tmp_path / "x.h5", dtype=dtype).path.stat().st_size
    assert sizes["float16"] == pytest.approx(sizes["float32"] / 2, rel=0.1)


def test_what_float16_rounds_more_than_it_should_is_counted(tmp_path):
    values = torch.tensor([[1.0, 0.1], [1e-7, 1000.3]])
    packing = pack(of(a=values), ["a"], MANIFEST, tmp_path / "x.h5", dtype="float16")
    assert (packing.rounding.values, packing.rounding.coarse) == (6, 2)  # 1e-7 is in audio, too
    assert packing.rounding.largest == pytest.approx(0.2, abs=0.01)
    assert list(packing.lines())[1].startswith("2 of 6 values are too small for the precision of float16")
    assert len(list(pack(of(a=values), ["a"], MANIFEST, tmp_path / "x.h5").lines())) == 1


def test_what_is_too_large_for_float16_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"memory: video 'b' has values up to 1e\+05, float16 ends at 65504"):
        pack(of(a=ones(2), b=-1e5 * ones(2)), ["a", "b"], MANIFEST, tmp_path / "x.h5", dtype="float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "videos", "options", "message"),
    [
        (of(a=ones(2)), [], {}, "memory: holds no features to pack, looked for features"),
        (of(a=ones(2)), ["a"], {"dtype": "float8"}, "dtype=float8: unknown, choose one of float32, float16"),
        (
            of(a=ones(2), b=ones(2, 3)),
            ["a", "b"],
            {},
            r"features of 'b' \(in memory\) are 3 and 1 wide, those of",
        ),
    ],
)
def test_what_cannot_be_packed_is_told(tmp_path, source, videos, options, message):
    with pytest.raises(UserError, match=message):
        pack(source, videos, MANIFEST, tmp_path / "x.h5", **options)
    assert list(tmp_path.iterdir()) == []


def interrupted(videos, description):
    yield videos[0]
    if description == "Packing":
        raise KeyboardInterrupt
    yield from videos[1:]


def test_who_interrupts_leaves_nothing_half_and_the_old_file_whole(tmp_path):
    source = of(a=ones(2), b=ones(3))
    with pytest.raises(KeyboardInterrupt):
        pack(source, ["a", "b"], MANIFEST, tmp_path / "x.h5", track=interrupted)
    assert list(tmp_path.iterdir()) == []
    pack(source, ["a"], MANIFEST, tmp_path / "x.h5")
    with pytest.raises(KeyboardInterrupt):
        pack(source, ["a", "b"], MANIFEST, tmp_path / "x.h5", track=interrupted)
    assert PackedFeatures(tmp_path / "x.h5").videos() == ["a"]


def test_features_that_change_meanwhile_are_noticed(tmp_path):
    source = of(a=ones(2), b=ones(3))

    def changing(videos, description):
        if description == "Packing":
            source.features["b"] = (torch.ones(1, 2), torch.ones(1, 1))
        return videos

    with pytest.raises(UserError, match="features of video 'b' changed meanwhile: start again"):
        pack(source, ["a", "b"], MANIFEST, tmp_path / "x.h5", track=changing)


def test_what_the_disk_spoils_is_noticed(tmp_path):
    def spoiling(videos, description):
        if description == "Verifying":
            (path,) = tmp_path.iterdir()
            with h5py.File(path, "r+", locking=False) as file:
                file["visual"][4, 1] = 3
        return videos

    with pytest.raises(UserError, match="video 'b' is not what was written: is the disk damaged"):
        pack(of(a=ones(2), b=ones(3)), ["a", "b"], MANIFEST, tmp_path / "x.h5", track=spoiling)
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_has_no_room_for_is_not_begun(tmp_path):
    petabytes = torch.ones(1, 1).expand(10**9, 10**6)
    with pytest.raises(UserError, match=r"x\.h5: needs 3725294.0 GiB, the disk has .*: make room"):
        pack(of(a=petabytes), ["a"], MANIFEST, tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_may_be_longer_than_an_attribute(tmp_path):
    files = {f"video {number}": {"blake2b": "0" * 32} for number in range(2000)}
    pack(of(a=ones(2)), ["a"], MANIFEST | {"files": files}, tmp_path / "x.h5")
    assert PackedFeatures(tmp_path / "x.h5").videos() == ["a"]
