"""Losses: names, reductions, weights, masks, and the refusal to broadcast."""

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import losses


def test_names_functions_and_objects():
    assert losses.get("mse") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert losses.get(None) is None
    mine = losses.get(lambda t, p: p - t)
    assert callable(mine)


def test_unknown_name_lists_near_matches():
    with pytest.raises(ValueError, match="Did you mean 'mean_squared_error'"):
        losses.get("mean_squarederror")


@pytest.mark.parametrize("name", ["mse", "mae", "bce", "huber", "categorical_crossentropy", "kld"])
def test_nothing_is_broadcast(name):
    t, p = np.zeros((10, 7), "float32"), np.full((10, 1), 0.5, "float32")
    with pytest.raises(ValueError, match=r"y_true.shape=\(10, 7\), y_pred.shape=\(10, 1\)"):
        losses.get(name)(t, p)


def test_a_missing_last_axis_of_one_is_no_broadcast():
    value = losses.MeanSquaredError()(np.zeros(3), np.ones((3, 1), "float32"))
    assert value.item() == 1.0


def test_labels_out_of_range_and_wrong_shapes_are_errors():
    with pytest.raises(ValueError, match=r"5"):
        losses.sparse_categorical_crossentropy([5], np.full((1, 3), 1 / 3, "float32"))
    with pytest.raises(ValueError, match=r"y_true of shape \(2,\)"):
        losses.sparse_categorical_crossentropy([0, 1, 2], np.full((2, 3), 1 / 3, "float32"))
    with pytest.raises(ValueError, match="fractions"):
        losses.sparse_categorical_crossentropy([0.5], np.full((1, 3), 1 / 3, "float32"))


def test_large_logits_stay_finite_and_exact():
    loss = losses.BinaryCrossentropy(from_logits=True)
    assert loss([[1.0], [0.0]], [[1000.0], [-1000.0]]).item() == 0
    assert loss([[0.0]], [[1000.0]]).item() == 1000
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert sparse([1], [[1000.0, 0.0]]).item() == 1000


def test_probabilities_of_zero_and_one_stay_finite():
    p = tg.Tensor(np.array([[0.0], [1.0]], "float32"), requires_grad=True)
    value = losses.BinaryCrossentropy()([[1.0], [0.0]], p)
    value.backward()
    assert np.isfinite(value.item()) and np.isfinite(p.grad.numpy()).all()


def test_weights_may_be_given_per_sample_of_a_sequence():
    t, p = np.zeros((2, 3, 1), "float32"), np.ones((2, 3, 1), "float32")
    loss = losses.MeanSquaredError()
    assert loss(t, p, sample_weight=np.array([1.0, 0.0])).item() == 0.5
    assert loss(t, p, sample_weight=np.ones((2, 3))).item() == 1.0
    with pytest.raises(ValueError, match="weights do not fit"):
        loss(t, p, sample_weight=np.ones(3))


def test_masked_steps_do_not_count():
    t = np.zeros((1, 4, 1), "float32")
    p = np.array([[[1.0], [3.0], [100.0], [100.0]]], "float32")
    mask = np.array([[True, True, False, False]])
    assert losses.MeanSquaredError()(t, p, mask=mask).item() == 5.0
    assert losses.MeanSquaredError(reduction="sum")(t, p, mask=mask).item() == 10.0


@pytest.mark.parametrize("settings", [{}, {"reduction": "sum"}, {"ignore_class": 1}], ids=str)
def test_a_model_tells_its_loss_of_the_mask(settings):
    embedding = tg.layers.Embedding(5, 3, mask_zero=True)
    model = tg.Sequential([embedding, tg.layers.Dense(3, "softmax")])
    loss = losses.SparseCategoricalCrossentropy(**settings)
    model.compile("sgd", loss)
    x, y = np.array([[1, 2, 0], [3, 0, 0]]), np.array([[1, 2, 0], [2, 1, 1]])
    expected = loss(y, model.predict(x), mask=x != 0).item()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-6)


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="sum_over_batch_size"):
        losses.MeanSquaredError(reduction="avg")


def test_config_round_trip():
    loss = losses.Huber(delta=0.3, reduction="sum", name="mine")
    again = losses.deserialize(losses.serialize(loss))
    assert again.get_config() == loss.get_config() == {
        "name": "mine", "reduction": "sum", "delta": 0.3,
    }  # fmt: skip
    assert losses.deserialize(losses.serialize(losses.mse)) is losses.mse


def test_a_loss_of_the_users_own():
    class Cubed(losses.Loss):
        def call(self, y_true, y_pred):
            return tg.ops.mean(tg.ops.abs(y_true - y_pred) ** 3, axis=-1)

    assert Cubed()(tg.tensor([[0.0]]), tg.tensor([[2.0]])).item() == 8.0


def test_ctc_of_one_step_is_cross_entropy():
    logits = np.random.default_rng(0).normal(size=(2, 1, 4)).astype("float32")
    expected = losses.sparse_categorical_crossentropy([2, 3], logits[:, 0], from_logits=True)
    np.testing.assert_allclose(losses.ctc([[2], [3]], logits), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_predictions_decides(dtype):
    p = np.ones((2, 1), dtype)
    assert losses.MeanSquaredError()(np.zeros((2, 1), "int64"), p).dtype == dtype


def test_crossentropy_by_shape():
    assert losses.crossentropy_for((8,), (8, 1)) is losses.binary_crossentropy
    assert losses.crossentropy_for((8,), (8, 5)) is losses.sparse_categorical_crossentropy
    assert losses.crossentropy_for((8, 1), (8, 5)) is losses.sparse_categorical_crossentropy
    assert losses.crossentropy_for((8, 5), (8, 5)) is losses.categorical_crossentropy


@pytest.mark.parametrize("name", ["categorical_crossentropy", "categorical_focal_crossentropy"])
def test_labels_are_smoothed_over_the_axis_of_the_classes(name):
    loss, t, p = getattr(losses, name), np.eye(3)[[0, 1]], np.array([[0.2, 0.5, 0.3]] * 2)
    along = loss(t.T, p.T, label_smoothing=0.3, axis=0).numpy()
    np.testing.assert_allclose(along, loss(t, p, label_smoothing=0.3).numpy())
