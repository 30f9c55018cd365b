"""What the viewer says of a graph: the engine's own numbers, in words that are safe to print."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers, ops
from tinygrad_cn.cli import main
from tinygrad_cn.op import Op


def variable(*shape, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return tg.tensor(values, requires_grad=True)


def entry_of(trace, tensor):
    """The entry of a tensor."""
    (found,) = [entry for entry in trace.entries if entry.node is tensor.node]
    return found


def entry_named(trace, op):
    (found,) = [entry for entry in trace.entries if entry.node.op and entry.node.op.name == op]
    return found


def data_of(page):
    """What the page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


class Wrong(Op):
    """y = 2 x;  gx = 3 g."""

    def forward(x):
        return x * 2

    def vjp(g):
        return g * 3


class BadName(Op):
    """y = x </script><script>alert(1)</script>;  gx = g <b>&amp;</b>."""

    def forward(x):
        return x * 1

    def vjp(g):
        return g


# --- numbers -------------------------------------------------------------------------------------


def test_values_and_gradients_are_those_of_the_engine():
    x, w, b = variable(4, 3), variable(3, 2, seed=1), variable(2, seed=2)
    product = x @ w
    shifted = product + b
    out = ops.tanh(shifted)
    loss = (out * out).mean()
    trace = tg.explain(loss)
    for tensor in (x, w, b, product, shifted, out, loss):
        np.testing.assert_array_equal(entry_of(trace, tensor).value, tensor.numpy())
    loss.backward()
    for tensor in (x, w, b):
        np.testing.assert_array_equal(entry_of(trace, tensor).gradient, tensor.grad.numpy())
    assert {entry.check for entry in trace.entries if entry.node.op} == {"right"}


def test_backward_order_is_the_engines():
    x = variable(3)
    a, b = ops.exp(x), ops.sin(x)
    loss = (a * b + a).sum()
    trace = tg.explain(loss)
    met = []
    for entry in trace.entries:
        entry.node.hooks = (lambda g, node=entry.node: met.append(node),)
    loss.backward()
    assert [entry.node for entry in trace.backward] == met


def test_explaining_changes_nothing():
    x = variable(3)
    seen = []
    x.register_hook(seen.append)
    hooks = x.node.hooks
    loss = ops.exp(x).sum()
    trace = tg.explain(loss)
    assert x.grad is None and x.node.hooks == hooks and len(seen) == 1
    tg.explain(loss)
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), entry_of(trace, x).gradient)
    assert "dx" in trace.text("en")  # the graph is freed, the trace stays


def test_a_gradient_to_start_from():
    x = variable(2)
    y = x * 3
    trace = tg.explain(y, gradient=[1, 2])
    np.testing.assert_array_equal(entry_of(trace, x).gradient, [3, 6])
    with pytest.raises(ValueError, match=r"gradient of shape \(2,\), received \(3,\)"):
        tg.explain(y, gradient=[1, 2, 3])


def test_fan_out_is_added_up():
    x = variable(3)
    y = x * x + 2 * x
    trace = tg.explain(y)
    sent = [given.sent for e in trace.entries for given in e.inputs if given.entry is not None]
    to_x = [g.sent for e in trace.entries for g in e.inputs if g.entry is entry_of(trace, x)]
    assert len(to_x) == 3 and len(sent) == 5
    np.testing.assert_allclose(sum(to_x), entry_of(trace, x).gradient, rtol=1e-6)
    assert "(added up)" in trace.text("en")


def test_broadcasting_is_undone_over_named_axes():
    x, row, column = variable(4, 3), variable(3, seed=1), variable(4, 1, seed=2)
    trace = tg.explain((x * row + column).sum())
    given = [g for op in ("Multiply", "Add") for g in entry_named(trace, op).inputs]
    summed = {g.entry.name: g.summed for g in given}
    assert summed["row"] == (0,) and summed["column"] == (1,) and summed["x"] == ()
    assert "summed over axes (0,)" in trace.text("en") and "沿轴求和 (0,)" in trace.text()


