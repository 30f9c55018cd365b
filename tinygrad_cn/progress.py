"""What ``fit`` shows while it runs: a bar in a terminal or notebook, a line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any


def is_live() -> bool:
    """Can a line be drawn over? True in a terminal and in a notebook, False in a file or a pipe."""
    if "ipykernel" in sys.modules:
        return True
    return bool(getattr(sys.stdout, "isatty", lambda: False)())


def resolve(verbose: Any, who: str) -> int:
    """0 silent, 1 bar, 2 a line per epoch. "auto" is 1; without a terminal, 1 becomes 2."""
    if verbose == "auto":
        verbose = 1
    if verbose not in (0, 1, 2):
        raise ValueError(f"[{who}] Expected verbose 0, 1, 2 or 'auto', received {verbose!r}.")
    verbose = int(verbose)
    return 2 if verbose == 1 and not is_live() else verbose


def shown(value: Any) -> str:
    """A number as logs show it: four digits, by exponent when small.

    >>> from tinygrad_cn.progress import shown
    >>> shown(0.5), shown(0.00012)
    ('0.5000', '1.2000e-04')
    """
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


class Progress:
    """A bar or a line for a pass over data.

    Args:
        verbose: 0, 1 or 2, as :func:`resolve` gives it.
        steps: how many batches; 0 if that is not known.
        title: printed first, such as "Epoch 1/5".
    """

    def __init__(self, verbose: int, steps: int, title: str = "") -> None:
        self.verbose, self.steps, self.done = verbose, steps, 0
        self.started = time.perf_counter()
        self.bar: Any = None
        if verbose and title:
            print(title, flush=True)
        if verbose == 1:
            from tqdm.auto import tqdm  # takes 30 ms: only for those who watch

            layout = "{n_fmt}/{total_fmt} |{bar:24}| {elapsed}<{remaining} {rate_fmt}{postfix}"
            self.bar = tqdm(
                total=steps or None, file=sys.stdout, bar_format=layout if steps else None,
                unit="step", leave=True, dynamic_ncols=True, mininterval=0.1,
            )  # fmt: skip

    @property
    def wants_logs(self) -> bool:
        """Is it time to draw? (Metrics are computed for that only.)"""
        if self.bar is None:
            return False
        return time.perf_counter() - self.bar.last_print_t >= self.bar.mininterval

    def step(self, logs: dict[str, Any] | None = None) -> None:
        """A batch is done."""
        self.done += 1
        if self.bar is not None:
            if logs:
                self.bar.set_postfix_str(self._words(logs), refresh=False)
            self.bar.update()

    def finish(self, logs: dict[str, Any]) -> None:
        """The pass is over."""
        if self.bar is not None:
            self.bar.total = self.done
            self.bar.set_postfix_str(self._words(logs), refresh=False)
            self.bar.close()
        elif self.verbose == 2:
            seconds = time.perf_counter() - self.started
            each = seconds / max(self.done, 1)
            pace = (
                f"{each:.0f}s"
                if each >= 1
                else f"{each * 1e3:.0f}ms"
                if each >= 1e-3
                else f"{each * 1e6:.0f}us"
            )
            words = self._words(logs)
            print(
                f"{self.done}/{self.done} - {seconds:.0f}s - "
                f"{pace}/step{' - ' if words else ''}{words}",
                flush=True,
            )

    def abandon(self) -> None:
        """The pass was interrupted."""
        if self.bar is not None:
            self.bar.close()

    @staticmethod
    def _words(logs: dict[str, Any]) -> str:
        return " - ".join([f"{name}: {shown(value)}" for name, value in logs.items()])
