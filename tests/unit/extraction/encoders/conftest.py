import shutil

import pytest

from tests.vgg_weights import write_components, write_keras, write_torchvision, write_vggish


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A folder with weight files like the published ones, and what is in them: file name -> tensors."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "vggish").mkdir()
    held = {
        "vgg19.pth": write_torchvision(folder / "vgg19.pth"),
        "vggish": write_vggish(folder / "vggish" / "vggish.pth") | write_components(folder / "vggish" / "pca.pth"),
    }
    write_keras(folder / "vgg19.h5", held["vgg19.pth"])
    yield folder, held
    shutil.rmtree(folder)  # half a gigabyte
