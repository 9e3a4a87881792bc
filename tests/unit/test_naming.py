import pytest

from avel.extraction.encoders.spectral import SpectralPictures
from avel.naming import class_below


def test_a_class_is_found_by_its_name():
    name = "avel.extraction.encoders.spectral.SpectralPictures"
    assert class_below("avel.extraction.encoders", name) is SpectralPictures


@pytest.mark.parametrize(
    "name",
    [
        "",
        "os.system",
        "subprocess.Popen",
        "avel.errors.UserError",
        "avel.extraction.encoders",
        "avel.extraction.encoders.",
        "avel.extraction.encoders.nowhere.Encoder",
        "avel.extraction.encoders.nowhere.deeper.Encoder",
        "avel.extraction.encoders.spectral.Nobody",
        "avel.extraction.encoders.spectral.surroundings",  # a function
        "avel.extraction.encoders.spectral.UserError",  # from elsewhere
        "avel.extraction.encoders.spectral.SpectralPictures.settings",
    ],
)
def test_nothing_else_is(name):
    assert class_below("avel.extraction.encoders", name) is None
