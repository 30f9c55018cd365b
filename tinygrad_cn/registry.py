"""Names for things: what a string or a saved file may refer to, and nothing else.

Each module publishes its public classes and functions under a kind ("losses", "layers", ...); users
add their own with :func:`register_keras_serializable`. A name in a program or in a file is looked
up in these tables only: reading a model file can build the objects listed here, never import or run
anything else.
"""

from __future__ import annotations

import difflib
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .op import Value

_published: dict[str, dict[str, Any]] = {}
_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_custom: ContextVar[Mapping[str, Any]] = ContextVar("tinygrad_cn_custom_objects", default={})  # noqa: B039 # never written to
_met: ContextVar[dict[str, Any] | None] = ContextVar("tinygrad_cn_met", default=None)


def publish(kind: str, *objects: Any, **aliases: Any) -> None:
    """Make objects known under their own names, and under aliases, as things of this kind."""
    table = _published.setdefault(kind, {})
    table.update({thing.__name__: thing for thing in objects}, **aliases)


def snake_case(name: str) -> str:
    """The name of a class in the style of functions.

    >>> from tinygrad_cn.registry import snake_case
    >>> snake_case("MaxPooling2D"), snake_case("AUC"), snake_case("R2Score")
    ('max_pooling2d', 'auc', 'r2_score')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def lookup(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object of a kind that a name stands for.

    Raises:
        ValueError: there is none; the message lists the names nearest to it.
    """
    for table in (custom_objects or {}, _custom.get(), _registered, _published.get(kind, {})):
        if name in table:
            return table[name]
    raise ValueError(unknown(kind, name, _published.get(kind, {})))


def unknown(kind: str, name: Any, known: Any) -> str:
    """The message for a name that is not known, with the known names nearest to it."""
    known = sorted(map(str, known))
    folded: dict[str, str] = {}
    for candidate in sorted(known, key=lambda known: known.islower() != str(name).islower()):
        folded.setdefault(candidate.lower(), candidate)
    near = difflib.get_close_matches(str(name).lower(), folded, n=4, cutoff=0.5)
    hint = f"Did you mean {' or '.join(repr(folded[n]) for n in near)}? " if near else ""
    listed = ", ".join(known[:60]) + (", ..." if len(known) > 60 else "")
    return f"[{kind}] Unknown name {name!r}. {hint}Expected one of: {listed}."


# --- the user's own classes -----------------------------------------------------------------------


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[..., Any]:
    """Let a class or function of the user's be named in strings and saved files.

    Registering is what permits a file to build the class when it is loaded.

    Args:
        package: a word that keeps names of different origin apart.
        name: the name in the file; the object's own when None.

    >>> @tg.saving.register_keras_serializable(package="shop")
    ... def double(x):
    ...     return 2 * x
    >>> tg.saving.get_registered_name(double)
    'shop>double'
    """

    def decorate(thing: Any) -> Any:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(
                "[register_keras_serializable] The class cannot be written to a file. Expected a "
                f"method get_config, received {thing.__name__}."
            )
        full = f"{package}>{name or thing.__name__}"
        _registered[full] = thing
        _registered_names[thing] = full
        return thing

    return decorate