def test_constants_are_shown():
    x = variable(2)
    table = np.array([2.0, 4.0], np.float32)
    trace = tg.explain((x / table + 1).sum())
    assert entry_named(trace, "Divide").inputs[1].value is table
    assert entry_named(trace, "Add").inputs[1].value == 1
    assert "1)" in trace.text()


def test_dropped_tensors_are_said_to_be_not_kept():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (x + 1).sum()
    del x
    trace = tg.explain(y)
    first, added, total = trace.entries
    assert first.value is None and added.value is None and total.value == 5
    assert "(not kept)" in trace.text("en") and "（未保留）" in trace.text()
    assert data_of(trace.html())["entries"][0]["value"] is None


def test_values_come_back_from_what_rules_kept():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = ops.exp(x * 2).sum()
    trace = tg.explain(y)
    np.testing.assert_array_equal(entry_named(trace, "Multiply").value, [2, 4])
    np.testing.assert_allclose(entry_named(trace, "Exp").value, np.exp([2, 4]), rtol=1e-6)


def test_ops_with_many_outputs():
    x = variable(2, 6)
    first, _, last = ops.split(ops.sin(x), 3, axis=1)
    loss = (first * last).sum()
    trace = tg.explain(loss)
    loss.backward()
    np.testing.assert_array_equal(entry_of(trace, x).gradient, x.grad.numpy())
    assert all(entry.gradient is not None for entry in trace.backward)
    for language in ("zh", "en"):
        assert trace.text(language)
    assert len(trace.html()) > 1000


def test_a_factorization_has_two_outputs_and_is_checked():
    x = variable(3, 3, dtype=np.float64)
    q, r = ops.linalg.qr(x)
    trace = tg.explain((q * r).sum())
    (many,) = [entry for entry in trace.entries if isinstance(entry.shape, list)]
    assert isinstance(many.value, tuple) and isinstance(many.gradient, tuple)
    assert many.check == "right"
    assert data_of(trace.html())["entries"][many.number]["many"]
    assert "(several outputs)" in trace.text("en")


def test_layers_with_fused_ops():
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    attention = layers.MultiHeadAttention(2, 3)
    normalized = layers.LayerNormalization()(attention(x, x))
    loss = (layers.LSTM(3)(normalized) ** 2).sum()
    trace = tg.explain(loss)
    assert "wrong" not in {entry.check for entry in trace.entries}
    loss.backward()
    for weight in attention.trainable_variables:
        np.testing.assert_array_equal(entry_of(trace, weight).gradient, weight.grad.numpy())


def test_fused_ops_are_derived_by_their_reference():
    x = variable(3, 4)
    gamma = variable(4, seed=1)
    y = ops.layer_normalization(x, gamma, variable(4, seed=2))
    first = tg.grad((y**2).sum(), [x, gamma], create_graph=True)
    trace = tg.explain((first[0] ** 2).sum() + (first[1] ** 3).sum())
    (fused,) = [e for e in trace.entries if e.node.op and e.node.op.vjp is None]
    assert fused.check == "right"
    assert all(g.sent is not None for g in fused.inputs if g.entry in trace.backward)
    second = tg.grad((first[0] ** 2).sum() + (first[1] ** 3).sum(), [x])[0]
    np.testing.assert_array_equal(entry_of(trace, x).gradient, second.numpy())


def test_second_derivatives():
    x = tg.tensor(2.0, requires_grad=True)
    (slope,) = tg.grad(ops.sin(x) * x**2, [x], create_graph=True)
    trace = tg.explain(slope)
    (second,) = tg.grad(slope, [x])
    np.testing.assert_array_equal(entry_of(trace, x).gradient, second.numpy())
    assert {e.check for e in trace.entries if e.node.op} <= {"right", ""}


def test_a_wrong_rule_is_found():
    x = variable(3)
    trace = tg.explain(ops.tanh(Wrong()(x)).sum())
    assert entry_named(trace, "Wrong").check == "wrong"
    assert entry_named(trace, "Tanh").check == "right"
    assert "finite differences disagree" in trace.text("en") and "有限差分：不一致" in trace.text()


