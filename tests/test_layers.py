"""Every layer: shapes, dtypes, weights, training and inference, config, masks, small batches."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, LayerCase, make

import tinygrad_cn as tg
from tinygrad_cn import layers

RANDOM = ("Dropout", "Noise")


def tensors(x: Any) -> Any:
    return [tg.tensor(a) for a in x] if isinstance(x, list) else tg.tensor(x)


@pytest.fixture(params=CASES, ids=lambda case: case.id)
def case(request: pytest.FixtureRequest) -> LayerCase:
    return request.param


def test_shape_is_what_it_says(case: LayerCase) -> None:
    """The shape of the output, as computed, as drawn, and as stated beforehand."""
    layer, x = make(layers, case), case.inputs()
    y = layer(x)
    several = isinstance(x, list)
    shapes = [a.shape for a in x] if several else x.shape
    assert tuple(layer.compute_output_shape(shapes)) == y.shape
    drawn = [tg.Input(a.shape[1:], dtype=str(a.dtype)) for a in (x if several else [x])]
    symbolic = layer(drawn if several else drawn[0])
    assert symbolic.shape == (None, *y.shape[1:])
    assert symbolic.dtype == y.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype(case: LayerCase, dtype: str) -> None:
    """Weights and outputs have the layer's dtype, whatever floats come in."""
    layer = getattr(layers, case.name)(**case.args, dtype=dtype)
    for given in ("float32", "float64"):
        assert layer(case.inputs(dtype=given)).dtype == dtype
    assert {w.dtype for w in layer.weights if w.dtype.kind == "f"} <= {np.dtype(dtype)}


def test_batches_of_one_and_none(case: LayerCase) -> None:
    layer, x = make(layers, case), case.inputs()
    whole = layer(x).numpy()
    one = layer(case_slice(x, 1)).numpy()
    np.testing.assert_allclose(one, whole[:1], rtol=1e-5, atol=1e-6)
    assert layer(case_slice(x, 0)).shape == (0, *whole.shape[1:])


def case_slice(x: Any, n: int) -> Any:
    return [a[:n] for a in x] if isinstance(x, list) else x[:n]


def test_config_makes_the_same_layer(case: LayerCase) -> None:
    """Through JSON, by registered name, with the weights set: the same output."""
    layer, x = make(layers, case), case.inputs()
    y = layer(x).numpy()
    entry = json.loads(json.dumps(layers.serialize(layer)))
    again = layers.deserialize(entry)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    again.build_from_config(layer.get_build_config())
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x).numpy(), y)


def test_training_and_inference(case: LayerCase) -> None:
    layer, x = make(layers, case), case.inputs()
    calm = layer(x, training=False).numpy() if takes_training(layer) else layer(x).numpy()
    np.testing.assert_array_equal(layer(x).numpy(), calm)
    if takes_training(layer):
        busy = layer(x, training=True).numpy()
        assert (busy != calm).any() == any(word in case.name for word in RANDOM)


def takes_training(layer: Any) -> bool:
    return "training" in layer._takes


def test_gradients_reach_inputs_and_weights(case: LayerCase) -> None:
    layer, x = make(layers, case), case.inputs()
    given = [tg.tensor(a, requires_grad=a.dtype.kind == "f") for a in flat(x)]
    y = layer(given if isinstance(x, list) else given[0])
    wanted = [t for t in given if t.requires_grad] + layer.trainable_weights
    for g, t in zip(tg.grad((y * y).sum(), wanted), wanted, strict=True):
        assert g.shape == t.shape
        assert np.isfinite(g.numpy()).all()


def flat(x: Any) -> list[Any]:
    return x if isinstance(x, list) else [x]


def test_weights_can_be_counted_frozen_and_set(case: LayerCase) -> None:
    layer, x = make(layers, case), case.inputs()
    layer(x)
    weights = layer.weights
    assert layer.count_params() == sum(w.size for w in weights)
    trainable = [id(w) for w in layer.trainable_weights]
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == len(weights)
    layer.trainable = True
    assert [id(w) for w in layer.trainable_weights] == trainable
    layer.set_weights([np.full(w.shape, 2.0) for w in weights])
    assert all((w.numpy() == 2.0).all() for w in weights)


def test_works_in_a_model_that_is_saved_as_config(case: LayerCase) -> None:
    """In a functional model: drawn, run, written as JSON, read, run again."""
    x = flat(case.inputs())
    inputs = [tg.Input(a.shape[1:], dtype=str(a.dtype)) for a in x]
    layer = make(layers, case)
    model = tg.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    y = model.predict(x, verbose=0)
    again = tg.Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x, verbose=0), y)


