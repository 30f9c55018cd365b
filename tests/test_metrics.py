"""Metrics: state over batches, names, shapes, and the rules behind "accuracy"."""

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers, metrics


def test_a_metric_adds_up_batches_and_forgets():
    m = metrics.MeanSquaredError()
    m.update_state([[0.0]], [[1.0]])
    m.update_state([[0.0], [0.0]], [[2.0], [3.0]])
    assert m.result().item() == pytest.approx(14 / 3)
    m.reset_state()
    assert m.result().item() == 0
    assert m([0.0], [2.0]).item() == 4


def test_values_of_two_dtypes_are_compared_as_they_are():
    assert metrics.accuracy(np.array([1, 0]), np.array([1.2, 0.0])).numpy().tolist() == [0, 1]
    label, scores = np.array([0], "uint8"), np.eye(300, dtype="float32")[[256]]
    assert metrics.sparse_categorical_accuracy(label, scores).item() == 0
    t, p = np.array([0.5, 1.5, 9.9]), np.array([1, 2, 3])
    assert metrics.pearson_correlation(t, p).item() == pytest.approx(np.corrcoef(t, p)[0, 1])


def test_neither_nan_nor_a_label_below_0_is_among_the_largest():
    top = metrics.sparse_top_k_categorical_accuracy
    scores = [[np.nan] * 3, [np.nan, 1.0, 0.0], [np.nan, 1.0, 0.0], [0.1, 0.2, 0.3]]
    assert top([0, 0, 1, -1], scores, k=2).numpy().tolist() == [0, 0, 1, 0]


def test_top_k_takes_k_of_each_row_at_ties_the_first():
    t, p = [[0, 1, 0], [1, 0, 0]], [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    assert metrics.Precision(top_k=1)(t, p).item() == 0.5
    assert metrics.Recall(top_k=2)(t, p).item() == 1
    for k in (0, 4):
        with pytest.raises(ValueError, match="1 <= top_k <= 3"):
            metrics.Precision(top_k=k)(t, p)


def test_auc_weighs_columns_and_refuses_other_numbers_of_them():
    t = [[1, 0], [0, 1], [1, 1], [0, 0]]
    p = [[0.9, 0.9], [0.1, 0.1], [0.8, 0.2], [0.2, 0.7]]
    assert metrics.AUC(label_weights=[1.0, 0.0])(t, p).item() == 1
    assert metrics.AUC(label_weights=[1.0, 0.0], multi_label=True)(t, p).item() == 1
    for bad in ({"label_weights": [1.0]}, {"multi_label": True, "num_labels": 3}):
        with pytest.raises(ValueError, match="received"):
            metrics.AUC(**bad)(t, p)
    with pytest.raises(ValueError, match="thresholds from 0 to 1"):
        metrics.AUC(thresholds=[0.5, 2.0])


@pytest.mark.parametrize(
    "m",
    [
        metrics.Precision(),
        metrics.AUC(),
        metrics.F1Score(),
        metrics.R2Score(),
        metrics.MeanIoU(2),
        metrics.MeanSquaredError(),
    ],
    ids=lambda m: m.name,
)
def test_weights_that_do_not_fit_are_refused_in_words(m):
    y = np.array([[0.0], [1.0]])
    for weight in (np.ones(3), np.ones((2, 5, 1))):
        with pytest.raises(ValueError, match=r"The weights do not fit .* received sample_weight"):
            m(y, y, sample_weight=weight)


@pytest.mark.parametrize("label", [-1.0, 2.0, np.nan])
def test_labels_that_are_no_probabilities_are_refused(label):
    m = metrics.Precision()
    with pytest.raises(ValueError, match="probabilities in y_true, 0 to 1"):
        m([label, 1.0], [0.9, 0.8])
    assert m([1.0, 1.0], [0.9, 0.8]).item() == 1


def test_many_batches_lose_no_digits():
    m = metrics.Mean()
    for _ in range(10000):
        m.update_state(np.full(100, 0.1, "float32"))
    assert m.result().item() == pytest.approx(np.float32(0.1), abs=1e-8)


def test_names():
    assert isinstance(metrics.get("auc"), metrics.AUC)
    assert isinstance(metrics.get("F1Score"), metrics.F1Score)
    assert isinstance(metrics.get("MSE"), metrics.MeanSquaredError)
    with pytest.raises(ValueError, match="Did you mean 'precision'"):
        metrics.get("precison")


@pytest.mark.parametrize(
    ("t", "p", "kind"),
    [
        ((8,), (8, 1), metrics.BinaryAccuracy),
        ((8, 1), (8, 1), metrics.BinaryAccuracy),
        ((8,), (8, 3), metrics.SparseCategoricalAccuracy),
        ((8, 1), (8, 3), metrics.SparseCategoricalAccuracy),
        ((8, 3), (8, 3), metrics.CategoricalAccuracy),
        ((8, 5), (8, 5, 3), metrics.SparseCategoricalAccuracy),
    ],
)
def test_accuracy_by_shape(t, p, kind):
    assert metrics.accuracy_for(t, p) is kind


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"y_true.shape=\(2,\)"):
        metrics.MeanSquaredError()(np.zeros(2), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="Expected probabilities"):
        metrics.AUC()([0.0, 1.0], [3.0, -2.0])


