"""Ctrl-C between steps: the first one waits for the step to end, so that no model is half
updated."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Deferred:
    """Inside ``with Deferred() as interrupt``, Ctrl-C takes effect at the next
    ``interrupt.check()``; pressed twice, at once. Does nothing outside the main thread, or where a
    program handles SIGINT itself."""

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def __enter__(self) -> Deferred:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *signal_and_frame: Any) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pending:
            raise KeyboardInterrupt
