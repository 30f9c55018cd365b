"""A self-attention layer with a mask, written out, that reads handwritten digits row by row.

    tinygrad-cn run self_attention

Data: the 1,797 real digits of scikit-learn: an image is a sequence of 8 rows of 8 pixels. To make
use of the mask, 0 to 3 rows at the end are cut off and padded: attention must not look at the
padding, and the picture shows that it does not. (``tg.layers.SelfAttention`` is this layer, ready
made.)
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

ROWS = 8


class SelfAttention(keras.layers.Layer):
    """A(Q, K, V) = softmax(Q K^T / sqrt(d)) V;  ``mask`` is True where a row is to be hidden."""

    def __init__(self, attention_head_size, **kwargs):
        super().__init__(**kwargs)
        self.attention_head_size = attention_head_size
        self.query_dense = keras.layers.Dense(attention_head_size, use_bias=False)
        self.key_dense = keras.layers.Dense(attention_head_size, use_bias=False)
        self.value_dense = keras.layers.Dense(attention_head_size, use_bias=False)

    def attention_probs(self, inputs, mask=None):
        query = self.query_dense(inputs)
        key = self.key_dense(inputs)
        attention_logits = query @ key.mT / np.sqrt(self.attention_head_size)
        if mask is not None:
            attention_logits = keras.ops.where(mask[:, None, :], -1e9, attention_logits)
        return keras.ops.softmax(attention_logits, axis=-1)

    def call(self, inputs, mask=None):
        return self.attention_probs(inputs, mask) @ self.value_dense(inputs)


class RowReader(keras.Model):
    """Rows -> positions -> self-attention -> the mean over the rows -> ten classes."""

    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Dense(64, activation="relu")
        self.positions = keras.layers.PositionalEncoding()
        self.attention = SelfAttention(attention_head_size=64)
        self.dense = keras.layers.Dense(64, activation="relu")
        self.classes = keras.layers.Dense(10, activation="softmax")

    def rows(self, inputs):
        """The rows with their positions, and which of them are padding (all pixels -1)."""
        hidden = inputs[:, :, 0] < 0
        return self.positions(self.embed(inputs)), hidden

    def call(self, inputs):
        x, hidden = self.rows(inputs)
        x = x + self.attention(x, mask=hidden)
        seen = keras.ops.where(hidden, 0.0, 1.0)[:, :, None]
        x = (x * seen).sum(axis=1) / seen.sum(axis=1)
        return self.classes(self.dense(x))


def cut(images, rng):
    """Rows as a sequence; 0 to 3 of them at the end become padding, marked by -1."""
    rows = images[..., 0].copy()
    kept = ROWS - rng.integers(0, 4, len(rows))
    rows[np.arange(ROWS) >= kept[:, None]] = -1
    return rows


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train, x_test = cut(x_train, rng), cut(x_test, rng)
    model = RowReader()
    model.compile(
        optimizer=keras.optimizers.Adam(0.002),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, epochs=1 if tiny else 40, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy on digits with up to 3 rows missing: {accuracy:.4f}")
    x, hidden = model.rows(keras.Tensor(x_test))
    weights = model.attention.attention_probs(x, mask=hidden).numpy()
    leak = float(np.max(weights * hidden.numpy()[:, None, :]))
    print(f"Largest weight given to padding: {leak}")
    draw(x_test, weights, y_test, Path(folder) / "self_attention.png")
    return {"accuracy": accuracy, "leak": leak}


def draw(rows, weights, labels, path):
    plt = plots.pyplot()
    padding = (rows[:, :, 0] < 0).sum(axis=1)
    chosen = [int(np.flatnonzero(padding == n)[0]) for n in (0, 1, 2, 3)]
    figure, panels = plt.subplots(2, 4, figsize=(11, 5.4), layout="constrained")
    for column, i in enumerate(chosen):
        panels[0, column].imshow(rows[i], cmap="gray", vmin=-1, vmax=1)
        panels[0, column].set_title(plots.label("数字", "digit") + f" {labels[i]}")
        shades = panels[1, column].imshow(weights[i], cmap="viridis", vmin=0)
        panels[1, column].set_xlabel(plots.label("键 (行)", "key (row)"))
    panels[1, 0].set_ylabel(plots.label("查询 (行)", "query (row)"))
    figure.colorbar(shades, ax=panels[1, :], label=plots.label("注意力权重", "attention weight"))
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
