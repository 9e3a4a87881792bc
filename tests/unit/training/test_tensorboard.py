import html

import pytest
from PIL import Image

from avel.exchange.text import shown
from avel.training.dashboards import Moment
from avel.training.tensorboard import TensorBoard, markdown_table

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

markdown_to_safe_html = pytest.importorskip("tensorboard.plugin_util").markdown_to_safe_html

MOMENT = Moment(step=8, epoch=1)


def test_pictures_tables_and_the_configuration_are_shown(tmp_path):
    board = TensorBoard(tmp_path, name="", version="")
    board.describe({"method": {"lr": 0.5}})
    board.log_metrics({"val/map": 0.25}, step=4)
    board.show_picture("timelines/val/a", Image.new("RGB", (4, 2)), MOMENT)
    board.show_table("val/ap_per_class", ["class", "AP"], [["dog", 0.5]], MOMENT)
    board.show_curve("val/map_per_tiou", ("tIoU", "mAP"), [(0.5, 0.25)], MOMENT)
    board.keep(tmp_path, [], None)
    board.resume("")
    board.finalize("success")
    assert (board.run_id, board.close()) == ("", "")

    shown = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in shown.Scalars("val/map")] == [(4, 0.25)]
    (image,) = shown.Images("timelines/val/a")
    assert (image.step, image.width, image.height) == (8, 4, 2)
    texts = {tag.removesuffix("/text_summary"): shown.Tensors(tag)[0] for tag in shown.Tags()["tensors"]}
    assert b'"lr": 0.5' in texts["config"].tensor_proto.string_val[0]
    assert b"| dog | 0.5000 |" in texts["val/ap_per_class"].tensor_proto.string_val[0]
    assert b"| 0.5000 | 0.2500 |" in texts["val/map_per_tiou"].tensor_proto.string_val[0]
    assert texts["val/ap_per_class"].step == 8
    assert any(tag.startswith("custom_scalars") for tag in texts)


def test_tables_are_written_in_markdown():
    rows = [["a|b", None, 1], ["c", 0.5, 2]]
    assert markdown_table(["class", "AP", "events"], rows) == "\n".join(
        ["| class | AP | events |", "| --- | --- | --- |", "| a&#124;b |  | 1 |", "| c | 0.5000 | 2 |"]
    )


@pytest.mark.parametrize(
    "name", ["<b>x</b>", "a*b*c", "`x`", "[l](http://x)", "&amp;", "a\\|b", "two\nlines", "🐕", "\ud800x"]
)
def test_names_are_shown_literally(name):
    page = markdown_to_safe_html(markdown_table(["class", "AP"], [[name, 0.5]]))
    assert page.count("<tr>") == 2
    assert html.unescape(page).count(f"<td>{shown(name)}</td>") == 1
