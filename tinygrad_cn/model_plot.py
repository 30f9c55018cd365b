"""A picture of a model: its layers as boxes, row by row, with arrows between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .plots import pyplot
from .summary import shape_in_words

WIDTH, HEIGHT, GAP_X, GAP_Y = 3.2, 0.9, 0.5, 0.55  # of a box, and between boxes, in inches


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Draw a functional or Sequential model with matplotlib.

    Args:
        model: a model that knows its inputs.
        to_file: the picture's name; None to write none.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what each
            box tells beside the layer's class.
        rankdir: "TB" (from top to bottom) or "LR" (from left to right).
        expand_nested: not supported.
        dpi: dots per inch.

    Returns:
        The matplotlib figure.
    """
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"[plot_model] Expected rankdir 'TB' or 'LR', received {rankdir!r}.")
    if expand_nested:
        raise ValueError("[plot_model] Models inside are drawn as one box: expand_nested=False.")
    graph = model._drawn("a picture: it must know its inputs")
    rows, edges = _rows(graph)
    show = {
        "shapes": show_shapes, "dtype": show_dtype, "names": show_layer_names,
        "activations": show_layer_activations, "trainable": show_trainable,
    }  # fmt: skip
    words = {id(layer): _words(layer, show) for row in rows for layer in row}
    place = {
        id(layer): (i - (len(row) - 1) / 2, -float(depth))
        for depth, row in enumerate(rows)
        for i, layer in enumerate(row)
    }
    step = (WIDTH + GAP_X, HEIGHT + GAP_Y)
    across = max(map(len, rows))
    size = (across * step[0], len(rows) * step[1])
    if rankdir == "LR":
        place = {key: (-y, x) for key, (x, y) in place.items()}
        size = (len(rows) * step[0], across * step[1])
    plt = pyplot()
    figure = plt.figure(figsize=size, dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for key, (x, y) in place.items():
        axes.text(
            x * step[0], y * step[1], words[key], ha="center", va="center", fontsize=9,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "#eef3fa", "edgecolor": "#3b6ea5"},
        )  # fmt: skip
    for source, target in edges:
        (x0, y0), (x1, y1) = place[source], place[target]
        far = max(abs(x1 - x0), abs(y1 - y0)) > 1.5 and 0 in (x1 - x0, y1 - y0)
        axes.annotate(
            "", (x1 * step[0], y1 * step[1]), (x0 * step[0], y0 * step[1]),
            arrowprops={
                "arrowstyle": "->", "color": "#555", "shrinkA": 24, "shrinkB": 24,
                "connectionstyle": f"arc3,rad={0.35 if far else 0}",  # past what stands between
            },
        )  # fmt: skip
    xs, ys = zip(*place.values(), strict=True)
    axes.set_xlim((min(xs) - 0.5) * step[0], (max(xs) + 0.5) * step[0])
    axes.set_ylim((min(ys) - 0.5) * step[1], (max(ys) + 0.5) * step[1])
    if to_file is not None:
        figure.savefig(Path(to_file))
    plt.close(figure)
    return figure


def _words(layer: Any, show: dict[str, bool]) -> str:
    """What stands in a box."""
    lines = [type(layer).__name__]
    if show["names"]:
        lines[0] = f"{layer.name} ({lines[0]})"
    if show["activations"] and hasattr(layer, "activation"):
        lines.append(f"activation: {getattr(layer.activation, '__name__', layer.activation)}")
    if show["shapes"]:
        lines.append(f"output: {shape_in_words(layer._output_shape)}")
    if show["dtype"]:
        lines.append(f"dtype: {layer.dtype}")
    if show["trainable"]:
        lines.append("trainable" if layer.trainable else "frozen")
    return "\n".join(lines)


def _rows(graph: Any) -> tuple[list[list[Any]], set[tuple[int, int]]]:
    """The layers by their distance from the inputs, and who feeds whom."""
    depth: dict[int, int] = {}
    edges: set[tuple[int, int]] = set()
    for x in graph.input_list:
        depth[id(x.call.layer)] = 0
    for call in graph.calls:
        feeding = [x.call.layer for x in call.inputs]
        below = 1 + max([depth[id(layer)] for layer in feeding])
        depth[id(call.layer)] = max(depth.get(id(call.layer), 0), below)
        edges |= {(id(layer), id(call.layer)) for layer in feeding}
    rows: list[list[Any]] = [[] for _ in range(max(depth.values()) + 1)]
    known = {id(layer): layer for layer in graph.layers}
    for key, row in depth.items():
        rows[row].append(known[key])
    return [row for row in rows if row], edges