def test_mask_passes_only_where_it_is_understood(case: LayerCase) -> None:
    if len(case.shapes) != 1 or case.shapes[0][0] == "int" or len(case.shapes[0]) != 2:
        return
    if case.name == "Softmax":  # its mask is over the elements, not over the steps
        return
    x = case.inputs()
    mask = np.array([[1, 1, 0, 1][i % 4] for i in range(x.shape[1])] * len(x), bool)
    masked = layers.layer.with_mask(tg.tensor(x), tg.tensor(mask.reshape(x.shape[:2])))
    layer = make(layers, case)
    y = layer(masked)
    found = layers.layer.get_mask(y)
    if not layer.supports_masking:
        assert found is None
    elif case.name != "GlobalAveragePooling1D":
        assert found is not None


@pytest.mark.parametrize(
    ("make_layer", "words"),
    [
        (lambda: layers.Dense(0), "units"),
        (lambda: layers.Dense(2.5), "units"),
        (lambda: layers.Dense(2, unit=3), "Did you mean 'units'"),
        (lambda: layers.Dense(2, activation="rellu"), "Did you mean 'relu'"),
        (lambda: layers.Dense(2, kernel_initializer="glorot"), "Did you mean"),
        (lambda: layers.Dense(2, kernel_constraint="max_nrm"), "Did you mean 'max_norm'"),
        (lambda: layers.Dense(2, lora_rank=4), "not supported"),
        (lambda: layers.Dense(2, dtype="float16"), "float32 or float64"),
        (lambda: layers.Dense(2, name="a/b"), "name"),
        (lambda: layers.Conv2D(3, 3, padding="full"), "padding"),
        (lambda: layers.Conv2D(3, (3, 3, 3)), "kernel_size"),
        (lambda: layers.Conv2D(3, 3, groups=2), "multiple of groups"),
        (lambda: layers.Conv2D(3, 3, strides=2, dilation_rate=2), "dilation_rate"),
        (lambda: layers.Conv2D(3, 3, data_format="NHWC"), "data_format"),
        (lambda: layers.MaxPooling2D(0), "pool_size"),
        (lambda: layers.AdaptiveMaxPooling2D((2, 2, 2)), "output_size"),
        (lambda: layers.ZeroPadding1D((1, -1)), "padding"),
        (lambda: layers.Cropping1D((1, 2, 3)), "cropping"),
        (lambda: layers.Cropping2D(cropping=2.5), "cropping"),
        (lambda: layers.UpSampling1D(0), "size"),
        (lambda: layers.Conv1DTranspose(3, 2, strides=2, output_padding=2), "output_padding"),
        (lambda: layers.SeparableConv1D(3, 2, padding="causal"), "padding"),
        (lambda: layers.AlphaDropout(1.0), "rate < 1"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), 0), "power_iterations"),
        (lambda: layers.Dropout(1.5), "rate"),
        (lambda: layers.Permute((1, 3)), "dims"),
        (lambda: layers.Reshape((-1, -1)), "-1"),
        (lambda: layers.UpSampling2D(interpolation="bicubic"), "interpolation"),
        (lambda: layers.Embedding(0, 3), "input_dim"),
        (lambda: layers.Input(), "shape"),
        (lambda: layers.Input((3,), sparse=True), "sparse"),
        (lambda: layers.Input(("a",)), "integers"),
        (lambda: layers.Lambda(3), "function"),
        (lambda: layers.TimeDistributed(3), "layer"),
        (lambda: layers.LeakyReLU(-1), "negative_slope"),
    ],
)
def test_bad_arguments_are_refused(make_layer: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r"Expected|Unknown") as caught:
        make_layer()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (layers.Dense(2, name="d"), np.ones(3), "at least 2 axes"),
        (layers.Conv2D(2, 3, name="d"), np.ones((1, 5, 5)), "4 axes"),
        (layers.Conv2D(2, 3, name="d"), np.ones((1, 2, 2, 1)), "window|kernel|larger"),
        (layers.Reshape((4, 2), name="d"), np.ones((1, 9)), "8 elements"),
        (layers.Add(name="d"), np.ones((1, 9)), "list of inputs"),
        (layers.Add(name="d"), [np.ones((1, 9))], "at least 2"),
        (layers.Add(name="d"), [np.ones((1, 9)), np.ones((1, 8))], "broadcast"),
        (layers.Concatenate(name="d"), [np.ones((1, 2, 3)), np.ones((1, 3, 2))], "axis 2 only"),
        (layers.Dot(1, name="d"), [np.ones((1, 2)), np.ones((1, 3))], "equal lengths"),
        (layers.Permute((1, 2), name="d"), np.ones((1, 2)), "3 axes"),
    ],
    ids=lambda v: getattr(v, "name", None) and type(v).__name__,
)
def test_bad_inputs_name_the_layer(layer: Any, x: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        layer(x)
    notes = getattr(caught.value, "__notes__", "")  # Python 3.10 has none: there it is the message
    assert "[d]" in str(caught.value) or "layer d" in f"{caught.value} {notes}"


def test_second_input_must_have_the_features_of_the_first() -> None:
    layer = layers.Dense(2, name="d")
    layer(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"\[d\].*length 3 of axis -1.*\(1, 4\)"):
        layer(np.ones((1, 4)))


def test_embedding_index_out_of_range() -> None:
    with pytest.raises(IndexError):
        layers.Embedding(3, 2)(np.array([[3]]))


# --- layers that users write ----------------------------------------------------------------------


class Scale(layers.Layer):
    """y = w x + (training)."""

    def __init__(self, start: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1],), tg.initializers.Constant(self.start), name="w")
        self.seen = self.add_weight((), "zeros", trainable=False, name="seen")

    def call(self, inputs, training=False):
        return inputs * self.w + (1.0 if training else 0.0)


