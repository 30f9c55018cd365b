"""Callbacks that write files: a table, a backup to resume from, events for TensorBoard."""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import saving

from .base import Callback
from .events import EventFile


class CSVLogger(Callback):
    """A line of a CSV file per epoch.

    Args:
        filename: the file.
        separator: between columns.
        append: go on with a file that is there.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._file: Any = None
        self._writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        rows = self._rows() if self.append and os.path.exists(self.filename) else []
        self.keys = rows[0][1:] if rows else None
        self._open("a" if self.append else "w")

    def _rows(self) -> list[list[str]]:
        with open(self.filename, newline="", encoding="utf-8") as file:
            return list(csv.reader(file, delimiter=self.separator))

    def _open(self, how: str) -> None:
        self._file = open(self.filename, how, newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, delimiter=self.separator)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if self.keys is None:
            self.keys = list(logs)
            self._writer.writerow(["epoch", *self.keys])
        late = [key for key in logs if key not in self.keys]
        if late:  # validation may begin after the first epoch: the rows so far get its columns
            self.keys += late
            head, *rows = self._rows()
            self._file.close()
            self._open("w")
            self._writer.writerow(head + late)
            self._writer.writerows([row + ["NA"] * len(late) for row in rows])
        self._writer.writerow([epoch, *[_plain(logs.get(key, "NA")) for key in self.keys]])
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._file.close()
        self._file = self._writer = None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if np.ndim(value):
        return '"[' + ", ".join(str(v) for v in value) + ']"'
    return float(value)


class BackupAndRestore(Callback):
    """Keep a backup of the training run; ``fit`` of a new process goes on where the old one ended.

    At the end of each epoch weights, optimizer state and the state of the random generator are
    written (whole or not at all). When ``fit`` begins and a backup is there, they are put back and
    the epochs done are not done again: the result is that of a run without interruption, to the
    bit.

    Args:
        backup_dir: a folder of its own for each run.
        save_freq: "epoch" (backups within an epoch are not supported).
        double_checkpoint: keep the backup before the last, too.
        delete_checkpoint: remove the backup when training has ended well.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ValueError("[BackupAndRestore] Expected a folder, received an empty backup_dir.")
        if save_freq != "epoch":
            raise ValueError(
                f"[BackupAndRestore] Expected save_freq='epoch', received save_freq={save_freq!r}."
            )
        self.backup_dir = Path(backup_dir)
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.latest = self.backup_dir / "latest.safetensors"
        self.previous = self.backup_dir / "previous.safetensors"

    def on_train_begin(self, logs: Any = None) -> None:
        for path in (self.latest, self.previous):
            if path.exists():
                note = saving.load_checkpoint(self.model, path)
                self.model._initial_epoch = int(json.loads(note)["epoch"]) + 1
                return

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self.latest.exists():
            os.replace(self.latest, self.previous)
        saving.save_checkpoint(self.model, self.latest, json.dumps({"epoch": epoch}))

    def on_train_end(self, logs: Any = None) -> None:
        if self.delete_checkpoint and self.backup_dir.exists():
            for path in (self.latest, self.previous):
                path.unlink(missing_ok=True)
            if not any(self.backup_dir.iterdir()):
                shutil.rmtree(self.backup_dir)


class TensorBoard(Callback):
    """Write the numbers of the logs as TensorBoard events (scalars; the format is written here, so
    neither TensorBoard nor TensorFlow needs to be installed).

    Args:
        log_dir: a folder; training and validation go to "train" and "validation" in it.
        update_freq: "epoch", "batch", or a number of batches.
        histogram_freq, write_graph, write_images, write_steps_per_second, profile_batch,
        embeddings_freq: not supported, and refused unless they are off.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = False,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
    ) -> None:
        refused = {
            "histogram_freq": histogram_freq, "write_graph": write_graph,
            "write_images": write_images, "write_steps_per_second": write_steps_per_second,
            "profile_batch": profile_batch, "embeddings_freq": embeddings_freq,
        }  # fmt: skip
        wanted = {key: value for key, value in refused.items() if value}
        if wanted:
            raise ValueError(f"[TensorBoard] Only scalars are written. Not supported: {wanted}.")
        if update_freq not in ("epoch", "batch") and not isinstance(update_freq, int):
            raise ValueError(
                f"[TensorBoard] Expected update_freq 'epoch', 'batch' or an int, received "
                f"{update_freq!r}."
            )
        self.log_dir = Path(log_dir)
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._files: dict[str, EventFile] = {}
        self._step = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += 1
        if self.update_freq != "epoch" and self._step % self.update_freq == 0:
            self._write("train", {f"batch_{k}": v for k, v in (logs or {}).items()}, self._step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        train = {f"epoch_{k}": v for k, v in logs.items() if not k.startswith("val_")}
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if rate is not None:
            train["epoch_learning_rate"] = float(rate)
        self._write("train", train, epoch)
        seen = {f"epoch_{k[4:]}": v for k, v in logs.items() if k.startswith("val_")}
        if seen:
            self._write("validation", seen, epoch)

    def on_train_end(self, logs: Any = None) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def _write(self, where: str, values: dict[str, Any], step: int) -> None:
        if where not in self._files:
            self._files[where] = EventFile(self.log_dir / where)
        for name, value in values.items():
            for i, one in enumerate(np.ravel(value)):  # a metric may have a value per class
                tag = f"{name}_{i}" if np.ndim(value) else name
                self._files[where].scalar(tag, float(one), step, time.time())
        self._files[where].flush()