@pytest.mark.parametrize("x", [[0.0, 0.0], [1e-7, -1e-7], [1e6, -3.0], [9.0, 0.1]])
def test_right_rules_are_not_blamed(x):
    x = tg.tensor(x, requires_grad=True)
    for op in (ops.relu, ops.tanh, ops.max, ops.softmax, lambda x: ops.log(ops.abs(x) + 1e-9)):
        assert "wrong" not in {e.check for e in tg.explain(op(x).sum()).entries}


# --- NaN -----------------------------------------------------------------------------------------


def test_the_first_nan_is_marked():
    x = tg.tensor([-1.0, 2.0], requires_grad=True)
    with np.errstate(all="ignore"):
        trace = tg.explain((ops.log(x) * 2).sum())
    assert [entry.name for entry in trace.entries if entry.fault] == ["log"]
    assert "!! NaN or infinity appears here first" in trace.text("en")
    page = data_of(trace.html())
    assert page["entries"][entry_named(trace, "Log").number]["value"]["cells"][0][0] == "NaN"


def test_a_nan_that_only_the_gradient_meets_is_marked():
    x = tg.tensor([0.0, 4.0], requires_grad=True)
    with np.errstate(all="ignore"):
        trace = tg.explain(ops.sqrt(x).sum())
    assert [entry.name for entry in trace.entries if entry.fault] == ["sqrt"]


def test_an_infinity_that_was_put_in_is_nobodys_fault():
    x = variable(2)
    trace = tg.explain(ops.where(np.array([True, False]), x, -np.inf).max())
    assert not any(entry.fault for entry in trace.entries)


def test_many_nans_are_counted():
    x = tg.tensor(np.full((5, 5), np.nan, np.float32), requires_grad=True)
    assert "25 NaN/∞" in tg.explain((x * 2).sum()).text("en")


# --- what cannot be explained --------------------------------------------------------------------


def test_bad_input_is_answered_in_words():
    x = variable(2)
    with pytest.raises(TypeError, match=r"\[explain\] Expected a Tensor, received ndarray"):
        tg.explain(np.ones(2))
    with pytest.raises(ValueError, match=r"\[explain\] This tensor has no graph"):
        tg.explain(tg.tensor([1.0]))
    with tg.no_grad(), pytest.raises(ValueError, match="no graph"):
        tg.explain(x * 2)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"\[explain\] The graph was freed"):
        tg.explain(loss)
    with pytest.raises(ValueError, match="language"):
        tg.explain((x * x).sum()).text("fr")


def test_leaves_empty_and_zero_dimensional_tensors():
    for x in (variable(), variable(0), variable(0, 3), variable(2, 0)):
        assert len(tg.explain(x).entries) == 1
        trace = tg.explain((x * 2).sum())
        assert trace.text() and data_of(trace.html())


# --- text and page -------------------------------------------------------------------------------


def test_text_in_two_languages():
    x = tg.tensor(3.0, requires_grad=True)
    y = x * x + 2 * x
    trace = tg.explain(y)
    english, chinese = trace.text("en"), trace.text("zh")
    assert "dx = 3 + 3 + 2 = 8   (added up)" in english
    assert "dx = 3 + 3 + 2 = 8   (相加)" in chinese
    assert "前向" in chinese and "反向" in chinese and not re.search("[\u4e00-\u9fff]", english)
    assert "# y = x * x + 2 * x" in english  # the line of source


def test_names_are_those_of_the_users_variables():
    weights = tg.Variable(np.ones(2, np.float32), name="weights")
    scaled = weights * 3
    trace = tg.explain(scaled.sum())
    assert entry_of(trace, weights).kind == "parameter"
    assert entry_of(trace, scaled).name == "scaled"


def test_parameters_stand_in_the_layer_that_uses_them():
    x = variable(2, 3)
    kept = layers.Dense(2, name="kept")
    y = layers.Dense(2, name="gone")(kept(x))
    trace = tg.explain(y.sum())
    scopes = [entry.scope for entry in trace.entries if entry.node.op is None]
    assert sorted(scopes) == ["", "gone", "gone", "kept", "kept"]


