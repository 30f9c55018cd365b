"""Optimizers: every one goes downhill, keeps its state, refuses what does not fit; schedules."""

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import optimizers
from tinygrad_cn.optimizers import schedules

ALL = ("sgd rmsprop adagrad adadelta adam adamw adamax nadam lion lamb ftrl adafactor").split()


def downhill(optimizer, steps=60):
    """(loss at the beginning, loss after some steps) of a quadratic bowl."""
    w = tg.Variable(np.array([1.0, -2.0, 3.0], "float32"))
    scale = np.array([1.0, 2.0, 0.5], "float32")
    values = [optimizer.minimize(lambda: (scale * w * w).sum(), [w]).item() for _ in range(steps)]
    return values[0], values[-1]


@pytest.mark.parametrize("name", ALL)
def test_goes_downhill(name):
    optimizer = optimizers.get({"class_name": name, "config": {"learning_rate": 0.02}})
    first, last = downhill(optimizer)
    assert last < first
    assert optimizer.iterations.item() == 60


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_has_the_dtype_of_the_variable_and_goes_on_after_a_reload(name, dtype):
    rng = np.random.default_rng(0)
    grads = [rng.normal(size=(3, 2)).astype(dtype) for _ in range(6)]

    def run(optimizer, w, gs):
        for g in gs:
            optimizer.apply_gradients([(tg.Tensor(g), w)])

    whole, w = optimizers.get(name), tg.Variable(np.ones((3, 2), dtype))
    run(whole, w, grads)
    first, v = optimizers.get(name), tg.Variable(np.ones((3, 2), dtype))
    run(first, v, grads[:3])
    second = type(first).from_config(first.get_config())
    second.build([v])
    second.set_weights([s.numpy() for s in first.variables])
    run(second, v, grads[3:])
    np.testing.assert_array_equal(v.numpy(), w.numpy())
    assert v.dtype == dtype


def test_names_in_any_case_and_near_matches():
    assert isinstance(optimizers.get("AdamW"), optimizers.AdamW)
    assert isinstance(optimizers.get("SGD"), optimizers.SGD)
    with pytest.raises(ValueError, match="Did you mean 'adam"):
        optimizers.get("addam")
    with pytest.raises(ValueError, match="Expected a name"):
        optimizers.get(3)


@pytest.mark.parametrize("name", ALL)
def test_config_round_trip(name):
    optimizer = optimizers.get(name)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()


def test_a_schedule_survives_a_round_trip():
    rate = schedules.CosineDecay(0.1, 100, warmup_target=0.2, warmup_steps=5)
    again = optimizers.deserialize(optimizers.serialize(optimizers.Adam(rate)))
    assert [again._learning_rate(s) for s in (0, 5, 50)] == [rate(s) for s in (0, 5, 50)]


def test_the_documents_decaying_rate():
    rate = schedules.InverseSqrtDecay(0.1, delta=0.5)
    assert [rate(t) for t in (0, 6, 16)] == pytest.approx([0.1, 0.05, 0.1 / 3])
    w = tg.Variable([0.0])
    optimizer = optimizers.SGD(rate)
    moved = []
    for _ in range(3):
        before = w.numpy().copy()
        optimizer.apply_gradients([(tg.tensor([-1.0]), w)])
        moved.append(float((w.numpy() - before)[0]))
    assert moved == pytest.approx([rate(0), rate(1), rate(2)], rel=1e-6)


