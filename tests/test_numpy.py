"""NumPy's functions, operators and protocols on Tensors: they compute here and are recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import numpy_protocol, ops

X = np.array([[0.5, 1.5, -0.5], [2.0, 0.25, 1.0]])


def leaf(x=X):
    return tg.Tensor(x.copy(), requires_grad=True)


def test_array_and_tensor_mix_from_both_sides():
    t = leaf()
    for y in (X + t, t + X, X * t, X / (t + 3), X - t, X @ t.T, t @ X.T, 2**t, np.float64(2) * t):
        assert isinstance(y, tg.Tensor) and y.requires_grad
    assert (X + t).tolist() == (X + X).tolist()
    assert isinstance(X > t, tg.Tensor) and not (X > t).any()
    assert isinstance(X == t, tg.Tensor) and (X == t).all()
    with pytest.raises(TypeError):
        array = X.copy()
        array += t  # would lose the gradient
    array = X.copy()
    array += t.detach()
    assert array.tolist() == (2 * X).tolist()


@pytest.mark.parametrize("function", numpy_protocol.UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs(function):
    if function.nin == 2:
        args = (X, X[::-1].copy())
        if function.__name__.startswith("bitwise"):
            args = (np.array([1, 2]), np.array([3, 4]))
        elif function.__name__ == "matmul":
            args = (X, X.T.copy())
    else:
        args = (np.array([True, False]),) if function is np.invert else (X,)
    with np.errstate(all="ignore"):
        expected = function(*args)
        y = function(*map(tg.Tensor, args))
    assert isinstance(y, tg.Tensor) and y.dtype == expected.dtype
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)


def test_ufunc_methods_and_arguments():
    t = leaf()
    assert np.add.reduce(t).tolist() == X.sum(0).tolist()
    assert np.multiply.reduce(t, axis=1).requires_grad
    assert np.maximum.reduce(t, axis=None).item() == 2.0
    assert np.add.accumulate(t, axis=1).tolist() == np.add.accumulate(X, axis=1).tolist()
    assert np.multiply.outer(t, t).shape == (2, 3, 2, 3)
    assert np.add(t, 1, dtype=np.float32).dtype == np.float32
    out = tg.zeros((2, 3), "float64")
    assert np.exp(t.detach(), out=out) is out and np.allclose(out.data, np.exp(X))
    with pytest.raises(RuntimeError, match="lose the gradient"):
        np.exp(t, out=out)
    with pytest.raises(TypeError, match=r"np\.add\.at"):
        np.add.at(t, 0, 1)
    with pytest.raises(TypeError, match=r"np.exp with \['where'\]"):
        np.exp(t, where=X > 0)
    with pytest.raises(TypeError, match=r"np\.gcd has no counterpart"):
        np.gcd(tg.tensor(np.array([1])), 2)


CALLS = {
    "sum": lambda x: np.sum(x, axis=0),
    "sum keepdims": lambda x: np.sum(x, axis=0, keepdims=True),
    "mean": np.mean,
    "prod": np.prod,
    "var": lambda x: np.var(x, ddof=1),
    "std": lambda x: np.std(x, axis=1),
    "max": lambda x: np.max(x, axis=1),
    "min": np.min,
    "amax": np.amax,
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "median": np.median,
    "sort": np.sort,
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "transpose": np.transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "squeeze": lambda x: np.squeeze(np.expand_dims(x, 0)),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "flip": np.flip,
    "roll": lambda x: np.roll(x, 1),
    "tile": lambda x: np.tile(x, 2),
    "repeat": lambda x: np.repeat(x, 2),
    "concatenate": lambda x: np.concatenate([x, x]),
    "concatenate arrays": lambda x: np.concatenate([x, X], axis=1),
    "stack": lambda x: np.stack([x, x]),
    "pad": lambda x: np.pad(x, 1),
    "ravel": np.ravel,
    "tril": np.tril,
    "diag": np.diag,
    "take": lambda x: np.take(x, [0, 1], axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0], [1]]), 1),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "tensordot": lambda x: np.tensordot(x, x, ([1], [1])),
    "outer": lambda x: np.outer(x, x),
    "dot": lambda x: np.dot(x, np.transpose(x)),
    "trace": np.trace,
    "where": lambda x: np.where(X > 0, x, 0.0),
    "clip": lambda x: np.clip(x, 0.1, 1.2),
    "round": lambda x: np.round(x * 1.01, 1),
    "copy": np.copy,
    "norm": np.linalg.norm,
    "inv": lambda x: np.linalg.inv(x @ np.transpose(x)),
    "det": lambda x: np.linalg.det(x @ np.transpose(x)),
    "solve": lambda x: np.linalg.solve(x @ np.transpose(x), x),
    "kron": lambda x: np.kron(x, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions(name):
    y = CALLS[name](leaf())
    expected = CALLS[name](X)
    assert isinstance(y, tg.Tensor) and y.requires_grad
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    tg.testing.check_grads(CALLS[name], X, order=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(x, 0, np.float32),
        lambda x: np.mean(x, 0, None, None, True),
        lambda x: np.std(x, 0, None, None, 1),
        lambda x: np.max(x, 0, None, True),
        lambda x: np.sort(x, -1, "stable"),
        lambda x: np.argsort(x, 0, kind="stable"),
        lambda x: np.median(x, 0, None, False, True),
        lambda x: np.clip(x, None, 1.0),
        lambda x: np.take_along_axis(x, np.array([1, 0]), None),
        lambda x: np.linalg.trace(np.stack([x[:, :2], x[:, 1:]]), offset=1),
        lambda x: np.linalg.diagonal(np.stack([x[:, :2]] * 3)),
        lambda x: np.around(np.diff(x), 1),
    ],
)
def test_arguments_have_the_order_of_numpy(call):
    y, expected = call(leaf()), call(X)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y.data, expected)


def test_functions_without_gradient():
    t = leaf()
    assert np.shape(t) == (2, 3) and np.ndim(t) == 2 and np.size(t) == 6 and np.size(t, 1) == 3
    assert np.argmax(t).item() == 3 and np.argsort(t).tolist() == np.argsort(X).tolist()
    assert np.any(t) and not np.all(t > 0)
    assert np.allclose(t, X) and np.array_equal(t, X) and np.isclose(t, X).all()
    assert np.zeros_like(t).shape == (2, 3) and np.ones_like(t).data.sum() == 6
    assert [len(part) for part in np.split(t, 2)] == [1, 1]
    assert np.result_type(t, np.float32) == np.float64 and np.shares_memory(t, t)
    with pytest.raises(TypeError, match=r"np.linalg.*eig.*no counterpart.*t.numpy\(\)"):
        np.linalg.eig(t)


def test_asarray_shares_memory():
    t = leaf()
    assert np.shares_memory(np.asarray(t), t.data) and np.asarray(t).dtype == np.float64
    assert np.asarray(t, np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(t), t.data)
    assert np.shares_memory(tg.Tensor(X).data, X) and not np.shares_memory(tg.tensor(X).data, X)


def test_dlpack_in_and_out_without_a_copy():
    t = leaf()
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.data)
    back = tg.from_dlpack(X)
    assert isinstance(back, tg.Tensor) and np.shares_memory(back.data, X)
    assert t.__dlpack_device__() == X.__dlpack_device__()


def test_array_namespace():
    xp = leaf().__array_namespace__()
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]], dtype=xp.float64)
    assert xp.sum(xp.permute_dims(x, (1, 0)) @ x, axis=-1).dtype == xp.float64
    assert xp.concat([x, x]).shape == (4, 2) and xp.linalg.inv(x).shape == (2, 2)
    assert xp.isdtype(x.dtype, "real floating") and xp.finfo(xp.float32).eps < 1e-6
    assert xp.iinfo("int8").max == 127 and xp.result_type(x, 1) == xp.float64
    assert xp.can_cast(xp.float32, xp.float64) and xp.broadcast_shapes((2, 1), (3,)) == (2, 3)
    assert xp.pi == math.pi and xp.newaxis is None and xp.from_dlpack(X).shape == (2, 3)
    assert [a.shape for a in xp.broadcast_arrays(x, xp.ones((2,)))] == [(2, 2), (2, 2)]
    assert xp.cumulative_sum(x, axis=0).tolist() == [[1, 2], [4, 6]]
    assert leaf().__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match="1999"):
        leaf().__array_namespace__(api_version="1999.12")


# --- a Tensor as a Python object ------------------------------------------------------------------


def test_length_iteration_and_membership():
    t = leaf()
    assert len(t) == 2 and [row.shape for row in t] == [(3,), (3,)]
    a, b = t
    assert a.requires_grad and b.tolist() == X[1].tolist()
    assert 1.5 in t and 7.0 not in t
    for call in (len, iter, list):
        with pytest.raises(TypeError, match="without axes"):
            call(tg.tensor(1.0))


def test_conversion_to_python_numbers():
    t = tg.tensor([2.5])
    assert float(t) == 2.5 and int(t) == 2 and complex(t) == 2.5 and bool(t) and t.item() == 2.5
    assert f"{t:.3f}" == "2.500" and f"{t}" == "Tensor([2.5])"
    assert [10, 20, 30][tg.tensor(np.array(1))] == 20
    with pytest.raises(TypeError):
        [1, 2][tg.tensor(1.0)]
    many = tg.tensor([1.0, 2.0])
    for convert in (float, int, complex):
        with pytest.raises(TypeError, match=r"Expected one element, received shape=\(2,\)"):
            convert(many)
    with pytest.raises(ValueError, match=r"neither true nor false.*any\(\) or all\(\)"):
        bool(many)
    with pytest.raises(ValueError, match=r"\[item\]"):
        many.item()


def test_repr_is_readable():
    assert repr(tg.tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(leaf(np.ones(1))) == "Tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(leaf(np.ones(1)) * 2) == "Tensor([2.], dtype=float64, from=Multiply)"
    assert repr(tg.tensor(np.arange(3))) == "Tensor([0, 1, 2], dtype=int64)"


def test_comparison_with_what_is_no_number():
    t = tg.tensor([1.0])
    assert (t == None) is False and (t != None) is True and (t == "a") is False  # noqa: E711 # the operators are what is tested
    assert len({t, tg.tensor([1.0])}) == 2  # hashed by identity


@pytest.mark.parametrize(
    "expression",
    [
        "t + 1", "1 + t", "t - 1", "1 - t", "t * 2", "2 * t", "t / 2", "2 / t", "t // 2", "2 // t",
        "t % 2", "2 % t", "t ** 2", "t ** 0.5", "2 ** t", "-t", "+t", "abs(t)",
        "divmod(t, 2)[0]", "divmod(t, 2)[1]", "t @ t.T", "t.T", "t.mT", "t < 1", "t <= 1", "t > 1",
        "t >= 1", "t == 1", "t != 1",
    ],
)  # fmt: skip
def test_operators(expression):
    x = np.abs(X)
    y = eval(expression, {"t": tg.Tensor(x)})
    np.testing.assert_allclose(y.data, eval(expression, {"t": x}), rtol=1e-12)


METHODS = {
    "sum": (), "mean": (0,), "prod": (), "max": (1,), "min": (), "var": (), "std": (), "argmax": (),
    "argmin": (1,), "any": (), "all": (), "cumsum": (1,), "cumprod": (0,), "reshape": (3, 2),
    "transpose": (), "swapaxes": (0, 1), "squeeze": (), "flatten": (), "ravel": (), "repeat": (2,),
    "take": ([1],), "diagonal": (), "trace": (), "dot": (X.T,), "clip": (0, 1), "round": (1,),
    "copy": (), "argsort": (), "astype": ("float32",), "tolist": (),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_numpy_has_too(name):
    y, expected = getattr(tg.Tensor(X), name)(*METHODS[name]), getattr(X, name)(*METHODS[name])
    assert np.asarray(y).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-6 if name == "astype" else 1e-12)


@pytest.mark.parametrize(
    "name",
    ["abs", "exp", "expm1", "square", "sin", "cos", "tanh", "erf", "sigmoid", "relu", "softmax",
     "log_softmax", "logsumexp", "sort", "norm"],
)  # fmt: skip
def test_methods_are_the_functions(name):
    assert getattr(tg.Tensor(X), name)().tolist() == getattr(ops, name)(X).tolist()


def test_sort_method_returns_a_new_tensor():
    t = tg.Tensor(X)
    assert (
        t.sort(1, descending=True).tolist() == (-np.sort(-X)).tolist() and t.tolist() == X.tolist()
    )
    assert t.pow(2).tolist() == (X**2).tolist() and t.device == "cpu"
    assert t.expand_dims(0).shape == (1, 2, 3) and t.transpose(1, 0).shape == (3, 2)
    assert t.reshape((3, 2)).shape == (3, 2) and t.sum_to((1, 3)).shape == (1, 3)
    assert t.matmul(X.T).shape == (2, 2) and t.clone().tolist() == X.tolist()
    assert [i.shape for i in t.nonzero()] == [(6,), (6,)]
