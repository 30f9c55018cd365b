"""The command line: what it prints, what it writes, and what it says to a mistake."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn.cli import main

EXTRA = "comes with the extra `demo`"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder that a short demo leaves behind."""
    pytest.importorskip("sklearn", reason=EXTRA)
    pytest.importorskip("matplotlib", reason=EXTRA)
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--epochs", "1", "--no-timing", "--output", str(folder)]) == 0
    return folder


def test_the_module_is_the_command():
    run = subprocess.run(
        [sys.executable, "-m", "tinygrad_cn", "--version"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout.strip()) == (0, tg.__version__)


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_config_names_instruction_set_and_threads(capsys):
    assert main(["config"]) == 0
    printed = capsys.readouterr().out
    assert tg.__version__ in printed
    assert "threads" in printed.lower()


def test_demo_writes_picture_weights_and_samples(results):
    assert (results / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert (results / "digits.safetensors").stat().st_size > 4 * 200_000
    assert len(list(results.glob("digit_*.png"))) == 5


def test_demo_reports_its_work(capsys, tmp_path):
    pytest.importorskip("sklearn", reason=EXTRA)
    pytest.importorskip("matplotlib", reason=EXTRA)
    assert main(["demo", "--epochs", "1", "--no-timing", "--output", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    for word in ("conv2d", "225,034", "Test accuracy", "held-out", "digits.png"):
        assert word in printed


def test_predict_reads_the_samples(results, capsys):
    samples = sorted(map(str, results.glob("digit_*.png")))
    assert main(["predict", str(results / "digits.safetensors"), *samples]) == 0
    lines = capsys.readouterr().out.splitlines()
    right = sum(
        line.startswith(f"{sample}: {sample[-5]} (")
        for line, sample in zip(lines, samples, strict=True)
    )
    assert right >= 4  # after one epoch


def test_predict_reads_many_digits_of_an_npy_file(results, capsys):
    from sklearn.datasets import load_digits

    path = results / "many.npy"
    np.save(path, load_digits().images[:3])
    assert main(["predict", str(results / "digits.safetensors"), str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_dark_ink_on_paper_is_inverted(tmp_path):
    from tinygrad_cn.demo import read_images

    ink = np.zeros((28, 28))
    ink[8:20, 12:16] = 1
    np.save(tmp_path / "ink.npy", ink)
    np.save(tmp_path / "paper.npy", 1 - ink)
    np.save(tmp_path / "bytes.npy", np.uint8(255 * (1 - ink)))
    expected = read_images(tmp_path / "ink.npy")
    assert expected.shape == (1, 28, 28, 1)
    np.testing.assert_allclose(read_images(tmp_path / "paper.npy"), expected, atol=1e-6)
    np.testing.assert_allclose(read_images(tmp_path / "bytes.npy"), expected, atol=1e-6)


@pytest.mark.parametrize(
    "image", [np.zeros(3), np.zeros((0, 28, 28)), np.full((28, 28), np.nan), np.zeros((2, 2, 2, 2))]
)
def test_predict_refuses_what_is_no_image(results, tmp_path, capsys, image):
    np.save(tmp_path / "bad.npy", image)
    weights = str(results / "digits.safetensors")
    assert main(["predict", weights, str(tmp_path / "bad.npy")]) == 2
    assert "[predict] not an image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["predict", "nothing.safetensors", "x.png"], "no such file: nothing.safetensors"),
        (["run", "no_such_example"], "no such example"),
    ],
)
def test_mistakes_end_in_one_line(command, message, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("epochs", ["0", "ten", "1.5"])
def test_epochs_must_be_positive(epochs, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--epochs", epochs])
    assert "from 1 up" in capsys.readouterr().err


def test_run_passes_arguments_and_status_on(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys\nsys.exit(len(sys.argv) + 40)\n")
    assert main(["run", str(script), "one"]) == 42
