"""Steps of training: ``compile``, and what is done with a batch.

A step is one function of tensors (:meth:`Stepper.forward_backward`): outputs, loss and gradients
of a batch. All that reads values in Python (metrics, logs) is around it.
"""

from __future__ import annotations

import inspect
import math
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import autograd, data, optimizers, registry, tree
from . import metrics as metrics_module
from .compiling import CompiledLoss, CompiledMetrics, check_names, number
from .layers.layer import get_mask
from .layers.module import Module, unique, within
from .op import Value, wrap
from .plan import Jit
from .settings import Settings


class Compiled:
    """What ``compile`` was given, and what is made of it when the outputs are known."""

    def __init__(self, optimizer: Any, settings: dict[str, Any]) -> None:
        self.optimizer, self.settings = optimizer, settings
        self.loss: CompiledLoss | None = None
        self.metrics: CompiledMetrics | None = None
        self.trackers = [
            metrics_module.Mean(name="loss")
        ]  # and one per output, if there are several
        self.variables: list[Any] | None = None  # what the optimizer changes; None: look again
        self.regularized: list[Any] = []
        self.own_metrics: tuple[int, list[Any]] = -1, []  # at Metric.made: the model's, its layers'
        self.nan_told = False
        self.planned: list[int] = []  # the variables that the captured steps change; who is free
        self.free: list[bool] = []  # which layers are trainable; looked at again after freezes
        self.freezes = -1  # Module.freezes then

    def resolve(self, names: list[str]) -> CompiledLoss:
        """Make loss and metrics for outputs of these names."""
        told = self.settings
        self.loss = CompiledLoss(told["loss"], told["loss_weights"], names)
        self.metrics = CompiledMetrics(told["metrics"], told["weighted_metrics"], names)
        self.trackers[1:] = [metrics_module.Mean(name=name) for name in self.loss.log_names]
        return self.loss

    @property
    def ready(self) -> bool:
        """Whether loss and metrics are made, so that a step with them can be captured."""
        return self.loss is not None and self.metrics is not None and self.metrics.resolved

    def reset(self) -> None:
        """Forget what the metrics saw."""
        for tracker in self.trackers:
            tracker.reset_state()
        if self.metrics is not None:
            self.metrics.reset()

    def track(self, losses: list[Any], n: int) -> None:
        """Take in the losses of a batch of n samples."""
        for tracker, value in zip(self.trackers, losses, strict=True):
            tracker.update_state(value, n)


