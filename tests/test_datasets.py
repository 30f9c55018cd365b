"""Data sets: bundled ones, IDX files, tables, and what is said without a network."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn.datasets import sources


def idx(array):
    """The bytes of an IDX file."""
    kinds = {"uint8": 8, "int32": 12, "float32": 13}
    head = struct.pack(">HBB", 0, kinds[str(array.dtype)], array.ndim)
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return head + lengths + array.astype(array.dtype.newbyteorder(">")).tobytes()


ARRAYS = {
    name: np.random.default_rng(i).integers(0, 255, shape).astype("uint8")
    for i, (name, shape) in enumerate(
        zip(sources.IDX_FILES, [(5, 28, 28), (5,), (3, 28, 28), (3,)], strict=True)
    )
}


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_from_a_folder(tmp_path, packed):
    for name, array in ARRAYS.items():
        data = gzip.compress(idx(array)) if packed else idx(array)
        (tmp_path / (f"{name}.gz" if packed else name)).write_bytes(data)
    (x, y), (x_test, y_test) = tg.datasets.mnist.load_data(path=tmp_path)
    for found, expected in zip((x, y, x_test, y_test), ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_mnist_from_an_npz(tmp_path):
    x, y, x_test, y_test = ARRAYS.values()
    np.savez(tmp_path / "m.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    (found, _), _ = tg.datasets.mnist.load_data(path=tmp_path / "m.npz")
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_idx_types(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    found = sources.read_idx(tmp_path / "a")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == dtype


@pytest.mark.parametrize("n", [0, 3, 7, 15, -1])
def test_damaged_idx_files_are_refused(tmp_path, n):
    (tmp_path / "a").write_bytes(idx(ARRAYS[sources.IDX_FILES[0]])[:n])
    with pytest.raises(ValueError, match=r"not an IDX file|damaged"):
        sources.read_idx(tmp_path / "a")


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise sources.urllib.error.URLError("no network")

    monkeypatch.setenv("TINYGRAD_CN_HOME", str(tmp_path))
    monkeypatch.setattr(sources.urllib.request, "urlopen", no_network)
    with pytest.raises(OSError, match=r"is there a network\?(.|\n)*datasets.digits needs no"):
        tg.datasets.mnist.load_data()
    with pytest.raises(FileNotFoundError, match="train-images"):
        tg.datasets.fashion_mnist.load_data(path=tmp_path)


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch):
    data, asked = b"the right bytes", []

    class Answer:
        def __init__(self, body):
            self.read = lambda: body

        def __enter__(self):
            return self

        def __exit__(self, *args):
            return None

    def serve(url, timeout):
        asked.append(url)
        return Answer(b"wrong bytes" if "bad" in url else data)

    monkeypatch.setattr(sources.urllib.request, "urlopen", serve)
    md5 = hashlib.md5(data).hexdigest()
    for _ in range(2):
        path = sources.download("x", tmp_path / "f", ["http://bad", "http://good"], md5)
    assert path.read_bytes() == data and asked == ["http://bad", "http://good"]
    with pytest.raises(OSError, match="checksum differs"):
        sources.download("x", tmp_path / "g", ["http://bad"], md5)
    assert not (tmp_path / "g").exists()


def test_tables(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"crim","MEDV",rm\n1,20,5\n2,,6\n3,30,7\nx,1,2\n')
    x, y, names = sources.read_table(path, "medv")
    assert names == ["crim", "rm"] and x.tolist() == [[1, 5], [3, 7]] and y.tolist() == [20, 30]
    (a, b), (c, d) = tg.datasets.housing.load_data(path, test_split=0.5)
    assert len(a) == len(b) == len(c) == len(d) == 1
    with pytest.raises(ValueError, match="no column 'price'"):
        sources.read_table(path, "price")
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="lines of numbers"):
        sources.read_table(path)


def test_bundled_sets():
    pytest.importorskip("sklearn", reason="scikit-learn carries them (extra: demo)")
    for name, features in (("digits", (8, 8, 1)), ("diabetes", (10,)), ("breast_cancer", (30,))):
        (x, y), (x_test, y_test) = getattr(tg.datasets, name).load_data(test_split=0.25, seed=1)
        assert x.shape[1:] == features and len(x) == len(y) and len(x_test) == len(y_test)
        assert len(x_test) == pytest.approx(0.25 * (len(x) + len(x_test)), abs=1)
        again = getattr(tg.datasets, name).load_data(test_split=0.25, seed=1)
        np.testing.assert_array_equal(again[0][0], x)


def test_enlarging_keeps_the_mean_and_the_corners():
    images = np.random.default_rng(0).random((2, 8, 8)).astype("float32")
    large = tg.datasets.digits.enlarge(images, 24)
    assert large.shape == (2, 24, 24)
    np.testing.assert_allclose(large[:, 0, 0], images[:, 0, 0])
    np.testing.assert_allclose(large.mean(), images.mean(), rtol=1e-2)
