import gzip
import io
import pickle
import struct
import sys
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from avel.errors import UserError
from avel.torch_files import pickled, unpickling
from avel.torch_files.pickled import MAGIC, check_sums, read_pickled, tensors_of
from avel.torch_files.unpickling import Inert
from tests.reference.authors import historical
from tests.unit.checkpoints import hostile

LAYOUTS = ("archive", "stream", "first pickle", "protocol 5", "tar")


def network(kind=nn.Module):
    root = kind()
    root.lstm, root.norm = nn.LSTM(3, 2, bidirectional=True), nn.BatchNorm1d(3)
    root.layers = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Tanh(), nn.TransformerEncoderLayer(2, 1, 3))
    root.register_buffer("passing", torch.zeros(2), persistent=False)
    return root


def saved(path, content, **options):
    with warnings.catch_warnings(action="ignore"):
        torch.save(content, path, **options)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A whole module as an archive and as a stream; its class is gone."""
    folder = tmp_path_factory.mktemp("files")
    with historical("models", "att_Net") as kind:
        module = network(kind)
        saved(folder / "archive.pt", module)
        saved(folder / "stream.pt", module, _use_new_zipfile_serialization=False)
    return folder, module.state_dict()


@pytest.mark.parametrize("layout", ["archive", "stream"])
def test_whole_modules_give_their_state_dict(files, layout):
    folder, expected = files
    module = read_pickled(folder / f"{layout}.pt")
    assert isinstance(module, Inert)
    assert type(module).__name__ == "att_Net"
    assert "models" not in sys.modules
    found = tensors_of(module)
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_that_were_saved(tmp_path, dtype, zipped):
    whole = torch.arange(12).reshape(3, 4).to(dtype)
    content = {"whole": whole, "part": whole[1:, ::2], "turned": whole.T, "none": whole[:0], "scalar": whole[2, 3]}
    found = read_pickled(saved(tmp_path / "file.pt", content, _use_new_zipfile_serialization=zipped))
    assert_close(found, content, rtol=0, atol=0)


class Variable:
    """Pickles like the parameters of PyTorch 0.3: class, tensor, and whether it learns."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return nn.Parameter, (self.data,), (True, False, {})


def test_parameters_of_old_versions(tmp_path):
    module = nn.Module()
    module._parameters["weight"] = Variable(torch.arange(3.0))
    path = saved(tmp_path / "old.pt", module, _use_new_zipfile_serialization=False)
    assert tensors_of(read_pickled(path))["weight"].tolist() == [0, 1, 2]


def test_what_surrounds_old_modules_is_held_and_not_run(tmp_path):
    """As PyTorch 0.3 pickled a module that had run on a GPU: backend, and states that say that they are none."""
    backend, rnn = ModuleType("torch.nn.backends.thnn"), ModuleType("torch.backends.cudnn.rnn")
    backend.forbidden = type("forbidden", (), {"__module__": backend.__name__, "__setstate__": lambda *_: 1 / 0})
    there = {name: sys.modules.get(name) for name in (backend.__name__, rnn.__name__)}
    sys.modules |= {backend.__name__: backend, rnn.__name__: rnn}
    rnn.Unserializable = type("Unserializable", (), {"__module__": rnn.__name__, "__getstate__": lambda _: "<none>"})
    try:
        module = nn.Linear(2, 1)
        module._backend, module.state = backend.forbidden(), {"desc_0": rnn.Unserializable()}
        path = saved(tmp_path / "old.pt", module, _use_new_zipfile_serialization=False)
    finally:
        for name, module_there in there.items():
            sys.modules.pop(name)
            if module_there:
                sys.modules[name] = module_there
    assert tensors_of(read_pickled(path)).keys() == {"weight", "bias"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_code_of_a_file_is_run(tmp_path, layout):
    """Whatever it calls, and wherever it hides."""
    trace, path = tmp_path / "trace", tmp_path / "weights.pt"
    for name, call in hostile.calls(trace).items():
        for place, content in hostile.places(call).items():
            hostile.write(path, content, layout)
            with pytest.raises(UserError) as error:
                read_pickled(path)
            assert not trace.exists(), (name, place)
            if layout == "tar":
                assert "is a tar archive" in str(error.value)
            elif place == "alone" or (layout in ("archive", "protocol 5") and not place.endswith("module")):
                assert f"names {name}," in str(error.value).replace("__builtin__", "builtins")
            else:  # something else may come first, such as the class of the module
                assert " names " in str(error.value)


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "torch.storage._load_from_bytes"])
def test_those_files_do_run_code_elsewhere(tmp_path, name):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(hostile.calls(trace)[name]))
    assert trace.exists()