class Outer(layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [Scale(2.0), {"b": Scale(3.0)}]

    def call(self, x):
        return self.parts[1]["b"](self.parts[0](x))


def test_sublayers_are_found_in_lists_and_dicts() -> None:
    outer = Outer()
    y = outer(np.ones((2, 3)))
    np.testing.assert_array_equal(y.numpy(), np.full((2, 3), 6.0))
    assert [v.name for v in outer.weights] == ["w", "seen", "w", "seen"]
    assert len(outer.trainable_weights) == 2
    assert [v.path for v in outer.weights][:2] == ["outer/scale/w", "outer/scale/seen"]


def test_training_reaches_inner_layers() -> None:
    outer = Outer()
    calm, busy = outer(np.zeros((1, 1))), outer(np.zeros((1, 1)), training=True)
    assert (calm.item(), busy.item()) == (0.0, 4.0)  # (0 + 1) 3 + 1


def test_arguments_by_name_and_by_position() -> None:
    x = np.zeros((1, 1))
    assert Scale()(x, True).item() == Scale()(inputs=x, training=True).item() == 1.0
    assert tg.Sequential([Scale()])(x, True).item() == 1.0
    embedding = layers.Embedding(3, 2, mask_zero=True)
    assert layers.layer.get_mask(embedding(inputs=np.array([[1, 0]]))).numpy().tolist() == [[1, 0]]


def test_shape_of_a_layer_that_does_not_state_it() -> None:
    x = tg.Input((None, 3))
    assert layers.Lambda(lambda t: t[:, 1:] * 2)(x).shape == (None, None, 3)
    assert Outer()(x).shape == (None, None, 3)


def test_config_of_a_users_layer_is_what_it_was_given() -> None:
    layer = Scale(4.0, name="s")
    again = Scale.from_config(layer.get_config())
    assert (again.start, again.name) == (4.0, "s")
    assert "parts" not in Outer().get_config()


def test_init_without_super_is_told() -> None:
    class Forgot(layers.Layer):
        def __init__(self):
            self.a = 1

        def call(self, x):
            return x

    with pytest.raises(RuntimeError, match="super"):
        Forgot()(np.ones((1, 1)))


def test_frozen_before_built() -> None:
    layer = Scale(trainable=False)
    layer(np.ones((1, 2)))
    assert layer.trainable_weights == []
    layer.trainable = True
    assert [v.name for v in layer.trainable_weights] == ["w"]


def test_losses_last_until_the_next_call() -> None:
    class Sparse(layers.Layer):
        def call(self, x):
            self.add_loss(tg.ops.sum(tg.ops.abs(x)))
            return x

    class Two(layers.Layer):
        def __init__(self):
            super().__init__()
            self.a, self.d = Sparse(), layers.Dense(1, kernel_regularizer="l2")

        def call(self, x):
            return self.d(self.a(self.a(x)))

    two = Two()
    for _ in range(2):
        two(np.ones((1, 3), "float32"))
        assert [round(t.item(), 5) for t in two.losses[:2]] == [3.0, 3.0]
        assert len(two.losses) == 3
    two.trainable = False
    assert len(two.losses) == 2


def test_lists_of_numbers_are_tensors() -> None:
    assert layers.Dense(2)([[1.0, 2.0]]).shape == (1, 2)


def test_integers_become_floats_where_it_is_computed() -> None:
    assert layers.Dense(2)(np.array([[1, 2]])).dtype == np.float32
    assert layers.Flatten()(np.ones((2, 3), "int64")).dtype == np.int64


def test_pickle_and_copy() -> None:
    import copy
    import pickle

    layer = layers.Dense(2)
    y = layer(np.ones((1, 3)))
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(again(np.ones((1, 3))).numpy(), y.numpy())
        assert again.kernel is not layer.kernel


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).standard_normal((400, 500)).astype("float32")
    y = layers.AlphaDropout(0.3, seed=1)(tg.ops.selu(x), training=True).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02