class Stepper:
    """The part of :class:`Model` that knows loss, metrics and optimizer, and makes single steps."""

    stop_training = stop_evaluating = stop_predicting = False
    history: Any = None
    _compiled: Compiled | None = None
    _plans: dict[str, Jit] = {}  # noqa: RUF012 - replaced, never changed: kind of step -> its plan
    _planned_at = 0  # the count of changed settings then
    name: str
    built: bool
    losses: list[Any]
    trainable_weights: list[Any]
    _dtype: Any
    _lossy: list[Any]
    _flatten_layers: Callable[[], list[Any]]
    __call__: Callable[..., Any]

    # --- compile ----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how to train.

        Args:
            optimizer: a name, a config or an object.
            loss: a name, a function or an object; a list or dict of them for several outputs.
            loss_weights: the factor of each output's loss, as a list or dict.
            metrics: a list of names, functions or objects; a list of lists or a dict for several
                outputs. "accuracy" is the one that fits the shapes.
            weighted_metrics: likewise; these are told the sample weights.
            run_eagerly: never capture the step.
            steps_per_execution: 1; others are refused.
            jit_compile: "auto", True or False: whether the step is captured and replayed.
            auto_scale_loss: for low precision, which is not supported: without effect.
        """
        if steps_per_execution != 1:
            raise ValueError(
                "[compile] Steps are executed one by one. Expected steps_per_execution=1, received "
                f"{steps_per_execution!r}."
            )
        if jit_compile not in ("auto", True, False):
            raise ValueError(
                f"[compile] Expected jit_compile 'auto', True or False, received {jit_compile!r}."
            )
        if run_eagerly and jit_compile is True:
            raise ValueError(
                "[compile] Expected run_eagerly or jit_compile, received both as True."
            )
        check_names(loss, loss_weights, [metrics, weighted_metrics])
        told = {
            "loss": loss, "loss_weights": loss_weights, "metrics": metrics,
            "weighted_metrics": weighted_metrics, "run_eagerly": bool(run_eagerly),
            "steps_per_execution": 1, "jit_compile": jit_compile,
            "auto_scale_loss": bool(auto_scale_loss),
        }  # fmt: skip
        self._compiled = Compiled(optimizers.get(optimizer), told)
        self._plans = {}
        self.stop_training = False

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer; None before ``compile``."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss, as given to ``compile``."""
        return None if self._compiled is None else self._compiled.settings["loss"]

    @property
    def metrics(self) -> list[Any]:
        """The metric objects that there are by now: the means of the losses first."""
        own = self._own_metrics()
        if self._compiled is None:
            return own
        found = self._compiled.metrics
        entries = [] if found is None else [metric for _, _, metric, _ in found.entries]
        return [*self._compiled.trackers, *entries, *own]

    def _own_metrics(self) -> list[Any]:
        """Those among the attributes of the model and its layers; a model inside has its own."""
        kind, compiled = metrics_module.Metric, self._compiled
        if compiled is not None and compiled.own_metrics[0] == kind.made:
            return compiled.own_metrics[1]
        layers = [layer for layer in self._flatten_layers() if not isinstance(layer, Stepper)]
        own = unique([m for part in [self, *layers] for m in within(part, kind)])
        if compiled is not None and self.built:
            compiled.own_metrics = kind.made, own
        return own

    @property
    def metrics_names(self) -> list[str]:
        """The names of the values that ``evaluate`` returns."""
        return list(self.get_metrics_result())

    def reset_metrics(self) -> None:
        """Forget what the metrics saw."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """The values of all metrics, by their names in the logs."""
        if self._compiled is None:
            return {m.name: number(m.result()) for m in self.metrics}
        logs = {tracker.name: number(tracker.result()) for tracker in self._compiled.trackers}
        if self._compiled.metrics is not None:
            logs.update(self._compiled.metrics.results())
        return {**logs, **{m.name: number(m.result()) for m in self._own_metrics()}}

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of ``compile`` as they stand in a file; None before it."""
        if self._compiled is None:
            return None
        told = {"optimizer": self.optimizer, **self._compiled.settings}
        return {name: registry.serialize_keras_object(value) for name, value in told.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """``compile`` with what ``get_compile_config`` gave."""
        kinds = {"optimizer": "optimizers", "loss": "losses"}
        told = {
            name: registry.deserialize_keras_object(value, kind=kinds.get(name, "metrics"))
            for name, value in config.items()
        }
        self.compile(**told)

    def _needs_compile(self, who: str, loss: bool = True) -> Compiled:
        if self._compiled is None:
            raise ValueError(f"[{who}] Expected compile() before, on model {self.name!r}.")
        return self._compiled

    # --- a step -----------------------------------------------------------------------------------

    def forward_backward(
        self, x: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, list[Any], Any, list[Any]]:
        """A batch's loss, the losses of its outputs, the outputs, and the gradients of the
        trainable
        variables: a function of tensors."""
        compiled = self._needs_compile("fit")
        y_pred = self(x, training=True)
        if not compiled.optimizer.built:
            compiled.variables = None  # layers inside may have made theirs only now
        loss, terms = self._loss_of(x, y, y_pred, sample_weight, True)
        variables = self._variables(compiled)
        if not variables:
            warnings.warn(
                f"[fit] {self.name!r} has nothing to train. Expected a trainable weight, at the "
                "time of the step, not of compile(): trainable = False counts from when it is set.",
                stacklevel=2,
            )
        if loss.node is None or not variables:
            return loss, terms, y_pred, []
        scaled = compiled.optimizer.scale_loss(loss)
        seed = wrap(np.ones((), scaled.dtype))
        nodes = [v.node for v in variables]
        found = autograd.gradients([(scaled.node, seed)], nodes)
        return loss, terms, y_pred, [found.get(node) for node in nodes]

    def _variables(self, compiled: Compiled) -> list[Any]:
        if compiled.variables is None:
            compiled.variables = self.trainable_weights
            if compiled.freezes != Module.freezes:
                compiled.freezes = Module.freezes
                compiled.free = [layer.trainable for layer in self._flatten_layers()]
            now = [*map(id, compiled.variables), *compiled.free]
            if now != compiled.planned:  # something was frozen, or set free
                compiled.planned, self._plans = now, {}
            compiled.regularized = [v for v in compiled.variables if v.regularizer is not None]
        return compiled.variables

    def _loss_of(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool
    ) -> tuple[Any, list[Any]]:
        """The total loss and the losses of the outputs."""
        if type(self).compute_loss is not Stepper.compute_loss:  # the user's own
            given = [x, y, y_pred, sample_weight, training]
            parameters = inspect.signature(self.compute_loss).parameters
            if "training" not in parameters and len(parameters) == 4:  # as before Keras 3.4
                given.pop()
            loss = self.compute_loss(*given)
            return (loss if isinstance(loss, Value) else wrap(np.asarray(loss))), []
        return self._compute_loss(y, y_pred, sample_weight)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch: that of ``compile``, plus what layers add. May be overridden."""
        return self._compute_loss(y, y_pred, sample_weight)[0]

    def _compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, list[Any]]:
        compiled = self._needs_compile("compute_loss")
        outputs = tree.flatten(y_pred)
        loss = compiled.loss or compiled.resolve(self._names_of_outputs(y_pred))
        total, terms = None, []
        if any([given is not None for given in loss.given]):
            wanted = [given is not None for given in loss.given]
            targets = self._targets(y, loss.names, outputs)
            weights = self._weights(sample_weight, loss.names)
            masks = [get_mask(output) for output in outputs]
            terms = loss(targets, outputs, weights, masks)
            total = loss.total(terms)
            terms = [term for term, used in zip(terms, wanted, strict=True) if used]
        self._variables(compiled)
        extra = [term for layer in self._lossy for term in layer._losses]
        extra += [v.regularizer(v) for v in compiled.regularized]
        for term in extra:
            total = term if total is None else total + term
        if total is None:
            raise ValueError(
                f"[fit] There is nothing to make small. Expected loss= in compile() of "
                f"{self.name!r}, or add_loss() in a layer."
            )
        return total, terms if len(loss.log_names) else []

    def _names_of_outputs(self, y_pred: Any) -> list[str]:
        names = getattr(self, "output_names", None)
        if isinstance(y_pred, dict):
            if any([isinstance(y, (list, tuple, dict)) for y in y_pred.values()]):
                raise ValueError(
                    f"[fit] Expected one tensor for each name in the outputs of {self.name!r}, "
                    f"received {tree.map_structure(lambda y: y.shape, y_pred)}."
                )
            return list(y_pred)
        n = len(tree.flatten(y_pred))
        if names and len(names) == n:
            return list(names)
        return ["output"] if n == 1 else [f"output_{i + 1}" for i in range(n)]

    def _targets(self, y: Any, names: list[str], outputs: list[Any]) -> list[Any]:
        """y as one entry per output."""
        if len(names) == 1 and not isinstance(y, (list, tuple, dict)):
            return [y]
        if isinstance(y, dict):
            return _by_name(y, names)
        given = tree.flatten(y)
        if len(given) != len(names):
            raise ValueError(
                f"[fit] Expected y for {len(names)} outputs {names}, received {len(given)}: "
                f"{[getattr(a, 'shape', a) for a in given]}."
            )
        return given

    def _weights(self, sample_weight: Any, names: list[str]) -> list[Any]:
        if sample_weight is None or not isinstance(sample_weight, (list, tuple, dict)):
            return [sample_weight] * len(names)
        if isinstance(sample_weight, dict):
            return _by_name(sample_weight, names)
        given = list(sample_weight)
        if len(given) != len(names):
            raise ValueError(
                f"[fit] Expected {len(names)} sample_weight arrays, received {len(given)}."
            )
        return given

    def learn(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any]:
        """One update of the weights, and of the metrics that are made of ops. Returns the loss, and
        what the other metrics want to see of the batch: outputs and their masks (None: there are no
        others)."""
        loss, terms, y_pred, grads = self.forward_backward(x, y, sample_weight)
        compiled = self._needs_compile("fit")
        if grads:
            compiled.optimizer.apply(grads, compiled.variables)
        return loss, self._track([loss, *terms], x, y, y_pred, sample_weight)

    def look(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any]:
        """The same without an update of the weights, as in inference."""
        y_pred = self(x, training=False)
        loss, terms = self._loss_of(x, y, y_pred, sample_weight, False)
        return loss, self._track([loss, *terms], x, y, y_pred, sample_weight)

    def infer(self, x: Any) -> Any:
        """The outputs in inference."""
        return self(x, training=False)

    def _run(self, kind: str, *batch: Any) -> Any:
        """``learn``, ``look`` or ``infer`` on a batch: captured once, then replayed, if that may
        be."""
        compiled = self._compiled
        how: Any = "auto"
        ready = self.built
        if compiled is not None:
            how = not compiled.settings["run_eagerly"] and compiled.settings["jit_compile"]
            ready = ready and (kind != "learn" or compiled.optimizer.built)
            ready = ready and (kind == "infer" or compiled.ready)
            if self.built:  # else there are none yet
                self._variables(compiled)
        while batch[-1] is None:
            batch = batch[:-1]
        if not ready or not how:
            return getattr(self, kind)(*batch)
        if kind not in self._plans:
            model = weakref.ref(self)  # a plan must not keep its model alive

            def step(*batch: Any) -> Any:
                return getattr(model(), kind)(*batch)

            step.__name__ = f"{self.name}.{kind}"
            cyclic = kind == "learn" and self.optimizer.cyclic
            optimizer = self.optimizer
            phase = (lambda: optimizer.phase) if cyclic else None
            self._plans = {**self._plans, kind: Jit(step, how == "auto", phase)}
        return self._plans[kind](*batch)

    def _renew_plans(self) -> None:
        """Drop the captured steps if a setting was changed since: a dropout rate, the weight of a
        penalty, ... Those that could not be captured stay as they are."""
        if self._planned_at != Settings.changes:
            self._planned_at = Settings.changes
            self._plans = {kind: plan for kind, plan in self._plans.items() if plan.gave_up}

    def _train_batch(self, x: Any, y: Any, sample_weight: Any) -> None:
        """One step of the default kind."""
        compiled = self._needs_compile("fit")
        loss, seen = self._run("learn", x, y, sample_weight)
        value = float(loss.data)
        if not math.isfinite(value) and not compiled.nan_told:
            compiled.nan_told = True
            warnings.warn(self._why_not_finite(value, x, y), stacklevel=4)
        if seen is not None:
            self._tell_others(y, sample_weight, *seen)

    def _track(
        self, losses: list[Any], x: Any, y: Any, y_pred: Any, sample_weight: Any
    ) -> tuple[Any, list[Any]] | None:
        """Tell loss trackers, and the metrics that are made of ops, of a batch."""
        compiled = self._needs_compile("fit")
        if compiled.loss is None:
            compiled.resolve(self._names_of_outputs(y_pred))
        while len(losses) < len(compiled.trackers):
            losses.append(losses[0])
        compiled.track(losses, _length(x))
        found = compiled.metrics
        if found is None or (found.resolved and not found.entries):
            return None
        masks = [get_mask(output) for output in tree.flatten(y_pred)]
        outputs = [wrap(output.data) for output in tree.flatten(y_pred)]
        targets = self._targets(y, found.names, outputs)
        weights = self._weights(sample_weight, found.names)
        if not found.resolved:
            found.resolve(targets, outputs)
        found.update(True, targets, outputs, weights, masks)
        return (outputs, masks) if found.others else None

    def _tell_others(
        self, y: Any, sample_weight: Any, outputs: list[Any], masks: list[Any]
    ) -> None:
        """Tell the metrics that are not made of ops of a batch."""
        found = self._needs_compile("fit").metrics
        assert found is not None
        targets = self._targets(y, found.names, outputs)
        found.update(False, targets, outputs, self._weights(sample_weight, found.names), masks)

    def _why_not_finite(self, value: float, x: Any, y: Any) -> str:
        """Where the NaN comes from, as far as can be told."""
        for name, part in (("x", x), ("y", y)):
            for array in tree.flatten(part):
                array = array.data if isinstance(array, Value) else array
                if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                    row = int(np.argwhere(~np.isfinite(array))[0][0])
                    return (
                        f"[fit] The loss is {value}, because {name} holds NaN or infinity (first "
                        f"in row {row} of the batch). Expected finite numbers."
                    )
        bad = [v.path for v in self.trainable_weights if not np.isfinite(v.data).all()]
        blame = f" The weights {bad[:3]} are not finite any more." if bad else ""
        return (
            f"[fit] The loss became {value}, though the data are finite.{blame} A smaller "
            f"learning rate, clipnorm= in the optimizer, or from_logits=True in the loss may help; "
            "TerminateOnNaN() stops."
        )

    def train_step(self, data_: Any) -> dict[str, Any]:
        """A step on a batch (x, y, sample_weight): may be overridden; returns the logs."""
        self._train_batch(*data.unpack_x_y_sample_weight(data_))
        return self.get_metrics_result()

    def test_step(self, data_: Any) -> dict[str, Any]:
        """A look at a batch without training: may be overridden; returns the logs."""
        self._test_batch(*data.unpack_x_y_sample_weight(data_))
        return self.get_metrics_result()

    def predict_step(self, data_: Any) -> Any:
        """The outputs for a batch: may be overridden."""
        x, _, _ = data.unpack_x_y_sample_weight(data_)
        return self(x, training=False)

    def _test_batch(self, x: Any, y: Any, sample_weight: Any) -> None:
        _, seen = self._run("look", x, y, sample_weight)
        if seen is not None:
            self._tell_others(y, sample_weight, *seen)

    def _has_own(self, name: str) -> bool:
        """Did the user override this method, in a subclass or on the model itself?"""
        return getattr(getattr(self, name), "__func__", None) is not getattr(Stepper, name)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_plans"}

    def _stepper(self, kind: str) -> Callable[[tuple[Any, ...]], dict[str, Any] | None]:
        """What takes a step on a batch: the default one, or the user's, whose logs it returns."""
        name = f"{kind}_step"
        if not self._has_own(name):
            default = self._train_batch if kind == "train" else self._test_batch
            return lambda batch: default(*batch)

        def step(batch: tuple[Any, ...]) -> dict[str, Any]:
            packed = tree.map_structure(lambda a: a if a is None else wrap(a), batch)
            logs = getattr(self, name)(data.pack_x_y_sample_weight(*packed))
            return {key: number(value) for key, value in logs.items()}

        return step


def _by_name(given: dict[str, Any], names: list[str]) -> list[Any]:
    """What is given for each output; None for those that are not named."""
    unknown = [key for key in given if key not in names]
    if unknown:
        raise ValueError(registry.unknown("output", unknown[0], names))
    return [given.get(name) for name in names]


def _length(x: Any) -> int:
    return len(tree.flatten(x)[0])
