"""A model from a config, under guard: known names only, and no more weights than the file holds."""

from __future__ import annotations

import importlib
from typing import Any

from tinygrad_cn import registry
from tinygrad_cn.layers.module import size_limit

# They publish the names that a file may hold; a program that begins with loading has none of them.
PUBLISHERS = ("activations", "initializers", "layers", "losses", "metrics", "models", "optimizers")


def build(config: Any, custom_objects: Any, n_elements: int) -> Any:
    """The model of a config, with weights of so many elements at most."""
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("[load_model] Expected a config with a class_name.")
    for name in PUBLISHERS:
        importlib.import_module(f"tinygrad_cn.{name}")
    token = size_limit.set(n_elements)
    try:
        module = config.get("module") or ""
        kind = "layers" if module.endswith("layers") else "models"
        model = registry.deserialize_keras_object(config, custom_objects, kind)
        if not hasattr(model, "compile_from_config"):
            raise ValueError(f"[load_model] Expected a model, received {config['class_name']!r}.")
        if not model.built and config.get("build_config"):
            model.build_from_config(config["build_config"])
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"[load_model] The config cannot be built: {error!r:.300}") from error
    finally:
        size_limit.reset(token)
    return model
