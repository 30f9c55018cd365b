"""Callbacks: what happens at the marks of a training run, under Keras's names."""

from .base import Callback, CallbackList, History, LambdaCallback
from .files import BackupAndRestore, CSVLogger, TensorBoard
from .monitors import (
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    MonitorCallback,
    ReduceLROnPlateau,
    TerminateOnNaN,
)  # fmt: skip

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
    "LambdaCallback", "LearningRateScheduler", "ModelCheckpoint", "MonitorCallback",
    "ReduceLROnPlateau", "TensorBoard", "TerminateOnNaN",
]  # fmt: skip
