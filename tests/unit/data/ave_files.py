"""A tiny AVE folder: 12 videos of 4 seconds and 3 classes, and 2 videos of background."""

from pathlib import Path

import h5py
import numpy as np

REAL = Path(__file__).parents[4] / "shared" / "data" / "ave"

SNIPPETS, HEIGHT, WIDTH, VISUAL_DIM, AUDIO_DIM = 4, 2, 3, 5, 6

LINES = (
    "Bark&a&good&0&4",
    "Bark&b&good&1&3",
    "Bark&c&good&0&0",  # no event, as row 26 of AVE
    "Bark&d&good&2&4",
    "Bell, church&e&good&0&4",
    "Bell, church&a&good&0&4",
    "Bell, church&f&good&0&1",
    "Bell, church&g&good&3&4",
    "Flute&h&good&0&4",
    "Flute&b&good&1&3",
    "Flute&i&good&0&2",
    "Flute&a&good&0&4",
)

VIDEOS = ["a", "b", "c", "d", "e", "a~2", "f", "g", "h", "b~2", "i", "a~3"]

ORDERS = {  # a is in training and test, b in training and validation
    "train_order.h5": [0, 1, 2, 4, 6, 8],
    "val_order.h5": [3, 9],
    "test_order.h5": [5, 7, 10, 11],
    "train_order_match.h5": [2, 3, 4, 5, 8, 9],
    "val_order_match.h5": [0, 11],
    "test_order_match.h5": [10, 1, 7, 6],
}

LABELS = np.array(
    [
        [0, 0, 0, 0],
        [3, 0, 0, 3],
        [3, 3, 3, 3],
        [3, 3, 0, 0],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [1, 3, 3, 3],
        [3, 3, 3, 1],
        [2, 2, 2, 2],
        [3, 2, 2, 3],
        [2, 2, 3, 3],
        [2, 2, 2, 2],
    ]
)

CLASSES = np.repeat([0, 1, 2], 4)

LABEL_FILES = {
    "labels.h5": np.eye(4)[LABELS],
    "right_labels.h5": np.eye(4)[LABELS],
    "mil_labels.h5": np.eye(4)[CLASSES],
    "labels_closs.h5": (LABELS < 3).astype(np.float32),
    "prob_label.h5": np.eye(4, dtype=np.float32)[LABELS].mean(axis=1),
    "labels_noisy.h5": np.eye(4)[[3, 3]],
}


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


FEATURES = {
    "visual_feature.h5": random(0, len(LINES), SNIPPETS, HEIGHT, WIDTH, VISUAL_DIM),
    "visual_feature_vec.h5": random(1, len(LINES), SNIPPETS, VISUAL_DIM),
    "audio_feature.h5": random(2, len(LINES), SNIPPETS, AUDIO_DIM),
    "visual_feature_noisy.h5": random(3, 2, SNIPPETS, HEIGHT, WIDTH, VISUAL_DIM),
    "audio_feature_noisy.h5": random(4, 2, SNIPPETS, AUDIO_DIM),
}


def write_h5(path, values, key="avadataset"):
    """Write one array as a file of its own."""
    with h5py.File(path, "w") as file:
        file[key] = values
    return path


def write_ave(root, *, leave_out=()):
    """Write all files but some."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "Annotations.txt").write_text("\n".join(LINES) + "\n")
    for name, values in {**FEATURES, **LABEL_FILES}.items():
        write_h5(root / name, values)
    for name, rows in ORDERS.items():
        write_h5(root / name, np.array(rows), key="order")
    for name in leave_out:
        (root / name).unlink()
    return root