def test_top_k_counts_ties_in():
    values = metrics.sparse_top_k_categorical_accuracy([0, 2], [[0.5, 0.5, 0.0]] * 2, k=1)
    assert values.numpy().tolist() == [1, 0]


@pytest.mark.parametrize(
    "metric",
    [
        metrics.AUC(curve="PR", num_thresholds=20),
        metrics.Precision(thresholds=[0.2, 0.7], class_id=1),
        metrics.F1Score(average="macro", threshold=0.4),
        metrics.R2Score(num_regressors=2),
        metrics.MeanIoU(num_classes=3),
        metrics.OneHotMeanIoU(num_classes=3),
        metrics.SensitivityAtSpecificity(0.4),
        metrics.TopKCategoricalAccuracy(k=2),
        metrics.BinaryCrossentropy(from_logits=True),
    ],
    ids=lambda m: m.name,
)
def test_config_round_trip(metric):
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_a_metric_of_the_users_own():
    class Largest(metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.top = self.add_weight(name="top")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.top.assign(max(float(self.top), float(np.max(y_pred))))

        def result(self):
            return self.top

    m = Largest()
    m.update_state(None, np.array([1.0, 5.0]))
    m.update_state(None, np.array([3.0]))
    assert float(m.result()) == 5
    m.reset_state()
    assert float(m.result()) == 0


def test_metrics_record_no_graph():
    p = tg.Tensor(np.ones((3, 1), "float32"), requires_grad=True)
    assert not metrics.MeanSquaredError()(np.zeros((3, 1)), p).requires_grad


class Measured(layers.Layer):
    """Metrics inside a layer, in a list: of ops, and of NumPy."""

    def __init__(self):
        super().__init__()
        self.seen = [metrics.Mean("mean"), metrics.MeanIoU(2, name="iou")]

    def call(self, x):
        self.seen[0].update_state(x + 1)
        self.seen[1].update_state(x > 0, x > 0)
        return x


@pytest.mark.filterwarnings("ignore:.*runs eagerly from here on")
def test_metrics_of_layers_are_in_the_logs_and_begin_again_with_each_epoch():
    x = np.random.default_rng(0).normal(size=(40, 4))
    model = tg.Sequential([Measured(), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, x[:, :1], epochs=3, batch_size=10, verbose=0).history
    assert history["mean"] == [pytest.approx(float(x.mean() + 1), abs=1e-5)] * 3
    assert history["iou"] == [pytest.approx(1.0)] * 3
    outer = tg.Sequential([tg.Input((4,)), model])
    outer.compile("sgd", "mse", metrics=["mae"])
    history = outer.fit(x, x[:, :1], epochs=1, verbose=0).history
    assert list(history) == ["loss", "mae", "mean", "iou"]


def test_a_metric_object_may_serve_one_model_after_the_other():
    x, metric = np.ones((8, 1)), metrics.MeanAbsoluteError()
    for bias in (3.0, 1.0):
        start = tg.initializers.Constant(bias)
        model = tg.Sequential(
            [tg.Input((1,)), layers.Dense(1, kernel_initializer="zeros", bias_initializer=start)]
        )
        model.compile(tg.optimizers.SGD(0.0), "mse", metrics=[metric])
        assert model.fit(x, 0 * x, verbose=0).history["mean_absolute_error"] == [bias]
