"""Finding pretrained networks: in a folder, among what was downloaded before, on a hub of three files."""

import hashlib
import json
import shutil
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import torch

from avel.errors import UserError
from avel.extraction.hub import Pretrained, load_config, load_network, load_processor, weights_of

pytest.importorskip("transformers")
constants = pytest.importorskip("huggingface_hub.constants")
load_file = pytest.importorskip("safetensors.torch").load_file

NAME, COMMIT = "someone/clip", "0" * 40


class Hub(BaseHTTPRequestHandler):
    """The files of a folder as the model `NAME`; notes what is asked for."""

    def __init__(self, folder, asked, *connection):
        self.folder, self.asked = folder, asked
        super().__init__(*connection)

    def do_GET(self):
        self.asked.append(self.path)
        file = self.folder / self.path.rpartition("/")[2]
        if self.path.startswith(f"/api/models/{NAME}"):
            listed = [{"rfilename": path.name} for path in self.folder.iterdir()]
            self.answer(200, json.dumps({"id": NAME, "sha": COMMIT, "siblings": listed}).encode())
        elif self.path.startswith(f"/{NAME}/resolve/") and file.exists():
            self.answer(200, file.read_bytes())
        else:
            self.answer(404, b"", **{"X-Error-Code": "EntryNotFound" if NAME in self.path else "RepoNotFound"})

    do_HEAD = do_GET

    def answer(self, status, body, **headers):
        self.send_response(status)
        etag = f'"{hashlib.blake2b(body).hexdigest()}"'
        for key, value in ({"X-Repo-Commit": COMMIT, "ETag": etag, "Content-Length": len(body)} | headers).items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def move_hub(monkeypatch, endpoint, cache):
    files = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


@pytest.fixture
def model(tmp_path, folders):
    """A copy of a tiny CLIP."""
    return shutil.copytree(folders("clip"), tmp_path / "model")


@pytest.fixture
def hub(tmp_path, monkeypatch, model):
    """Starts a hub with the tiny CLIP on this machine, and an empty cache; gives what was asked for."""
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, model, asked))
    Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    move_hub(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    """Nobody listens where the hub should be."""
    move_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")


def load(name):
    source = weights_of(name)
    network = load_network(source, "CLIPModel", load_config(source, "clip"))
    return network.state_dict(), load_processor(source, "image_processor")


def test_a_model_is_downloaded_once(hub, folders):
    first, processor = load(NAME)
    assert [path for path in hub if path.endswith("model.safetensors")]
    hub.clear()
    again, _ = load(NAME)
    assert hub == []
    here, wanted = load(folders("clip"))
    assert processor == wanted
    assert all(first[key].equal(tensor) and again[key].equal(tensor) for key, tensor in here.items())


def test_nobody_is_asked_to_convert_weights(hub, model):
    (weights,) = model.glob("*.safetensors")
    torch.save(load_file(weights), model / "pytorch_model.bin")
    weights.unlink()
    load(NAME)
    hub.clear()
    load(NAME)
    for thread in threading.enumerate():
        if "conversion" in thread.name:
            thread.join()
    assert hub == []


def test_a_model_that_the_hub_does_not_have(hub):
    with pytest.raises(UserError, match=r"weights=someone/else: cannot be loaded[\s\S]*asking the hub: .*404"):
        load("someone/else")


def test_a_hub_that_does_not_answer_is_told_at_once(no_hub):
    with pytest.raises(UserError, match=r"weights=someone/clip: cannot be loaded[\s\S]*asking the hub: .*refused"):
        load(NAME)


def test_offline_by_wish(no_hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"asking the hub: .*offline mode is enabled"):
        load(NAME)


def test_what_is_wrong_with_a_folder_is_told(folders, tmp_path, no_hub):
    with pytest.raises(UserError, match=r"nowhere: cannot be loaded"):
        load(tmp_path / "nowhere")
    shutil.copytree(folders("clip"), tmp_path / "broken")
    (tmp_path / "broken" / "preprocessor_config.json").write_text("{")
    with pytest.raises(UserError, match=r"weights=.*broken: .*preprocessor_config\.json: cannot be read"):
        load(tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"broken: cannot be loaded"):
        load(tmp_path / "broken")


def test_code_beside_weights_is_neither_run_nor_asked_about(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoConfig": "code.Config"}}')
    (tmp_path / "code.py").write_text("print('run')")
    with pytest.raises(UserError, match=r"cannot be loaded.*\n.*custom code"):
        load_config(weights_of(tmp_path), "clip")
    assert capsys.readouterr().out == ""


def test_a_section_of_the_whole_processor_comes_first(tmp_path):
    for name, value in (("preprocessor_config", {"a": 1}), ("processor_config", {"video_processor": {"b": 2}})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    assert load_processor(weights_of(tmp_path), "video_processor") == {"b": 2}
    assert load_processor(weights_of(tmp_path), "feature_extractor") == {"a": 1}


def test_transformers_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"weights=a/b: .*Install the optional packages: pip install -e '\.\[media\]'"):
        weights_of("a/b").load(lambda package, local: None)
    with pytest.raises(UserError, match="--encoder=a: "):
        Pretrained("a", "--encoder=a").load(lambda package, local: None)
