"""What every test starts from: a fixed seed, and hypothesis without a clock."""

from __future__ import annotations

import os

import hypothesis
import numpy as np
import pytest

import tinygrad_cn as tg

# A slow moment of the machine is no bug, and CI should try the same examples every time.
hypothesis.settings.register_profile("here", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_report_header() -> str:
    """Say on the first lines which kernels are being tested."""
    config = tg.get_config()
    shown = ("tinygrad_cn", "kernels", "instruction set", "threads", "openmp", "numpy")
    return ", ".join(f"{name} {config[name]}" for name in shown)


@pytest.fixture(autouse=True)
def fresh_session() -> None:
    """The same names, weights and draws in every run of a test, whichever tests ran before."""
    tg.utils.clear_session()
    tg.utils.set_random_seed(1234)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