def get_registered_name(thing: Any) -> str:
    """``"package>name"`` of a registered object, its plain name otherwise."""
    return _registered_names.get(thing, getattr(thing, "__name__", type(thing).__name__))


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object registered under ``"package>name"``; None if there is none."""
    for table in (custom_objects or {}, _custom.get(), _registered):
        if name in table:
            return table[name]
    return None


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any]) -> Iterator[None]:
    """Know further names inside a ``with`` block."""
    token = _custom.set({**_custom.get(), **custom_objects})
    try:
        yield
    finally:
        _custom.reset(token)


@contextmanager
def own_names() -> Iterator[None]:
    """Know, inside a ``with`` block, what is neither published nor registered by the name that a
    config gives it there: for copies by ``from_config(get_config())``."""
    met: dict[str, Any] = {}
    custom, token = _custom.set(ChainMap(met, dict(_custom.get()))), _met.set(met)
    try:
        yield
    finally:
        _met.reset(token)
        _custom.reset(custom)


# --- configs --------------------------------------------------------------------------------------


def serialize_keras_object(thing: Any) -> Any:
    """A value that JSON can hold, from which :func:`deserialize_keras_object` makes the thing
    again.

    Numbers, strings, None, lists and dicts are themselves, arrays become lists; an object becomes
    the name of its class and its ``get_config()``, a function its name. Names that are neither
    published nor registered are for ``custom_objects`` to explain, when they are read.
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, tuple):
        return {
            "class_name": "__tuple__",
            "config": {"value": [*map(serialize_keras_object, thing)]},
        }
    if isinstance(thing, list):
        return [serialize_keras_object(item) for item in thing]
    if isinstance(thing, dict):
        return {str(key): serialize_keras_object(value) for key, value in thing.items()}
    if hasattr(thing, "dtype") and getattr(thing, "shape", None) == ():
        return thing.item()
    constant = isinstance(thing, Value) and thing.node is None
    if constant or isinstance(thing, np.ndarray):  # of a functional model
        array = thing.data if constant else thing
        config = {"value": array.tolist(), "dtype": array.dtype.name}
        return {"class_name": "__numpy__", "config": config}
    named = thing if hasattr(thing, "__name__") else type(thing)
    kind = _kind_of(named)
    named_well = named is thing or hasattr(thing, "get_config")
    if not (named_well and named.__name__.isidentifier()):
        raise ValueError(
            f"[serialize] {named!r} has no name that a file could hold. Expected a function with a "
            "name, or an object of a class with get_config()."
        )
    module = f"tinygrad_cn.{kind}" if kind else None
    entry = {"module": module, "class_name": named.__name__, "registered_name": None}
    if kind is None or named in _registered_names:
        entry["registered_name"] = name = get_registered_name(named)
        met = _met.get()
        if met is not None and met.setdefault(name, named) is not named:
            raise ValueError(f"[serialize] Expected one {name!r}, received two of that name.")
    if named is thing:
        return {**entry, "class_name": "function", "config": thing.__name__}
    return {**entry, "config": thing.get_config()}


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, kind: str | None = None
) -> Any:
    """The thing whose :func:`serialize_keras_object` is ``config`` (Keras's own configs fit too).

    Args:
        config: what JSON gave.
        custom_objects: names to know beside the registered ones.
        kind: what to look among when the config names no module: "layers", "losses", ...

    Raises:
        ValueError: a name that is neither published nor registered, or a config that is none.
    """
    if isinstance(config, list):
        return [deserialize_keras_object(item, custom_objects, kind) for item in config]
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if name is None:
        return {k: deserialize_keras_object(v, custom_objects, kind) for k, v in config.items()}
    inner = config.get("config")
    if name == "__tuple__" and isinstance(inner, dict):
        return tuple([deserialize_keras_object(v, custom_objects) for v in inner["value"]])
    if name in ("__numpy__", "__tensor__") and isinstance(inner, dict):
        return np.array(inner["value"], inner["dtype"])
    if name == "DTypePolicy" and isinstance(inner, dict):
        return inner["name"]
    module = kind_of_module(config.get("module"), kind or "layers")
    registered = config.get("registered_name") or ""
    own = get_registered_object(registered, custom_objects)
    if registered and config.get("module") is None:  # the user's own: no other of that name
        own = own or get_registered_object(registered.rsplit(">", 1)[-1], custom_objects)
        if own is None:
            raise ValueError(
                f"[deserialize] Unknown name {registered!r}. Expected it in custom_objects, or "
                "registered with saving.register_keras_serializable()."
            )
    if name == "function":
        return own or lookup(module, str(inner), custom_objects)
    found = own or lookup(module, str(name), custom_objects)
    if not isinstance(found, type) or not hasattr(found, "get_config"):
        raise ValueError(f"[deserialize] Expected a class with a config, received {name!r}.")
    if not isinstance(inner, dict):
        raise ValueError(
            f"[deserialize] Expected a dict as config of {name!r}, received {inner!r}."
        )
    make: Callable[..., Any] = getattr(found, "from_config", lambda settings: found(**settings))
    with custom_object_scope(custom_objects or {}):
        return make(dict(inner))


def kind_of_module(module: Any, otherwise: str = "layers") -> str:
    """The kind that a module's name stands for: "keras.layers", "tinygrad_cn.losses", ...; models
    for "keras" alone."""
    parts = str(module or "").split(".")
    known = [part for part in parts if part in _published]
    return known[-1] if known else "models" if parts == ["keras"] else otherwise


def _kind_of(thing: Any) -> str | None:
    for kind, table in _published.items():
        if any(thing is known for known in table.values()):
            return kind
    return None


def find(kind: str, identifier: Any, base: type | None = None) -> Any:
    """What ``losses.get(identifier)`` and its kin return: objects and functions pass through, a
    class is called, a name is looked up, a config is built."""
    if isinstance(identifier, str):
        identifier = lookup(kind, identifier)
    elif isinstance(identifier, dict):
        identifier = deserialize_keras_object(identifier, kind=kind)
    if isinstance(identifier, type) and (base is None or issubclass(identifier, base)):
        return identifier()
    if identifier is None or callable(identifier) or (base and isinstance(identifier, base)):
        return identifier
    raise ValueError(
        f"[{kind}] Expected a name, a config, a callable or an object, received {identifier!r}."
    )
