"""Saving and loading: weights as safetensors, models as one file, nothing that could be
executed."""

from tinygrad_cn.registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)  # fmt: skip

from .models import Saveable, load_checkpoint, load_model, save_checkpoint, save_model
from .names import named_variables
from .weights import load_weights, save_weights

__all__ = [
    "CustomObjectScope", "Saveable", "custom_object_scope", "deserialize_keras_object",
    "get_registered_name", "get_registered_object", "load_checkpoint", "load_model",
    "load_weights", "named_variables", "register_keras_serializable", "save_checkpoint",
    "save_model", "save_weights", "serialize_keras_object",
]  # fmt: skip

CustomObjectScope = custom_object_scope
