"""A small causal Transformer that learns to write Python, from the standard library's own source.

    tinygrad-cn run python_writer

Data: modules of the Python that runs this, read from disk; a tenth of each file is held out. The
model reads and writes characters. It is compared with models that only count: single characters,
and characters after the two before them.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

MODULES = (
    "argparse ast bisect calendar cmd code collections/__init__ configparser contextlib copy "
    "csv dataclasses datetime difflib enum fileinput fnmatch fractions functools getopt glob "
    "gzip heapq inspect io json/decoder json/encoder logging/__init__ numbers operator os "
    "pathlib pprint queue random shlex shutil statistics string tempfile textwrap threading "
    "tokenize traceback types"
).split()
STEPS = 64


def read_source(n_modules):
    """(training text, held-out text) of the library's modules, plain ASCII."""
    library = Path(sys.modules["os"].__file__).parent
    train, test = [], []
    for name in MODULES[:n_modules]:
        path = library / f"{name}.py"
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="ignore").replace("\t", "    ")
            text = "".join(c for c in text if c == "\n" or 32 <= ord(c) < 127)
            cut = len(text) * 9 // 10
            train.append(text[:cut])
            test.append(text[cut:])
    return "\n".join(train), "\n".join(test)


def build(n_letters, width=96, blocks=2, heads=4):
    tokens = keras.Input((STEPS,), dtype="int32")
    x = keras.layers.Embedding(n_letters, width)(tokens)
    x = keras.layers.PositionalEncoding(multiplier=None)(x)
    for _ in range(blocks):
        block = keras.layers.TransformerEncoder(4 * width, heads, normalize_first=True)
        x = block(x, use_causal_mask=True)
    x = keras.layers.LayerNormalization()(x)
    return keras.Model(tokens, keras.layers.Dense(n_letters)(x))


def pieces(text, number, rng, n):
    """n stretches of text, and the same one character later."""
    codes = np.array([number[c] for c in text], "int32")
    begin = rng.integers(0, len(codes) - STEPS - 1, n)
    rows = codes[begin[:, None] + np.arange(STEPS + 1)]
    return rows[:, :-1], rows[:, 1:]


def count_models(train, test):
    """Bits per character of held-out text for models that count: of 1 and of 3 characters."""
    single = Counter(train)
    n = sum(single.values()) + 100
    bits_single = np.mean([-np.log2((single[c] + 1) / n) for c in test])
    triple = defaultdict(Counter)
    for i in range(2, len(train)):
        triple[train[i - 2 : i]][train[i]] += 1
    bits = []
    for i in range(2, len(test)):
        counts = triple[test[i - 2 : i]]
        p = (counts[test[i]] + 2 * (single[test[i]] + 1) / n) / (counts.total() + 2)
        bits.append(-np.log2(p))
    return float(bits_single), float(np.mean(bits))


def write(model, letters, number, text, length, rng, temperature=0.6):
    """Go on with a text, character by character."""
    codes = [number[c] for c in text]
    for _ in range(length):
        seen = codes[-STEPS:]
        row = np.zeros((1, STEPS), "int32")
        row[0, : len(seen)] = seen
        logits = model.predict_on_batch(row)[0, len(seen) - 1].astype("float64") / temperature
        if codes[-20:] == [number[" "]] * 20:  # else spaces fill what it sees, and never end
            logits[number[" "]] = -np.inf
        p = np.exp(logits - logits.max())
        codes.append(int(rng.choice(len(letters), p=p / p.sum())))
    lines = "".join(letters[i] for i in codes).split("\n")
    return "\n".join(line.rstrip()[:70] for line in lines)


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    train, test = read_source(3 if tiny else len(MODULES))
    letters = sorted(set(train) | set(test))
    number = {c: i for i, c in enumerate(letters)}
    print(f"{len(train):,} characters to learn from, {len(test):,} held out.")
    model = build(len(letters))
    steps = 3 if tiny else 1500
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.schedules.CosineDecay(1e-4, steps, warmup_target=2e-3, warmup_steps=steps // 10),
            weight_decay=0.01,
            global_clipnorm=1.0,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.summary()
    held_out = pieces(test, number, rng, 16 if tiny else 256)
    curve = []
    rounds = 1 if tiny else 10
    for i in range(rounds):
        x, y = pieces(train, number, rng, 32 * (steps // rounds))
        model.fit(x, y, batch_size=32, verbose=0)
        curve.append(model.evaluate(*held_out, verbose=0) / np.log(2))
        print(f"after {(i + 1) * (steps // rounds)} steps: {curve[-1]:.3f} bits per character")
    one, three = count_models(train, test)
    print(f"counting single characters: {one:.3f}; characters after two others: {three:.3f}")
    sample = write(model, letters, number, "def read_", 20 if tiny else 600, rng)
    print("--- it writes:\n" + sample + "\n---")
    draw(curve, one, three, steps // rounds, Path(folder) / "python_writer.png", sample)
    return {"bits": curve[-1], "single": one, "triple": three}


def draw(curve, one, three, each, path, sample):
    plt = plots.pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    left.plot([(i + 1) * each for i in range(len(curve))], curve, "o-", label="Transformer")
    left.axhline(one, color="0.7", label=plots.label("单字符计数", "counting characters"))
    left.axhline(three, color="0.4", label=plots.label("三字符计数", "counting triples"))
    left.set_xlabel(plots.label("步数", "step"))
    left.set_title(plots.label("每字符比特数 (未见过的代码)", "bits per character (held out)"))
    left.legend()
    right.axis("off")
    right.text(0, 1, sample, family="monospace", fontsize=7, va="top", parse_math=False)
    right.set_title(plots.label("它写的代码", "what it writes"))
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
