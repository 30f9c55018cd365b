"""An encoder-decoder Transformer that reads dates as people write them and writes them as computers
do: "2021年3月4日", "二〇二一年三月四日", "Mar 4, 2021", "04.03.2021" ... become "2021-03-04".

    tinygrad-cn run transformer_dates

Token embedding, sinusoidal positions, an encoder and a decoder block of multi-head attention,
softmax over characters. It is judged by exact match on dates that it has never seen, in any
spelling. The strings are made here by rule; the rules are below.
"""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

MONTHS = "January February March April May June July August September October November December"
HANZI = "〇一二三四五六七八九"
PAD, BEGIN = "\0", "\1"


def spell(day, rng):
    """A date in one of the ways in which people write it."""
    month = MONTHS.split()[day.month - 1]
    ways = (
        lambda: f"{day.year}年{day.month}月{day.day}日",
        lambda: (
            "".join(HANZI[int(c)] for c in str(day.year)) + f"年{_hanzi(day.month)}月"
            f"{_hanzi(day.day)}日"
        ),
        lambda: f"{month} {day.day}, {day.year}",
        lambda: f"{month[:3]} {day.day}, {day.year}",
        lambda: f"{day.day} {month[:3].lower()} {day.year}",
        lambda: f"{day.day:02d}.{day.month:02d}.{day.year}",
        lambda: f"{day.year}/{day.month}/{day.day}",
        lambda: f"{day:%Y%m%d}",
    )
    return ways[rng.integers(len(ways))]()


def _hanzi(n):
    """A number below 100 in Chinese characters: 12 is 十二, 30 is 三十."""
    ten, one = divmod(n, 10)
    tens = "" if ten == 0 else "十" if ten == 1 else HANZI[ten] + "十"
    return tens + (HANZI[one] if one else "")


class Transformer(keras.Model):
    def __init__(self, n_read, n_write, hidden_units=64, num_heads=4):
        super().__init__()
        self.read_embedding = keras.layers.Embedding(n_read, hidden_units, mask_zero=True)
        self.write_embedding = keras.layers.Embedding(n_write, hidden_units)
        self.position_encoding = keras.layers.PositionalEncoding(multiplier=None)
        self.encoder = keras.layers.TransformerEncoder(2 * hidden_units, num_heads)
        self.decoder = keras.layers.TransformerDecoder(2 * hidden_units, num_heads)
        self.output_layer = keras.layers.Dense(n_write)  # logits; the loss takes the softmax

    def encode(self, read):
        return self.encoder(self.position_encoding(self.read_embedding(read)))

    def decode(self, written, encoded):
        x = self.position_encoding(self.write_embedding(written))
        return self.output_layer(self.decoder(x, encoded))

    def call(self, inputs):
        read, written = inputs
        return self.decode(written, self.encode(read))

    def translate(self, read, begin, steps):
        """Write character by character, each time the likeliest one."""
        with keras.no_grad():
            encoded = self.encode(read)
            written = np.full((len(read), 1), begin, "int32")
            for _ in range(steps):
                last = self.decode(written, encoded).numpy()[:, -1]
                written = np.concatenate([written, last.argmax(axis=-1)[:, None]], axis=1)
        return written[:, 1:].astype("int32")


class Alphabet:
    """Characters as numbers; 0 is padding."""

    def __init__(self, texts):
        self.letters = [PAD, BEGIN, *sorted(set("".join(texts)))]
        self.number = {c: i for i, c in enumerate(self.letters)}

    def encode(self, texts, length):
        rows = np.zeros((len(texts), length), "int32")
        for row, text in zip(rows, texts, strict=True):
            row[: len(text)] = [self.number[c] for c in text]
        return rows

    def decode(self, rows):
        return ["".join(self.letters[i] for i in row if i > 1) for row in rows]


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    days = [date(1950, 1, 1) + timedelta(days=int(n)) for n in rng.permutation(100 * 365)]
    n_train, n_test = (256, 32) if tiny else (12000, 500)
    pairs = [(spell(day, rng), day.isoformat()) for day in days[: n_train + n_test]]
    reader = Alphabet([text for text, _ in pairs])
    writer = Alphabet([text for _, text in pairs])
    length = max(len(text) for text, _ in pairs)
    read = reader.encode([text for text, _ in pairs], length)
    target = writer.encode([text for _, text in pairs], 10)
    begin = writer.number[BEGIN]
    written = np.concatenate([np.full((len(pairs), 1), begin, "int32"), target[:, :-1]], axis=1)

    model = Transformer(len(reader.letters), len(writer.letters))
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.schedules.CosineDecay(1e-4, 1000, warmup_target=3e-3, warmup_steps=200)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    train, test = slice(n_train), slice(n_train, None)
    history = model.fit(
        (read[train], written[train]),
        target[train],
        batch_size=64,
        epochs=1 if tiny else 6,
        validation_data=((read[test], written[test]), target[test]),
        verbose=2,
    )
    guessed = writer.decode(model.translate(read[test], begin, 10))
    truth = [text for _, text in pairs[test]]
    exact = float(np.mean([g == t for g, t in zip(guessed, truth, strict=True)]))
    for (text, day), g in list(zip(pairs[test], guessed, strict=True))[:8]:
        print(f"{text:22} -> {g}  {'right' if g == day else 'wrong: ' + day}")
    print(f"Exact match on {len(truth)} unseen dates: {exact:.4f}")
    draw(model, history, reader, writer, (read[test], written[test]), Path(folder))
    return {"exact_match": exact}


def draw(model, history, reader, writer, test, folder):
    """The curves, and where the decoder looks while it writes one date."""
    plt = plots.pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    left.plot(history.history["accuracy"], "o-", label=plots.label("训练", "training"))
    left.plot(history.history["val_accuracy"], "o-", label=plots.label("验证", "validation"))
    left.set_title(plots.label("每个字符的准确率", "accuracy per character"))
    left.set_xlabel(plots.label("轮次", "epoch"))
    left.legend()
    read, written = test[0][:1], test[1][:1]
    with keras.no_grad():
        encoded = model.encode(read)
        x = model.position_encoding(model.write_embedding(written))
        block = model.decoder
        x = block.self_attention_norm(x + block.self_attention(x, x, use_causal_mask=True))
        _, weights = block.cross_attention(x, encoded, return_attention_scores=True)
    text, day = reader.decode(read)[0], model.translate(read, written[0, 0], 10)
    shades = right.imshow(weights.numpy()[0].mean(axis=0)[:, : len(text)], vmin=0, aspect="auto")
    shown = "".join(c if ord(c) < 256 else plots.label(c, "?")[0] for c in text)
    right.set_xticks(range(len(text)), list(shown))
    right.set_yticks(range(10), list(writer.decode(day)[0].ljust(10)))
    right.set_xlabel(plots.label("读", "read"))
    right.set_ylabel(plots.label("写", "written"))
    right.set_title(plots.label("交叉注意力 (各头平均)", "cross-attention (mean of heads)"))
    figure.colorbar(shades, ax=right)
    plots.finish(figure, folder / "transformer_dates.png")
    print("Picture:", folder / "transformer_dates.png")


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
