from avel.batch import TimeGrid
from avel.data.families import FAMILIES, FeatureFamily

OWN = FeatureFamily(
    visual=(".npy",), audio=(), grid=TimeGrid(fps=30, stride=4, window=16), max_length=8, prefix="v_", native_fps=True
)


def test_files_of_a_video_have_names():
    assert OWN.names("a") == ["v_a.npy"]
    assert FAMILIES["i3d_vggish"].names("a") == ["a_rgb.npy", "a_flow.npy", "a_vggish.npy"]
    assert FAMILIES["i3d_vggish"].patterns() == "*_rgb.npy and *_flow.npy and *_vggish.npy"


def test_frames_are_counted_at_the_rate_of_the_video_where_the_family_does_so():
    assert OWN.grid_at(25) == TimeGrid(fps=25, stride=4, window=16)
    assert OWN.grid_at(None).fps == 30
    assert FAMILIES["one_peace"].grid_at(25).fps == 16