def test_nothing_in_the_data_is_markup():
    name = "</script><script>alert('name')</script>"
    w = tg.Variable(np.ones(2, np.float32), name="w")
    trace = tg.explain(BadName()(w).sum(), title=name)  # </script><script>alert(2)</script>
    trace.entries[0].name = name + "\u2028"
    page = trace.html()
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert page.count("\u2028") == 0
    assert "<title>&lt;/script&gt;" in page
    data = data_of(page)
    assert data["title"] == name and data["entries"][0]["name"] == name + "\u2028"
    assert "</script>" in data["entries"][1]["formula"] + data["entries"][1]["source"][2]


def test_a_page_asks_nothing_of_the_network():
    page = tg.explain(variable(2).sum()).html()
    page = re.sub(r'(id="data">).*?</script>', r"\1", page, flags=re.DOTALL)  # holds these lines
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?://|fetch\(|XMLHttp", page)


def test_huge_tensors_are_summarized():
    x = tg.tensor(np.arange(4_000_000, dtype=np.float32).reshape(2000, 2000), requires_grad=True)
    trace = tg.explain((x * 2).sum())
    page = trace.html()
    assert len(page.encode()) < 1_000_000
    value = data_of(page)["entries"][0]["value"]
    assert value["shape"] == [2000, 2000] and value["most"] == "4e+06"
    assert value["rows"][-1] == value["columns"][-1] == 1999 and len(value["cells"]) == 16
    assert "[2000×2000: 0 … 4e+06]" in trace.text()


def test_large_graphs_make_small_pages():
    x = variable(64, 64)
    y = x
    for _ in range(1000):
        y = y * 0.999 + 0.001
    assert len(tg.explain(y.sum()).html().encode()) < 4_000_000


def test_notebooks_show_the_page():
    trace = tg.explain(variable(2).sum())
    shown = trace._repr_html_()
    assert shown.startswith("<iframe") and shown.count("<") == 2
    assert html.unescape(re.search('srcdoc="(.*)"', shown, re.DOTALL)[1]) == trace.html()


def test_where_no_browser_is_the_path_is_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    path = tg.explain(variable(2).sum()).show()
    assert str(path) in capsys.readouterr().out and path.read_text("utf-8").startswith("<!doctype")


def test_a_browser_is_given_the_page(monkeypatch, tmp_path, capsys):
    opened = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    path = tg.explain(variable(2).sum()).show()
    assert opened == [path.as_uri()] and capsys.readouterr().out == ""


# --- the command ---------------------------------------------------------------------------------


def test_command_lists_the_examples(capsys):
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.split() == ["attention_head", "neuron", "two_ten_two"]


@pytest.mark.parametrize("name", ["attention_head", "neuron", "two_ten_two"])
def test_command_explains_the_examples(name, capsys, tmp_path):
    assert main(["explain", name, "--text", "--language", "en"]) == 0
    shown = capsys.readouterr().out
    assert "finite differences agree" in shown and "disagree" not in shown
    assert main(["explain", name, "--save", str(tmp_path / "page.html")]) == 0
    assert "page.html" in capsys.readouterr().out
    assert data_of((tmp_path / "page.html").read_text("utf-8"))["backward"]


def test_command_says_what_is_wrong(capsys, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def main():\n    return 3\n")
    freed = tmp_path / "freed.py"
    freed.write_text(
        "import tinygrad_cn as tg\ndef main():\n    x = tg.tensor(1.0, requires_grad=True)\n"
        "    y = x * x\n    y.backward()\n    return tg.explain(y)\n"
    )
    for arguments, words in (
        (["no_such"], "no such example or script"),
        ([str(script)], "main() returns what tg.explain returned"),
        ([str(freed)], "The graph was freed"),
        (["neuron", "--save", str(tmp_path / "no" / "page.html")], "No such file"),
    ):
        assert main(["explain", *arguments]) == 2
        assert words in capsys.readouterr().err