def test_learning_rate_can_be_read_and_set():
    optimizer = optimizers.Adam(0.01)
    assert float(optimizer.learning_rate) == 0.01
    optimizer.learning_rate = 0.5
    optimizer.learning_rate.assign(0.25)
    assert float(optimizer.learning_rate) == 0.25
    scheduled = optimizers.Adam(schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(TypeError, match="ExponentialDecay"):
        scheduled.learning_rate = 0.1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rate": "fast"}, "learning rate"),
        ({"learning_rate": -1.0}, ">= 0"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "one way of clipping"),
        ({"clipnorm": 0.0}, "> 0"),
        ({"ema_momentum": 2.0}, "ema_momentum"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps"),
        ({"beta_1": 1.0}, "beta_1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        optimizers.Adam(**settings)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError):
        optimizers.Adam(lr=0.1)


def test_bad_gradients_change_nothing():
    a, b = tg.Variable([1.0, 2.0]), tg.Variable([3.0])
    optimizer = optimizers.Adam()
    with pytest.raises(ValueError, match="another shape"):
        optimizer.apply_gradients([(tg.tensor([1.0, 1.0]), a), (tg.tensor([1.0, 1.0]), b)])
    with pytest.raises(ValueError, match="None of the variables"):
        optimizer.apply_gradients([(None, a), (None, b)])
    assert a.numpy().tolist() == [1, 2] and b.numpy().tolist() == [3]
    assert optimizer.iterations.item() == 0


def test_a_variable_without_gradient_is_told_and_left_alone():
    a, b = tg.Variable([1.0]), tg.Variable([3.0])
    with pytest.warns(UserWarning, match="no gradient"):
        optimizers.SGD(0.5).apply_gradients([(tg.tensor([1.0]), a), (None, b)])
    assert a.numpy().tolist() == [0.5] and b.numpy().tolist() == [3]


def test_a_strange_variable_is_refused():
    optimizer = optimizers.SGD()
    optimizer.apply_gradients([(tg.tensor([1.0]), tg.Variable([1.0]))])
    with pytest.raises(ValueError, match="not among those"):
        optimizer.apply_gradients([(tg.tensor([1.0]), tg.Variable([1.0], name="other"))])


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
def test_weight_decay_can_spare_variables(kind):
    w, b = tg.Variable([1.0], name="kernel"), tg.Variable([1.0], name="bias")
    optimizer = getattr(optimizers, kind)(learning_rate=0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply_gradients([(tg.tensor([0.0]), w), (tg.tensor([0.0]), b)])
    assert w.numpy().tolist() == [0.75] and b.numpy().tolist() == [1.0]


def test_clipping_keeps_the_direction_and_survives_zero():
    w = tg.Variable([0.0, 0.0])
    optimizers.SGD(1.0, clipnorm=1.0).apply_gradients([(tg.tensor([30.0, 40.0]), w)])
    np.testing.assert_allclose(w.numpy(), [-0.6, -0.8], rtol=1e-6)
    optimizers.SGD(1.0, clipnorm=1.0).apply_gradients([(tg.tensor([0.0, 0.0]), w)])
    np.testing.assert_allclose(w.numpy(), [-0.6, -0.8], rtol=1e-6)


def test_writing_in_place_is_seen_by_the_graph():
    w = tg.Variable([1.0])
    y = (w * w).sum()
    optimizers.SGD().apply_gradients([(tg.tensor([1.0]), w)])
    with pytest.raises(RuntimeError, match="written to"):
        y.backward()


def test_an_optimizer_of_the_users_own():
    class SignSGD(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, tg.ops.sign(gradient) * learning_rate)

    first, last = downhill(SignSGD(0.02))
    assert last < first


def test_the_piecewise_schedule_wants_one_value_more():
    with pytest.raises(ValueError, match="one value more"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])


@pytest.mark.parametrize("name", ["Lamb", "Ftrl", "Adafactor"])
@pytest.mark.skipif(tg.kernels.core is None, reason="the NumPy kernels are not captured")
def test_captured_steps_of_the_newer_ones(name):
    """The same numbers as by hand, with a schedule and without."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")
    for rate in (0.05, schedules.ExponentialDecay(0.05, 10, 0.9)):
        ends = []
        for eager in (False, True):
            tg.utils.set_random_seed(1)
            hidden = tg.layers.Dense(8, "relu")
            model = tg.Sequential([tg.Input((5,)), hidden, tg.layers.Dense(1)])
            model.compile(getattr(optimizers, name)(rate), "mse", run_eagerly=eager)
            model.fit(x, y, epochs=30, verbose=0)
            ends.append(model.get_weights())
            if not eager:
                calls = model._plans["learn"].last.program.calls
                assert [call.label for call in calls if call.python is not None] == []
        for a, b in zip(*ends, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_lamb_of_length_0_moves_too():
    w, v = tg.Variable([0.0, 0.0]), tg.Variable([3.0, 4.0])
    optimizers.Lamb(0.1).apply_gradients([(tg.tensor([1.0, 1.0]), w), (tg.tensor([0.0, 0.0]), v)])
    np.testing.assert_allclose(w.numpy(), [-0.1, -0.1], rtol=1e-5)
    np.testing.assert_array_equal(v.numpy(), [3, 4])


def test_arguments_of_the_newer_ones_are_checked():
    with pytest.raises(ValueError, match="learning_rate_power <= 0"):
        optimizers.Ftrl(learning_rate_power=0.5)
    with pytest.raises(ValueError, match="l1_regularization_strength >= 0"):
        optimizers.Ftrl(l1_regularization_strength=-1.0)
    with pytest.raises(ValueError, match="clip_threshold > 0"):
        optimizers.Adafactor(clip_threshold=0)


def test_runs_of_a_cosine_decay_do_not_get_shorter():
    with pytest.raises(ValueError, match="t_mul >= 1, received"):
        schedules.CosineDecayRestarts(0.1, 10, t_mul=0.5)


def test_averages_count_updates_not_the_gradients_that_are_accumulated():
    optimizer = optimizers.SGD(
        1.0,
        gradient_accumulation_steps=2,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=3,
    )
    w, seen = tg.Variable([0.0]), []
    for _ in range(6):
        optimizer.apply([tg.tensor([-1.0])], [w])
        seen.append(w.numpy().item())
    # the average is 1 after the first update (two calls), then 1 and 1.5: the third overwrites
    assert seen == [0, 1, 1, 2, 1.75, 2.25]