def test_names_with_dots_lead_nowhere(tmp_path):
    """Since protocol 4 a name may go on behind a module: that of a known one must not lead to another."""
    trace = tmp_path / "trace"
    name, command = b"modules.module.torch.os.system", f"touch {trace}".encode()
    words = [b"torch.nn", name, command]
    module, function, argument = (b"\x8c" + bytes([len(word)]) + word for word in words)
    content = b"\x80\x04" + module + function + b"\x93" + argument + b"\x85R."
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    found = read_pickled(tmp_path / "weights.pt")
    assert isinstance(found, Inert)
    assert not trace.exists()


def test_a_pickle_cannot_change_what_the_next_one_finds(tmp_path):
    """BUILD sets attributes of whatever is on the stack, functions and classes included."""
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    build = b"\x80\x02" + rebuild + b"}(X\x0c\x00\x00\x00__defaults__\x88X\x04\x00\x00\x00markK\x01ub."
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("archive/data.pkl", build)
    with pytest.raises(UserError, match="it changes a function"):
        read_pickled(tmp_path / "bad.pt")
    whole = saved(tmp_path / "good.pt", {"weight": torch.ones(2)})
    assert read_pickled(whole)["weight"].tolist() == [1, 1]
    assert not hasattr(unpickling._tensor, "mark")


def stream(*parts):
    """A file as PyTorch before 1.6 began it."""
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    return b"".join([*(pickle.dumps(part, 2) for part in (MAGIC, 1001, sizes)), *parts])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged, or no file of weights"),
        (b"no weights", "is damaged, or no file of weights"),
        (pickle.dumps([1, 2]), "does not begin like a file of PyTorch"),
        (stream(), "is damaged, or no file of weights"),
        (stream(pickle.dumps({"a": 1}, 2), pickle.dumps(["7"], 2), struct.pack("<q", 4)), "is damaged"),
    ],
)
def test_other_files_get_one_message(tmp_path, content, message):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(UserError, match=rf"bad.pt: .*{message}"):
        read_pickled(tmp_path / "bad.pt")


class Announced(pickle.Pickler):
    def persistent_id(self, obj):
        return ("storage", torch.FloatStorage, "0", "cpu", 10**15, None) if isinstance(obj, range) else None


def test_more_numbers_than_the_file_has_are_not_waited_for(tmp_path):
    content = io.BytesIO()
    Announced(content, 2).dump(range(3))
    (tmp_path / "huge.pt").write_bytes(stream(content.getvalue()))
    with pytest.raises(UserError, match="announces more numbers than it holds"):
        read_pickled(tmp_path / "huge.pt")


def test_no_memory_is_reserved_because_a_pickle_says_so(tmp_path):
    """Objects are numbered, and a list of as many as the highest number would fill any memory."""
    content = b"\x80\x02Nr\xff\xff\xff\xff."
    (tmp_path / "huge.pt").write_bytes(stream(content, pickle.dumps([], 2)))
    assert read_pickled(tmp_path / "huge.pt") is None


def test_shapes_alone_can_be_read(files):
    folder, expected = files
    for layout in ("archive", "stream"):
        found = tensors_of(read_pickled(folder / f"{layout}.pt", device="meta"))
        assert {name: tensor.shape for name, tensor in found.items()} == {k: v.shape for k, v in expected.items()}
        assert all(tensor.is_meta for tensor in found.values())


def test_objects_of_classes_can_be_refused(files, tmp_path):
    """Checkpoints of runs have none."""
    folder, expected = files
    for layout in ("archive", "stream"):
        with pytest.raises(UserError, match=rf"{layout}\.pt: names models\.att_Net"):
            read_pickled(folder / f"{layout}.pt", classes=False)
    plain = saved(tmp_path / "plain.pt", {"weights": expected, "epoch": 3, "rates": (0.1, None)})
    assert_close(read_pickled(plain, classes=False), torch.load(plain, weights_only=True), rtol=0, atol=0)


