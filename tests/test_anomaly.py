"""detect_anomaly reports the first op that makes a NaN or an infinity, and where it was called."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops
from tinygrad_cn.mode import set_mode


def line_of(text):
    with open(__file__, encoding="utf-8") as lines:
        return next(i for i, line in enumerate(lines, 1) if text in line and "line_of" not in line)


def test_first_op_forward():
    x = tg.Tensor(np.array([[1.0, 2.0], [0.0, 3.0]]), requires_grad=True)
    with pytest.raises(tg.AnomalyError) as caught, tg.detect_anomaly():
        with set_mode(scope="model/dense_1"):
            y = ops.log(x)  # the culprit
        ops.sum(y - y)
    error = caught.value
    assert (error.op, error.direction, error.index) == ("Log", "forward", (1, 0))
    assert error.scope == "model/dense_1" and error.where == (__file__, line_of("# the culprit"))
    for part in ("-inf", "(2, 2)", "there: 0.0", "model/dense_1", "test_anomaly.py"):
        assert part in str(error)


def test_first_op_backward_names_the_forward_line():
    x = tg.Tensor(np.array([4.0, 0.0]), requires_grad=True)
    with pytest.raises(tg.AnomalyError) as caught, tg.detect_anomaly():
        with set_mode(scope="model/norm"):
            y = ops.sqrt(x)  # finite here, infinite slope
        y.sum().backward()
    error = caught.value
    assert (error.op, error.direction, error.index) == ("Sqrt", "backward", (1,))
    assert error.where == (__file__, line_of("# finite here")) and error.scope == "model/norm"
    assert "a step of its rule" in str(error)


def test_overflow_is_found_and_what_flows_in_is_not_blamed():
    x = tg.tensor([np.float32(3e38)])
    with (
        pytest.raises(tg.AnomalyError, match=r"\[Multiply\] forward made inf"),
        tg.detect_anomaly(),
    ):
        x * 10
    with tg.detect_anomaly():
        y = tg.tensor([np.float32(np.nan)]) + 1  # NaN came in
        ops.where([True], -np.inf, y)
        assert np.isnan(y.item() * 2)


def test_clean_code_passes_and_nothing_is_left_behind():
    x = tg.Tensor(np.ones(3), requires_grad=True)
    with tg.detect_anomaly():
        ops.softmax(x * 3).sum().backward()
    assert ops.log(tg.tensor([0.0])).item() == -np.inf


def test_captured_steps_are_watched_too():
    step = tg.jit(lambda x: ops.log(x))
    for _ in range(4):
        step(tg.tensor([1.0, 2.0]))
    with pytest.raises(tg.AnomalyError, match=r"\[Log\]"), tg.detect_anomaly():
        step(tg.tensor([1.0, 0.0]))


def test_outer_observer_still_sees_the_ops():
    seen = []
    with set_mode(observer=lambda op, *_: seen.append(op.name)), tg.detect_anomaly():
        tg.tensor([1.0]) + 1
    assert seen == ["Add"]


def test_ops_of_many_outputs():
    with pytest.raises(tg.AnomalyError, match=r"\[SlogDet\]"), tg.detect_anomaly():
        ops.linalg.slogdet(np.zeros((2, 2)))