def test_nothing_is_left_of_a_cropped_image() -> None:
    with pytest.raises(ValueError, match="Nothing is left"):
        layers.Cropping2D(2)(np.zeros((1, 4, 5, 1), "float32"))


def test_unit_normalization_refuses_other_axes() -> None:
    with pytest.raises(TypeError, match="axis='last'"):
        layers.UnitNormalization("last")
    with pytest.raises(ValueError, match="axis=2"):
        layers.UnitNormalization(2)(np.ones((2, 2), "float32"))


def test_spectral_normalization() -> None:
    """Only while training; the largest singular value becomes 1; a kernel of zeros stays."""
    dense = layers.Dense(4)
    layer = layers.SpectralNormalization(dense, power_iterations=60)
    x = np.ones((1, 6), "float32")
    layer(x)
    before = dense.kernel.numpy().copy()
    layer(x, training=False)
    np.testing.assert_array_equal(dense.kernel.numpy(), before)
    layer(x, training=True)
    assert np.linalg.norm(dense.kernel.numpy(), 2) == pytest.approx(1, abs=1e-4)
    u = layer.vector_u.numpy().copy()
    dense.kernel.assign(np.zeros_like(before))
    assert (layer(x, training=True).numpy() == 0).all()
    np.testing.assert_array_equal(layer.vector_u.numpy(), u)
    with pytest.raises(ValueError, match="a kernel or embeddings"):
        layers.SpectralNormalization(layers.Flatten())(x)


def test_merged_steps_count_if_they_count_in_any_input() -> None:
    embed = layers.Embedding(3, 2, mask_zero=True)
    x, y = embed(np.array([[0, 1, 0, 2]])), embed(np.array([[0, 0, 1, 2]]))
    free = tg.tensor(np.ones((1, 4, 2), "float32"))
    for kind in (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum):
        assert layers.layer.get_mask(kind()([x, y])).numpy().tolist() == [[0, 1, 1, 1]]
        assert layers.layer.get_mask(kind()([x, free])) is None
    for axis, inputs, expected in (
        (-1, [x, y], [[0, 1, 1, 1]]),
        (-1, [x, free], [[1, 1, 1, 1]]),
        (1, [x, y], [[0, 1, 0, 1, 0, 0, 1, 1]]),
        (1, [x, free], [[0, 1, 0, 1, 1, 1, 1, 1]]),
    ):
        merged = layers.Concatenate(axis)(inputs)
        assert layers.layer.get_mask(merged).numpy().tolist() == expected
    assert layers.layer.get_mask(layers.Concatenate()([free, free])) is None


class Stating(layers.Layer):
    """A layer inside, whose weights only call() can make."""

    def __init__(self):
        super().__init__()
        self.inner = [layers.Dense(3)]

    def call(self, x):
        return self.inner[0](x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


class Cell(Stating):
    state_size = 3

    def call(self, x, states):
        y = super().call(x) + states[0]
        return y, [y]


@pytest.mark.parametrize(
    ("make", "n"),
    [
        (Stating, 2),
        (lambda: layers.TimeDistributed(Stating()), 2),
        (lambda: layers.RNN(Cell()), 2),
        (lambda: layers.Bidirectional(layers.RNN(Cell())), 4),
    ],
)
def test_layers_inside_are_built_where_the_output_shape_is_stated(make, n):
    assert len(tg.Sequential([tg.Input((4, 2)), make()]).weights) == n


class OwnBuild(tg.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def build(self, input_shape):
        self.scale = self.add_weight((), "ones")

    def call(self, x):
        return self.dense(x) * self.scale


def test_weights_made_in_the_first_step_are_trained():
    model = OwnBuild()
    model.build((None, 2))
    model.compile("adam", "mse")
    model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=3, verbose=0)
    assert model.dense.bias.numpy().item() > 0.002
