import pytest


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny pretrained networks by their names, each written when it is first asked for."""
    pytest.importorskip("transformers")
    from tests.unit.extraction.encoders import tiny

    root = tmp_path_factory.mktemp("pretrained")

    def folder(name):
        if not (root / name).exists():
            getattr(tiny, name)(root / name)
        return root / name

    return folder
