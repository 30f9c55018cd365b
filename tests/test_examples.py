"""Every example runs in its tiny setting, as a script, and draws its picture."""

import importlib.util
import math
import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_example(name, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location(f"examples.{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(tiny=True, folder=tmp_path)
    assert result and all(math.isfinite(value) for value in result.values())
    assert (tmp_path / f"{name}.png").stat().st_size > 10000
    assert "Picture:" in capsys.readouterr().out


def test_examples_are_scripts(tmp_path):
    command = [sys.executable, EXAMPLES / "explicit_loop.py", "--tiny", str(tmp_path)]
    here = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=here
    )
    assert "Accuracy on held-out patients" in done.stdout
    assert (tmp_path / "explicit_loop.png").exists()


def test_house_prices_reads_a_table(tmp_path):
    path = tmp_path / "boston.csv"
    rows = [f"{i % 7},{i % 5},{3 * (i % 7) - (i % 5)}" for i in range(60)]
    path.write_text("RM,LSTAT,MEDV\n" + "\n".join(rows) + "\n")
    spec = importlib.util.spec_from_file_location("house_prices", EXAMPLES / "house_prices.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(tiny=True, folder=tmp_path, csv=path)["guess"] > 0
