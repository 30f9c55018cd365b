"""The viewer's page in a real browser: it opens alone, steps, and shows the engine's numbers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers, ops

sync_api = pytest.importorskip("playwright.sync_api", reason="comes with the extra `test`")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip(
        "no chromium on this machine (Debian: apt install chromium)", allow_module_level=True
    )
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # `make sanitize` preloads the sanitizers, under which Chromium does not start.
        plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env=plain)
        yield opened
        opened.close()


@pytest.fixture
def view(browser, tmp_path):
    """A function that opens a trace; at the end, errors of the page's script are the test's."""
    contexts, errors = [], []

    def show(trace, address="#en,light", width=1200, height=800):
        path = trace.save(tmp_path / "page.html")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(path.as_uri() + address)
        return page

    yield show
    for context in contexts:
        context.close()
    assert errors == []


def neuron():
    """y = tanh(x w + b), the trace and its tensors."""
    x, w, b = (tg.tensor(v, requires_grad=True) for v in (2.0, 0.5, -0.25))
    y = ops.tanh(x * w + b)
    return tg.explain(y), {"x": x, "w": w, "b": b, "y": y}


def network():
    tg.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    hidden = layers.Dense(10, activation="sigmoid", name="hidden")(x)
    out = layers.Dense(2, name="output")(hidden)
    return tg.explain(ops.mean(out * out))


def status(page):
    return page.inner_text("#status")


def test_it_opens_from_a_file_without_one_request(view):
    page = view(neuron()[0])
    page.keyboard.press("Home")
    assert [url.split(":")[0] for url in page.requests] == ["file"]
    assert page.locator(".node").count() == 6


def test_keys_and_buttons_change_the_step_and_the_numbers(view):
    page = view(neuron()[0])
    page.keyboard.press("Home")
    assert status(page).startswith("Step 1 / 12 · Forward: x = 2")
    assert page.locator(".node .value").all_text_contents().count("") == 5
    page.keyboard.press("ArrowRight")
    assert "w = 0.5" in status(page)
    page.click("#next")
    assert "(Multiply) computes 1" in status(page)
    page.click("#back")
    page.keyboard.press("ArrowLeft")
    assert status(page).startswith("Step 1 ")
    page.click("#last")
    assert status(page).startswith("Step 12 / 12 · Backward")
    page.click("#first")
    assert status(page).startswith("Step 1 ")
    page.locator("#scrubber").fill("7")
    assert status(page).startswith("Step 8 ") and "Backward" in status(page)
    page.keyboard.press("End")
    assert status(page).startswith("Step 12 ")


def test_it_plays_and_pauses(view):
    page = view(neuron()[0])
    page.keyboard.press(" ")
    assert page.inner_text("#play") == "❚❚" and status(page).startswith("Step 1 ")
    page.wait_for_function("document.getElementById('status').textContent.startsWith('Step 2')")
    page.click("#play")
    assert page.inner_text("#play") == "▶"


def test_the_numbers_are_the_engines(view):
    trace, tensors = neuron()
    page = view(trace)
    tensors["y"].backward()
    for entry in trace.entries:
        node = page.locator(f'.node[data-id="{entry.number}"]')
        assert float(node.locator(".value").text_content()) == pytest.approx(
            float(entry.value), rel=1e-3
        )
        shown = node.locator(".gradient").text_content()
        assert float(shown.removeprefix("∂ ")) == pytest.approx(float(entry.gradient), rel=1e-3)
        if entry.named and not entry.inputs:
            assert float(entry.gradient) == tensors[entry.name].grad.item()


def test_a_heat_map_has_the_engines_numbers(view):
    weights = tg.Variable(np.array([[1.0, -2.0], [0.0, 4.0]], np.float32), name="weights")
    trace = tg.explain((weights * weights).sum())
    page = view(trace)
    page.locator('.node[data-id="0"]').click()
    tables = page.locator("#details table.heat")
    assert tables.first.locator("td").all_inner_texts() == ["1", "-2", "0", "4"]
    assert tables.last.locator("td").all_inner_texts() == ["2", "-4", "0", "8"]
    assert tables.first.locator("td").nth(1).get_attribute("title") == "[0, 1] -2"
    assert "+=" in page.inner_text("#details")


def test_finite_difference_marks_appear_on_the_way_back(view):
    page = view(neuron()[0])
    page.keyboard.press("Home")
    assert page.locator(".mark.right").count() == 0
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.locator(".mark.right").all_text_contents() == ["✓"]
    page.keyboard.press("End")
    assert page.locator(".mark.right").count() == 3
    page.locator(".node.result").click()
    assert "finite differences agree" in page.inner_text("#details")


def test_language_and_theme(view):
    page = view(neuron()[0])
    assert page.get_attribute("html", "lang") == "en"
    page.click("#language")
    assert page.get_attribute("html", "lang") == "zh" and "反向" in status(page)
    page.keyboard.press("l")
    assert "Backward" in status(page)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.get_attribute("html", "data-theme") == "dark" and light != dark
    for button in page.locator("button").all():
        assert button.get_attribute("aria-label") or button.inner_text()


def test_layers_fold_and_unfold(view):
    page = view(network())
    unfolded = page.locator(".node").count()
    page.click("#fold")
    assert page.locator(".node.group").count() > 0
    folded = page.locator(".node").count()
    assert folded < unfolded
    page.locator(".node.group").first.click()
    assert page.locator(".node").count() > folded
    page.locator(".node.parameter").first.click()
    page.get_by_text("fold this layer").click()
    assert page.locator(".node").count() == folded


def test_a_layer_that_is_called_twice_can_be_folded(view):
    tg.utils.set_random_seed(0)
    shared, between = layers.Dense(2, name="shared"), layers.Dense(2, name="between")
    page = view(tg.explain(shared(between(shared(np.ones((1, 2), np.float32)))).sum()))
    page.click("#fold")
    assert page.locator(".node.group").count() == 2
    places = page.locator(".node").evaluate_all(
        "nodes => nodes.map(n => n.getAttribute('transform'))"
    )
    assert len(set(places)) == len(places) and "NaN" not in "".join(places)


def test_letters_and_boxes_grow_with_the_screen(view):
    trace = network()
    small, large = (view(trace, width=w, height=h) for w, h in ((1200, 800), (3840, 2160)))
    widths = [p.locator(".node rect").first.bounding_box()["width"] for p in (small, large)]
    assert widths[1] > 1.3 * widths[0]


def test_search_finds_and_unfolds(view):
    page = view(network())
    page.click("#fold")
    page.keyboard.press("/")
    page.keyboard.type("hidden/kernel")
    assert page.locator(".node.found").count() == 1
    assert "hidden/kernel" in page.inner_text("#details h2")


def test_source_and_formula_are_beside_the_graph(view):
    page = view(neuron()[0])
    page.locator(".node.result").click()
    details = page.inner_text("#details")
    assert "y = ops.tanh(x * w + b)" in details and Path(__file__).name in details
    assert page.locator("#details .source mark").inner_text().endswith("y = ops.tanh(x * w + b)")
    assert page.locator("#details .formula sup").count() == 1


def test_names_are_not_markup(view):
    name = "<img src=x onerror=document.title='bad'>"
    weights = tg.Variable(np.ones(2, np.float32), name="weights")
    trace = tg.explain(weights.sum(), title=name)
    trace.entries[0].name = name
    page = view(trace)
    page.locator('.node[data-id="0"]').click()
    assert page.locator("img").count() == 0 and page.title() == name
    assert page.inner_text("#details h2") == name


def test_text_stays_in_its_box(view):
    page = view(network())
    for language in ("en", "zh"):
        page.evaluate(f"setLanguage('{language}')")
        over = page.evaluate(
            """() => [...document.querySelectorAll(".node")].flatMap((node) => {
              const box = node.querySelector("rect").getBBox();
              return [...node.querySelectorAll("text")].filter((text) => {
                const { x, width } = text.getBBox();
                return x < box.x || x + width > box.x + box.width;
              }).map((text) => text.textContent);
            })"""
        )
        assert over == []


def test_a_graph_of_two_thousand_nodes_is_drawn_within_a_second(view):
    x = tg.tensor(np.ones(4, np.float32), requires_grad=True)
    y = x
    for _ in range(670):  # three nodes each, and x feeds them all
        y = ops.tanh(y * x + 0.5)
    trace = tg.explain(y.sum())
    page = view(trace)
    assert page.locator(".node").count() >= 2000
    timed = "() => {{ const t = performance.now(); {}; return performance.now() - t }}"
    took = min(page.evaluate(timed.format("draw()")) for _ in range(3))  # CI may be busy
    step = min(page.evaluate(timed.format("go(9)")) for _ in range(3))
    assert took < 1000 and step < 500


def test_a_narrow_screen_needs_no_scrolling_aside(view):
    for trace in (neuron()[0], network()):
        page = view(trace, width=400, height=800)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        for selector in ("#next", "#search", "#language", "#scrubber"):
            box = page.locator(selector).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 400
