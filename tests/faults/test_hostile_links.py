"""Files of strangers that name other files or addresses: none of these is read, written or asked."""

import json
import shutil
import socket
from fractions import Fraction

import h5py
import numpy as np
import pytest

from avel.data.synthetic_mp4 import write_mp4
from tests.clips import FPS, RATE, pictures, sound, write_clips
from tests.end_to_end.conftest import environment
from tests.faults.trap import SECRET, Trap
from tests.synthetic import TINY, write_tiny_ave, write_tiny_custom
from tests.unit.tasks.test_run_report import write_run

pytestmark = pytest.mark.slow


@pytest.fixture
def trap(tmp_path):
    trap = Trap(tmp_path)
    write_mp4(
        *(trap.private / "private.mp4", pictures(1, 2, "red", seconds=2), Fraction(FPS)),
        *(sound(1, 2, "red", np.random.default_rng(0), seconds=2), RATE),
    )
    trap.before = trap._state()
    return trap


@pytest.fixture
def listener():
    """An address that notes who asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\na=rtpmap:96 H264/90000\n"


def playlists(trap, port):
    """Name of a file -> what it holds."""
    video, address = trap.private / "private.mp4", f"http://127.0.0.1:{port}/x.ts"
    return {
        "hls.m3u8": PLAYLIST.format(video),
        "hls.mp4": PLAYLIST.format(f"file://{video}"),
        "hls_beside.m3u8": PLAYLIST.format("../private/private.mp4"),
        "hls_address.m3u8": PLAYLIST.format(address),
        "hls_data.m3u8": PLAYLIST.format("data:video/mp4;base64,AAAA"),
        "hls_crypto.m3u8": PLAYLIST.format(video).replace(
            "#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{address}"\n#EXTINF'
        ),
        "concat.mp4": f"ffconcat version 1.0\nfile {video}\n",
        "concat_beside.mp4": "ffconcat version 1.0\nfile beside.mp4\n",
        "concat.txt": f"ffconcat version 1.0\nfile '{video}'\noption safe 0\n",
        "dash.mp4": MPD.format(video),
        "dash_address.mpd": MPD.format(address),
        "sdp.mp4": SDP.format(port),
        "list.ts": f"http://127.0.0.1:{port}/x.ts",
        "subtitle.sub": "{1}{2}x",
        "photo%d.mp4": "x",
    }


def test_playlists_open_nothing(trap, listener, tmp_path, python, told):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(trap.private / "private.mp4", videos / "beside.mp4")
    files = playlists(trap, listener.getsockname()[1])
    for name, text in files.items():
        (videos / name).write_text(text)
    ended = python.run("scripts/extract_features.py", videos, tmp_path / "out", environment=environment())
    assert {path.name for path in (tmp_path / "out").glob("*_visual.npy")} == {"beside_visual.npy"}
    for name in files:  # alone, a file may have any ending
        out = tmp_path / "alone" / name
        ended = python.run("scripts/extract_features.py", videos / name, out, environment=environment())
        assert ended.returncode == 1
        assert "cannot be read as video or sound" in ended.stdout
        assert not list(out.glob("*.npy"))
    trap.assert_untouched()
    with pytest.raises(BlockingIOError):
        listener.accept()
    told(f"{len(files)} lists of other files and addresses as media", "none was opened, nobody was asked")


def link(file, key, kind, other):
    """Put something into an HDF5 file that lies in another one."""
    if kind == "external link":
        file[key] = h5py.ExternalLink(str(other), "secret")
    elif kind == "soft link":
        file["elsewhere"] = h5py.ExternalLink(str(other), "secret")
        file[key] = h5py.SoftLink("/elsewhere")
    elif kind == "virtual":
        layout = h5py.VirtualLayout((30, 10, 4), np.float32)
        layout[:] = h5py.VirtualSource(str(other), "secret", (30, 10, 4))
        file.create_virtual_dataset(key, layout)
    elif kind == "external storage":
        file.create_dataset(key, (30, 10, 4), np.float32, external=[(str(other), 0, h5py.h5f.UNLIMITED)])
    else:
        references = file.create_dataset(key, (30, 10, 4), h5py.ref_dtype)
        references[...] = file.ref


@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual", "external storage", "references"])
def test_features_lie_in_their_own_file(kind, trap, tmp_path, python, told):
    with h5py.File(trap.private / "other.h5", "w") as file:
        file["secret"] = np.full((30, 10, 4), 7, np.float32)
    trap.before = trap._state()
    write_tiny_ave(tmp_path)
    (tmp_path / "ave" / "audio_feature.h5").unlink()
    with h5py.File(tmp_path / "ave" / "audio_feature.h5", "w") as file:
        link(file, "avadataset", kind, trap.private / "other.h5")
    data, logs = f"paths.data_dir={tmp_path}", f"paths.log_dir={tmp_path / 'logs'}"
    for command in (("scripts/check_dataset.py", "data=ave", data), ("run.py", "experiment=psp_ave", data, logs)):
        ended = python.run(*command, environment=environment())
        assert ended.returncode
        assert "audio_feature.h5" in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
    trap.assert_untouched()
    told(f"an HDF5 file of features with {kind}", "refused by check_dataset and by a run")


def test_nothing_is_written_through_links(trap, tmp_path, python, told):
    """A folder of others may hold links where a command writes."""
    notes = trap.private / "notes.txt"
    run = write_run(tmp_path / "run")
    (run / "config.yaml").write_text("data: {_target_: avel.data.unav100.UnAV100, root: nowhere}\n")
    out = tmp_path / "out"
    out.mkdir()
    for name in (".events.csv.part", "events.csv", ".manifest.json.part", "manifest.json"):
        (out / name).symlink_to(notes)
    write_clips(tmp_path / "clips", 1)
    exported = run / "predictions" / "test.json", "--to", "csv", "--out", out / "events.csv", "--force"
    ended = python.run("scripts/export_events.py", *exported, environment=environment())
    assert ended.returncode == 0, ended.stderr
    assert not (out / "events.csv").is_symlink()
    assert "v0" in (out / "events.csv").read_text()
    (out / "manifest.json").unlink()
    (out / "records").symlink_to(trap.private, target_is_directory=True)
    extract = "scripts/extract_features.py", tmp_path / "clips" / "videos", out
    assert "is a link to another place" in python.run(*extract, environment=environment()).stderr
    (out / "records").unlink()
    assert python.run(*extract, environment=environment()).returncode == 0
    trap.assert_untouched()
    told("links in the place of files that are written", "the links were replaced, what they name stayed")


def test_a_log_is_not_added_to_other_files(trap, tmp_path, python, told):
    own = write_tiny_custom(tmp_path / "own")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "console.log").symlink_to(trap.private / "notes.txt")
    given = f"data.annotations={own / 'annotations.csv'}", f"data.feature_dir={own / 'features'}"
    ended = python.run(
        *("run.py", "experiment=ccnet_custom", *TINY, *given, f"hydra.run.dir={tmp_path / 'run'}"),
        environment=environment(),
    )
    assert ended.returncode == 2
    assert "console.log: is a link" in ended.stderr
    trap.assert_untouched()
    told("a console.log that is a link", "refused")


def test_folders_of_others_do_not_lead_elsewhere(trap, tmp_path, python, told):
    own = write_tiny_custom(tmp_path / "own")
    given = f"data.annotations={own / 'annotations.csv'}", f"data.feature_dir={own / 'features'}"
    for name in ("checkpoints", "predictions"):
        run = tmp_path / name
        run.mkdir()
        (run / name).symlink_to(trap.private, target_is_directory=True)
        ended = python.run(
            *("run.py", "experiment=ccnet_custom", *TINY, *given, f"hydra.run.dir={run}"), environment=environment()
        )
        assert ended.returncode == 2
        assert f"{name}: is a link to another place" in ended.stderr
        assert [path.name for path in run.iterdir()] == [name]
    trap.assert_untouched()
    told("links in the place of a run's folders", "refused before anything was written")


ELAN = '<?xml version="1.0"?>\n{}<ANNOTATION_DOCUMENT><TIME_ORDER/><TIER TIER_ID="{}"/></ANNOTATION_DOCUMENT>'


def test_documents_name_no_other_files(trap, tmp_path, python, told):
    notes = trap.private / "notes.txt"
    lines = [f'<!ENTITY {two} "{f"&{one};" * 10}">' for one, two in zip("abcdefgh", "bcdefghi", strict=True)]
    documents = {
        "laughs": ELAN.format('<!DOCTYPE x [<!ENTITY a "ha">' + "".join(lines) + "]>", "&i;"),
        "entity": ELAN.format(f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{notes}">]>', "&a;"),
        "parameter": ELAN.format(f'<!DOCTYPE x [<!ENTITY % a SYSTEM "file://{notes}"> %a;]>', "x"),
        "outside": ELAN.format(f'<!DOCTYPE x SYSTEM "file://{notes}">', "x"),
        "deep": ELAN.format("", "x").replace("<TIME_ORDER/>", "<x>" * 100_000 + "</x>" * 100_000),
    }
    for name, text in documents.items():
        path = tmp_path / f"{name}.eaf"
        path.write_text(text)
        out = tmp_path / f"{name}.json"
        ended = python.run(
            "scripts/export_events.py", path, "--to", "activitynet", "--out", out, environment=environment()
        )
        assert ended.returncode == (0 if name == "deep" else 2)
        assert "Traceback" not in ended.stderr
        trap.assert_untouched(ended.stdout, ended.stderr)
    told(
        f"{len(documents)} ELAN documents with entities, of which some name files", "refused; nothing grew or was read"
    )


def test_what_is_shared_does_not_tell_of_other_files(trap, tmp_path, python, told):
    """An export of annotations of others holds what they say and nothing else."""
    for name, text in {
        "include.json": json.dumps({"$ref": f"file://{trap.private / 'notes.txt'}", "database": {}}),
        "list.txt": f"0\t1\t@{trap.private / 'notes.txt'}\n",
        "table.csv": f'video,start,end,label\nv,0,1,"=WEBSERVICE(""file://{trap.private}/notes.txt"")"\n',
    }.items():
        (tmp_path / name).write_text(text)
        out = tmp_path / f"{name}.out"
        exported = "scripts/export_events.py", tmp_path / name, "--to", "csv", "--out", out
        ended = python.run(*exported, environment=environment())
        assert SECRET not in ended.stdout + ended.stderr + (out.read_text() if out.exists() else "")
    trap.assert_untouched()
    told("references to files in annotations", "stay text")