@settings(max_examples=20)
@given(data=st.data())
def test_damage_to_a_part_of_an_archive_is_noticed(tmp_path_factory, data):
    """Every bit of every part counts; PyTorch looks at none."""
    path = saved(tmp_path_factory.mktemp("flipped") / "bad.pt", {"weight": torch.full((64,), 7.0), "epoch": 3})
    check_sums(path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        part = data.draw(st.sampled_from([entry for entry in archive.infolist() if entry.file_size]))
        with archive.open(part) as opened:
            start = opened._orig_compress_start
    content[start + data.draw(st.integers(0, part.file_size - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.pt: is damaged, .*CRC"):
        check_sums(path)


def test_what_the_disk_does_not_give_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_pickled(tmp_path / "none.pt")
    with pytest.raises(OSError, match="Input/output error"):
        read_pickled(Path("/proc/self/mem"))


@pytest.mark.parametrize("name", hostile.bombs(1))
def test_small_files_take_neither_memory_nor_stack(tmp_path, name):
    (tmp_path / "bomb.pt").write_bytes(hostile.bombs(5000)[name])
    with suppress(UserError):
        read_pickled(tmp_path / "bomb.pt", classes=False)


def test_damaged_numbers_are_noticed(tmp_path):
    """Sums stand in the archive; PyTorch does not look at them."""
    path = saved(tmp_path / "bad.pt", {"weight": torch.full((64,), 7.0)})
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<2f", 7, 7), struct.pack("<2f", 7, 8), 1))
    with pytest.raises(UserError, match="bad.pt: is damaged, .*CRC"):
        read_pickled(path)


def test_compressed_tars_are_not_unpacked(tmp_path):
    """One megabyte of them may have a header of gigabytes."""
    hostile.write(tmp_path / "bad.tar", {}, "tar")
    (tmp_path / "bad.pt").write_bytes(gzip.compress((tmp_path / "bad.tar").read_bytes()))
    with pytest.raises(UserError, match="is damaged, or no file of weights"):
        read_pickled(tmp_path / "bad.pt")


def test_parts_of_an_archive_do_not_share_their_bytes(tmp_path):
    """Else a thousand entries of one region would read it a thousand times."""
    path = tmp_path / "bad.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "data/0", "data/1"):
            archive.writestr(f"archive/{name}", b"N." + bytes(4000))
        for entry in archive.infolist():
            entry.file_size = entry.compress_size = 10**4
    with pytest.raises(UserError, match="its parts lie upon each other"):
        read_pickled(path)


def test_archives_of_something_else_are_refused(tmp_path):
    for compression, name, message in (
        (zipfile.ZIP_STORED, "readme.txt", "archive of something else"),
        (zipfile.ZIP_DEFLATED, "archive/data.pkl", "compressed archive"),
    ):
        with zipfile.ZipFile(tmp_path / "bad.pt", "w", compression) as archive:
            archive.writestr(name, b"N.")
        with pytest.raises(UserError, match=f"bad.pt: .*{message}"):
            read_pickled(tmp_path / "bad.pt")


@pytest.mark.parametrize("layout", ["archive", "stream"])
@given(data=st.data())
def test_damaged_files_get_a_message(files, tmp_path_factory, layout, data):
    """Cut off anywhere, or with other bytes anywhere: weights or a UserError, and nothing else."""
    folder, _ = files
    content = bytearray((folder / f"{layout}.pt").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + 4] = data.draw(st.binary(min_size=0, max_size=8))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = folder / "damaged.pt"
    path.write_bytes(content)
    with suppress(UserError):
        tensors_of(read_pickled(path))


@pytest.mark.parametrize("double", [lambda x: [x, x], lambda x: (x, x), lambda x: {"a": x, "b": x}])
def test_what_never_ends_is_refused(tmp_path, monkeypatch, double):
    """A few bytes name lists of lists of one list: who shows them, or goes through them, never ends."""
    monkeypatch.setattr(pickled, "MOST", 5000)
    content = [1]
    for _ in range(60):
        content = double(content)
    with pytest.raises(UserError, match="over and over"):
        read_pickled(saved(tmp_path / "a.pt", {"a": content}), "meta")
    round_and_round = []
    round_and_round.append(round_and_round)
    with pytest.raises(UserError, match="over and over"):
        read_pickled(saved(tmp_path / "b.pt", round_and_round))
