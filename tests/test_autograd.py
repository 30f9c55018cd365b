"""The engine: what is recorded, what backward does, and what it says when it cannot."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import Op, ops
from tinygrad_cn.op import Node


def leaf(*values):
    return tg.tensor(np.array(values, np.float64), requires_grad=True)


# --- backward -------------------------------------------------------------------------------------


def test_gradients_add_up_over_uses_and_over_calls():
    x = leaf(3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [7.0]
    (2 * x).sum().backward()
    assert x.grad.tolist() == [9.0]
    x.grad = None
    assert x.grad is None


def test_backward_of_a_vector_needs_a_gradient():
    x = leaf(1.0, 2.0)
    y = x * x
    with pytest.raises(ValueError, match=r"\[backward\].*\(2,\).*scalar"):
        y.backward()
    y.backward(tg.tensor(np.array([1.0, 10.0])))
    assert x.grad.tolist() == [2.0, 40.0]


@pytest.mark.parametrize(
    "gradient",
    [np.ones(3), np.ones((2, 1)), tg.tensor([1.0, 1.0])],
    ids=["length", "axes", "dtype"],
)
def test_gradient_of_the_wrong_shape_or_dtype_is_refused(gradient):
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"\(2,\) and dtype float64, received"):
        (x * 1).backward(tg.Tensor(gradient))
    with pytest.raises(ValueError, match=r"\[grad\].*\(2,\)"):
        x.grad = tg.tensor([1.0])


def test_second_backward_on_a_freed_graph_says_so():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match=r"freed by an earlier backward.*retain_graph"):
        y.backward()


def test_backward_of_a_constant_says_so():
    with pytest.raises(RuntimeError, match="no graph"):
        tg.tensor(1.0).backward()
    with tg.no_grad():
        y = leaf(1.0).sum()
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_a_long_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y  # freeing it needs none either


def test_a_dropped_graph_is_freed_at_once():
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * x).exp().sum()
        z = ops.softmax(x).sum()
        dead = [weakref.ref(y), weakref.ref(z)]
        node = y.node
        assert node is not None
        kept = node.parents[0]
        arrays = weakref.ref(kept.saved[0])
        del y, z, node, kept
        assert [r() for r in dead] == [None, None] and arrays() is None
    finally:
        gc.enable()


def test_saved_arrays_are_freed_by_backward():
    x = leaf(1.0, 2.0)
    y = x.exp()
    saved = weakref.ref(y.node.saved[0])
    z = y.sum()
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


def test_only_what_leads_to_a_target_is_visited():
    calls = []

    class Spy(Op):
        """y = x;  gx = g."""

        def forward(x, *, name):
            return x + 0

        def vjp(g, name):
            calls.append(name)
            return g

    spy = Spy()
    a, b = leaf(1.0), leaf(2.0)
    y = (spy(a, name="a") * spy(b, name="b")).sum()
    tg.grad(y, b)
    assert calls == ["b"]


def test_a_block_without_gradients_may_be_entered_inside_itself():
    quiet, seen = tg.no_grad(), []
    with quiet:
        with quiet:
            seen.append(tg.is_grad_enabled())
        seen.append(tg.is_grad_enabled())
    assert [*seen, tg.is_grad_enabled()] == [False, False, True]


def test_one_block_may_serve_several_threads_at_once():
    quiet, entered, left = tg.no_grad(), threading.Event(), threading.Event()
    seen = []

    def first():
        with quiet:
            entered.set()
            left.wait(10)
            seen.append(tg.is_grad_enabled())
        seen.append(tg.is_grad_enabled())

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)
    with quiet:
        pass
    left.set()
    thread.join()
    assert [*seen, tg.is_grad_enabled()] == [False, True, True]


def test_a_rule_that_returns_no_gradient_leaves_the_input_unreached():
    x = leaf(1.0)
    assert tg.grad(ops.where(ops.greater(x, 0), 1.0, 0.0).sum() + x.sum(), x).tolist() == [1.0]


def test_inputs_given_twice():
    x = leaf(3.0)
    for y in (x * x, ops.multiply(x, x), ops.concat([x, x]) * np.array([3.0, 3.0])):
        assert tg.grad(y.sum(), x, retain_graph=True).tolist() == [6.0]
    assert tg.grad(ops.sigmoid(x) * 0 + ops.where(True, x, x), x).tolist() == [1.0]


def test_broadcasting_is_undone_in_backward():
    a = tg.tensor(np.ones((2, 1, 3)), requires_grad=True)
    b = tg.tensor(np.ones((4, 1)), requires_grad=True)
    (a + b).sum().backward()
    assert a.grad.shape == (2, 1, 3) and (a.grad == 4).all()
    assert b.grad.shape == (4, 1) and (b.grad == 6).all()


def test_grad_gives_what_is_asked_for_and_deposits_nothing():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    gx, gw = tg.grad(y, (x, w))
    assert gx.tolist() == [3.0, 4.0] and gw.tolist() == [1.0, 2.0] and x.grad is None
    h = x * 2
    assert tg.grad((h * h).sum(), h).tolist() == [4.0, 8.0]
    assert tg.grad([x.sum(), (x * w).sum()], x, [tg.Tensor(np.array(10.0)), None]).tolist() == [
        13.0,
        14.0,
    ]


def test_unused_inputs():
    x, w = leaf(1.0), leaf(1.0)
    with pytest.raises(ValueError, match=r"do not depend on inputs \[1\] \(not reached\)"):
        tg.grad(x.sum(), (x, w))
    assert tg.grad(x.sum(), (x, w), allow_unused=True)[1] is None
    with pytest.raises(ValueError, match="does not require grad"):
        tg.grad(x.sum(), tg.tensor(1.0))


def test_value_and_grad():
    f = tg.value_and_grad(lambda x, w: (x * w).sum(), argnums=(0, 1))
    y, (gx, gw) = f(tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0]))
    assert y.item() == 11 and gx.tolist() == [3, 4] and gw.tolist() == [1, 2]
    assert y.node is None and gx.node is None
    third = tg.value_and_grad(lambda x: tg.value_and_grad(lambda x: x**3)(x)[1])
    assert third(tg.tensor(2.0))[1].item() == 12.0


# --- what requires grad ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8])
def test_only_floats_require_grad(dtype):
    with pytest.raises(TypeError, match="Only floats have gradients"):
        tg.Tensor(np.ones(2, dtype), requires_grad=True)


def test_requires_grad_of_a_result_cannot_be_set():
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="Expected a leaf"):
        y.requires_grad = False
    assert y.requires_grad and not y.is_leaf and y.detach().is_leaf


def test_detach_and_stop_gradient_cut_the_graph_and_share_the_data():
    x = leaf(2.0)
    y = x * x
    for cut in (y.detach(), tg.stop_gradient(y)):
        assert not cut.requires_grad and np.shares_memory(cut.data, y.data)
    assert tg.grad((x * y.detach()).sum(), x).tolist() == [4.0]


def test_why_there_is_no_gradient():
    x = leaf(1.0)
    y = x * 2
    assert tg.tensor(1.0).why_no_grad().startswith("does not require grad")
    assert x.why_no_grad().startswith("not reached")
    assert y.why_no_grad().startswith("not kept: this is the result of Multiply")
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0] and x.grad.tolist() == [6.0]
    assert x.why_no_grad() == "" and y.why_no_grad() == ""


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    remove_seen = y.register_hook(lambda g: seen.append(g.tolist()))
    remove = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [21.0, 21.0]
    remove()
    remove_seen()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and len(seen) == 1
    with pytest.raises(RuntimeError, match="register_hook"):
        tg.tensor(1.0).register_hook(print)


# --- no_grad, threads -----------------------------------------------------------------------------


def test_no_grad_ends_with_its_block_whatever_happens_there():
    x = leaf(1.0)
    with pytest.raises(KeyError), tg.no_grad():
        assert not (x * 2).requires_grad
        with tg.enable_grad():
            assert (x * 2).requires_grad
        raise KeyError
    assert tg.is_grad_enabled() and (x * 2).requires_grad

    @tg.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and not f().requires_grad


def test_no_grad_around_a_generator_does_not_leak():
    x = leaf(1.0)

    def numbers():
        for i in range(3):
            with tg.no_grad():
                y = x * i
            yield y, x * i

    for inside, outside in numbers():
        assert not inside.requires_grad and outside.requires_grad and tg.is_grad_enabled()


def test_threads_record_independently():
    entered, done = threading.Event(), threading.Event()
    found = []

    def quiet():
        with tg.no_grad():
            entered.set()
            done.wait(10)
            found.append((leaf(1.0) * 2).requires_grad)

    thread = threading.Thread(target=quiet)
    thread.start()
    entered.wait(10)
    x = leaf(2.0)
    y = (x * x).sum()  # recorded, while the other thread is in no_grad
    done.set()
    thread.join()
    y.backward()
    assert x.grad.tolist() == [4.0] and found == [False]


def test_many_threads_at_once():
    errors = []

    def work(seed):
        x = tg.tensor(np.random.default_rng(seed).standard_normal(50), requires_grad=True)
        for _ in range(30):
            x.grad = None
            (x * x).exp().sum().backward()
        if not np.allclose(x.grad.data, 2 * x.data * np.exp(x.data**2)):
            errors.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_graph_of_one_thread_is_differentiated_in_another():
    x = leaf(3.0)
    y = (x * x).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert x.grad.tolist() == [6.0]


# --- writing in place -----------------------------------------------------------------------------


def test_writing_to_a_recorded_tensor_names_the_line():
    y = leaf(1.0, 2.0) * 2
    for write in (lambda: y.__setitem__(0, 5.0), lambda: y.__iadd__(1), lambda: y.zero_()):
        with pytest.raises(
            RuntimeError, match=r"Gradients rely on the result of <Multiply"
        ) as error:
            write()
        assert "test_autograd.py:" in str(error.value)
    assert y.tolist() == [2.0, 4.0]


def test_writing_to_a_leaf_is_for_no_grad():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="no_grad"):
        x += 1
    with tg.no_grad():
        x += 1
        x[0] = 9
        x *= 2
        x -= 1
        x /= 2
        x **= 1
    assert x.tolist() == [8.5, 2.5] and x.requires_grad


def test_a_write_that_would_lose_a_gradient_is_refused():
    total = tg.tensor(0.0)
    with pytest.raises(RuntimeError, match=r"t = t \+ v"):
        total += leaf(1.0).sum()
    t = tg.zeros(2)
    with pytest.raises(RuntimeError, match="lose the gradient"):
        t[0] = leaf(1.0).sum()


def test_an_input_overwritten_after_its_use_is_found_in_backward():
    w, x = leaf(1.0, 2.0), tg.tensor(np.array([3.0, 4.0]))
    y = (w * x).sum()
    x[0] = 100.0
    with pytest.raises(RuntimeError, match=r"written to after it was used"):
        y.backward()


def test_a_write_through_another_view_is_found_too():
    w, x = leaf(1.0, 2.0), tg.tensor(np.array([[3.0, 4.0], [5.0, 6.0]]))
    for used, write in [(x[0], x), (x, x[1]), (x.T[0], x.detach()), (x[0], tg.Tensor(x.data))]:
        y = (w * used).sum()
        with tg.no_grad():
            write += 1
        with pytest.raises(RuntimeError, match="written to after it was used"):
            y.backward()
    y = w.exp()
    y.detach()[0] = 0.0  # exp keeps its output
    with pytest.raises(RuntimeError, match="written to after it was used"):
        y.sum().backward()
    (w * x[0]).sum().backward()
    assert w.grad is not None


def test_an_update_between_forward_and_backward_is_found():
    w = tg.Variable(np.ones((2, 2)))
    x = tg.Tensor(np.ones((1, 2)), requires_grad=True)
    y = (x @ w.T).sum()
    w.assign(2 * np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="written to after it was used"):
        y.backward()


def test_writing_a_constant():
    t = tg.zeros((2, 3))
    before = t.version
    t[0] = 1
    t[:, 1] = tg.tensor([5.0, 6.0])
    t[t == 0] = -1
    t[1, [0, 2]] = 8
    t[...] += 1
    assert t.tolist() == [[2, 6, 2], [9, 7, 9]]
    assert t.version > before
    with pytest.raises(ValueError, match=r"\[setitem\].*\(4,\)"):
        t[0] = np.ones(4)
    with pytest.raises(IndexError, match=r"\[getitem\].*5"):
        t[5] = 1
    with pytest.raises(ValueError, match=r"broadcasts to shape \(2, 3\)"):
        t += np.ones((4, 2, 3))
    n = tg.tensor(np.array([1, 2]))
    with pytest.raises(TypeError, match="does not fit"):
        n += 0.5
    with pytest.raises(TypeError, match=r"\[setitem\]"):
        n[0] = 0.5
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        tg.Tensor(frozen)[0] = 1
    assert n.tolist() == [1, 2] and frozen.tolist() == [0, 0]


def test_numpy_view_of_a_result_is_read_only():
    x = leaf(1.0)
    assert x.numpy().flags.writeable and not (x * 2).numpy().flags.writeable


# --- ops of users ---------------------------------------------------------------------------------


class Cube(Op):
    """y = x^3;  gx = 3 g x^2."""

    def forward(x):
        return x * x * x

    def vjp(g, x):
        return 3 * g * x * x


def test_a_user_writes_an_op():
    cube = Cube()
    x = leaf(2.0)
    y = cube(x)
    assert y.item() == 8 and y.node.where[0].endswith("test_autograd.py")
    g = tg.grad(y, x, create_graph=True)
    assert g.item() == 12 and tg.grad(g, x).item() == 12
    tg.testing.check_grads(cube, np.array([1.0, -2.0]), order=3)
    with pytest.raises(TypeError, match="Cube"):
        cube(x, x)


def test_a_wrong_rule_is_found():
    class Wrong(Op):
        """y = x^2;  gx = g x, which is wrong."""

        def forward(x):
            return x * x

        def vjp(g, x):
            return g * x

    class WrongTwice(Op):
        """y = x^2;  gx = 2 g x, as a constant."""

        def forward(x):
            return x * x

        def vjp(g, x):
            return 2 * g * x.detach()

    with pytest.raises(AssertionError, match=r"Order 1, input 0 of shape \(2,\)"):
        tg.testing.check_grads(Wrong(), np.ones(2))
    tg.testing.check_grads(WrongTwice(), np.ones(2), order=1)
    with pytest.raises(AssertionError, match="Order 2"):
        tg.testing.check_grads(WrongTwice(), np.ones(2))


def test_a_rule_that_asks_for_what_there_is_not():
    with pytest.raises(TypeError, match=r"asks for 'z'. Expected one of"):

        class Asks(Op):
            """y = x."""

            def forward(x):
                return x

            def vjp(g, z):
                return g


def test_an_op_of_many_outputs_and_extras():
    class Split2(Op):
        """y = the halves of x;  gx = their gradients, joined."""

        many = True
        extra = ("n",)

        def forward(x):
            n = len(x) // 2
            return x[:n], x[n:], np.asarray(n)

        def vjp(g, n):
            assert int(n) == 2
            return ops.concat(g)

    x = leaf(1.0, 2.0, 3.0, 4.0)
    a, b = Split2()(x)
    assert tg.grad((a * b).sum(), x, retain_graph=True).tolist() == [3, 4, 1, 2]
    assert tg.grad(b.sum(), x).tolist() == [0, 0, 1, 1]  # an output that is not used: zeros


def test_a_cycle_is_found():
    x = leaf(1.0)
    y = x * 2
    z = y * 3
    y.node.parents = (z.node, *y.node.parents[1:])
    with pytest.raises(RuntimeError, match="cycle"):
        z.backward()


def test_nodes_tell_where_they_were_made():
    node = (leaf(1.0) * 2).node
    assert isinstance(node, Node)
    file, line = node.where
    with open(file, encoding="utf-8") as lines:
        assert "(leaf(1.0) * 2).node" in lines.readlines()[line - 1]
    assert "Multiply (1,) float64 recorded at" in repr(node)


# --- copies ---------------------------------------------------------------------------------------


def test_copies_and_pickles():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    deep, again, shallow = copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.copy(x)
    for c in (deep, again, shallow):
        assert type(c) is tg.Tensor and c.tolist() == x.tolist() and c.requires_grad and c.is_leaf
    assert deep.grad.tolist() == [2.0, 4.0] and not np.shares_memory(deep.data, x.data)
    assert np.shares_memory(shallow.data, x.data)
    with pytest.raises(RuntimeError, match="Expected a leaf"):
        pickle.dumps(x * 2)
    with pytest.raises(RuntimeError, match="Expected a leaf"):
        copy.deepcopy(x * 2)


def test_variables():
    v = tg.Variable([1.0, 2.0], name="kernel")
    assert v.trainable and v.requires_grad and v.name == "kernel" and v.value is v
    (v * v).sum().backward()
    assert v.grad.tolist() == [2.0, 4.0]
    data, before = v.data, v.version
    v.assign([5.0, 6.0])
    v.assign_add(1.0 * np.ones(2, np.float32))
    v.assign_sub([1, 1])
    assert v.data is data and v.tolist() == [5.0, 6.0] and v.version == before + 3
    with pytest.raises(ValueError, match=r"\[assign\].*\(2,\).*'kernel'.*\(3,\)"):
        v.assign([1.0, 2.0, 3.0])
    v.trainable = False
    assert not (v * 2).requires_grad
    v.path = "dense/kernel"
    again = pickle.loads(pickle.dumps(v))
    assert (again.name, again.path, again.trainable) == ("kernel", "dense/kernel", False)
    assert repr(again) == "Variable([5., 6.], name=dense/kernel)"
    assert not tg.Variable(np.arange(3)).trainable
    assert type(copy.deepcopy(v)) is tg.Variable
