"""Compute the cases of ``keras_cases.py`` and ``keras_layer_cases.py`` with Keras and store the
results in ``tests/data``.

python tests/keras_vectors.py [PART ...]      # needs keras and tensorflow (pip install .[peers])
"""

import os
import pathlib
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # after the backend is chosen
import keras_cases as cases
import keras_layer_cases as layer_cases
import tensorflow as tf

DATA = pathlib.Path(__file__).parent / "data"


def losses():
    out = {}
    for name, (kind, settings, data) in cases.LOSSES.items():
        t, p = cases.pair(data)
        loss = getattr(keras.losses, kind)(**settings)
        x = tf.Variable(p)
        with tf.GradientTape() as tape:
            value = loss(t, x)
        out[f"{name}|value"] = value.numpy()
        out[f"{name}|gradient"] = tape.gradient(value, x).numpy()
        each = getattr(keras.losses, kind)(**settings, reduction=None)(t, p)
        out[f"{name}|each"] = each.numpy()
        if name.split()[0] not in cases.UNWEIGHTED and name not in cases.UNWEIGHTED:
            for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
                weighted = getattr(keras.losses, kind)(**settings, reduction=reduction)
                out[f"{name}|{reduction}"] = weighted(t, p, sample_weight=cases.WEIGHTS).numpy()
    return out


def metrics():
    out = {}
    for name, (kind, settings, data) in cases.METRICS.items():
        for weighted in (False, True):
            metric = getattr(keras.metrics, kind)(**settings)
            for seed in (0, 1):
                args = cases.pair(data or "numbers", seed)
                weights = cases.WEIGHTS
                if name in cases.WHOLE_WEIGHTS:
                    weights = np.ceil(weights).astype("int32")
                    if name == "BinaryIoU":
                        weights = np.repeat(weights, 4)
                if data is None:
                    args = (args[1][:, 0],)
                metric.update_state(*args, sample_weight=weights if weighted else None)
            out[f"{name}|{'weighted' if weighted else 'plain'}"] = np.asarray(metric.result())
    return out


def optimizers():
    out = {}
    for name, (kind, settings) in cases.OPTIMIZERS.items():
        variables = [keras.Variable(v) for v in cases.optimizer_start()]
        optimizer = getattr(keras.optimizers, kind)(**settings)
        for step in range(cases.OPTIMIZER_STEPS):
            grads = [tf.constant(g) for g in cases.optimizer_gradients(step)]
            optimizer.apply_gradients(zip(grads, variables, strict=True))
        optimizer.finalize_variable_values(variables)
        for i, v in enumerate(variables):
            out[f"{name}|{i}"] = v.numpy()
    return out


def others():
    out = {}
    for name, (kind, args, settings) in cases.SCHEDULES.items():
        schedule = getattr(keras.optimizers.schedules, kind)(*args, **settings)
        out[f"{name}|schedule"] = np.array([float(schedule(s)) for s in cases.SCHEDULE_STEPS])
    w = cases.optimizer_start()[0]
    for name, (kind, settings) in cases.REGULARIZERS.items():
        x = tf.Variable(w)
        with tf.GradientTape() as tape:
            value = getattr(keras.regularizers, kind)(**settings)(x)
        out[f"{name}|value"] = value.numpy()
        out[f"{name}|gradient"] = tape.gradient(value, x).numpy()
    for name, (kind, settings) in cases.CONSTRAINTS.items():
        out[f"{name}|constraint"] = getattr(keras.constraints, kind)(**settings)(w).numpy()
    for name in cases.ACTIVATIONS:
        x = tf.Variable(cases.activation_input())
        with tf.GradientTape() as tape:
            y = keras.activations.get(name)(x)
            total = tf.reduce_sum(y * tf.cast(tf.reshape(tf.range(tf.size(y)), y.shape), y.dtype))
        out[f"{name}|activation"] = y.numpy()
        out[f"{name}|activation gradient"] = tape.gradient(total, x).numpy()
    return out


def layers():
    out = {}
    for name in [*layer_cases.LAYERS, *layer_cases.WRAPPERS]:
        layer = layer_cases.make_layer(keras.layers, name)
        inputs, call = layer_cases.layer_inputs(name)
        layer(*inputs, **call)
        layer.set_weights(layer_cases.layer_weights([w.shape for w in layer.weights]))
        if name.startswith("Normalization"):
            layer.finalize_state()  # it computes with copies of its weights
        xs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        flat = tf.nest.flatten(xs)
        with tf.GradientTape() as tape:
            tape.watch(flat)
            y = layer(*xs, **call)
            total = sum(tf.reduce_sum(one * one) for one in tf.nest.flatten(y))
        trained = [w.value for w in layer.trainable_weights]
        gradients = tape.gradient(total, [*flat, *trained], unconnected_gradients="zero")
        for i, one in enumerate(tf.nest.flatten(y)):
            out[f"{name}|output {i}"] = one.numpy()
        for i, g in enumerate(gradients):
            out[f"{name}|gradient {i}"] = g.numpy()
        for i, w in enumerate(layer.get_weights()):
            if not layer.weights[i].trainable:
                out[f"{name}|state {i}"] = w
        out[f"{name}|names"] = np.array([w.name for w in layer.weights])
    return out


def files():
    """Two models in Keras's own formats, and what they foretell."""
    r = cases.rng(5)
    make = keras.layers
    chain = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            make.Conv2D(3, 3, activation="relu", padding="same"),
            make.BatchNormalization(),
            make.MaxPooling2D(2),
            make.Flatten(),
            make.Dense(4, kernel_regularizer="l2"),
            make.Dense(2, activation="softmax"),
        ]
    )
    chain.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    tokens = keras.Input((5,), dtype="int32")
    x = make.Embedding(9, 6, mask_zero=True)(tokens)
    x = make.GRU(4)(make.Bidirectional(make.LSTM(3, return_sequences=True))(x))
    vectors = keras.Input((5, 6))
    y = make.MultiHeadAttention(2, 3)(vectors, vectors)
    y = make.GlobalAveragePooling1D()(make.LayerNormalization()(vectors + y))
    graph = keras.Model([tokens, vectors], make.Dense(2)(make.Concatenate()([x, y])))
    for model in (chain, graph):
        shapes = [w.shape for w in model.weights]
        model.set_weights([np.abs(r.normal(size=s) * 0.3).astype("float32") for s in shapes])
    images, labels = r.normal(size=(6, 8, 8, 1)).astype("float32"), np.array([0, 1] * 3)
    data = {
        "images": images,
        "labels": labels,
        "tokens": np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]),
    }
    data["vectors"] = r.normal(size=(2, 5, 6)).astype("float32")
    for _ in range(3):
        chain.train_on_batch(images, labels)
    chain.save(DATA / "keras_chain.keras")
    chain.save_weights(DATA / "keras_chain.weights.h5")
    graph.save(DATA / "keras_graph.keras")
    data["chain"] = chain.predict(images, verbose=0)
    data["graph"] = graph.predict([data["tokens"], data["vectors"]], verbose=0)
    chain.train_on_batch(images, labels)
    data["chain next"] = chain.predict(images, verbose=0)
    return data


def main():
    DATA.mkdir(exist_ok=True)
    every = (losses, metrics, optimizers, others, layers, files)
    for make in [one for one in every if not sys.argv[1:] or one.__name__ in sys.argv[1:]]:
        np.savez_compressed(DATA / f"keras_{make.__name__}.npz", **make())
        print("wrote", DATA / f"keras_{make.__name__}.npz")


if __name__ == "__main__":
    main()
