"""The torchvision datasets, read from files in a cache directory without a network."""

import gzip
import hashlib
import pickle
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, KMNIST, MNIST, FashionMNIST

from gan_core import load_dataset
from gan_core.cache import cache_folder, locked_cache
from gan_core.errors import CacheError, DatasetUnavailableError
from tests.gan_core.idx import idx, mnist_files, pixels, write_mnist

FAMILY = {"mnist": MNIST, "fashion-mnist": FashionMNIST, "kmnist": KMNIST}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_arguments, **_options):
        raise urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def write_cifar(cache, monkeypatch):
    folder = cache / CIFAR10.base_folder
    folder.mkdir(parents=True)
    sums = {}
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        batch = {"data": pixels(name, 8, 3072), "labels": [0, 1, 2, 9] * 2}
        sums[name] = _pickle(folder / name, batch)
    meta = CIFAR10.meta | {"md5": _pickle(folder / "batches.meta", {"label_names": [*"abcdefghij"]})}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [[name, sums[name]] for name, _ in CIFAR10.test_list])
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return folder


def _pickle(file, content):
    file.write_bytes(pickle.dumps(content, protocol=2))
    return md5(file.read_bytes())


def contents(folder):
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("name", FAMILY)
def test_the_mnist_family_is_read_from_the_cache_and_nothing_is_written(cache, name):
    write_mnist(cache, FAMILY[name].__name__)
    before = contents(cache)
    data = load_dataset(name)
    assert (data.name, data.image_shape) == (name, (1, 28, 28))
    assert torch.equal(data.train, torch.from_numpy(pixels("train", 30, 28, 28)).unsqueeze(1))
    assert torch.equal(data.held_out, torch.from_numpy(pixels("t10k", 20, 28, 28)).unsqueeze(1))
    assert data.train_labels.tolist() == [*range(10)] * 3
    assert data.held_out_labels.tolist() == [*range(10)] * 2
    assert contents(cache) == before


def test_compressed_files_in_the_cache_are_unpacked_without_a_network(cache, monkeypatch):
    folder = cache / "MNIST" / "raw"
    folder.mkdir(parents=True)
    packed = {f"{file}.gz": gzip.compress(content) for file, content in mnist_files()}
    for file, content in packed.items():
        (folder / file).write_bytes(content)
    monkeypatch.setattr(MNIST, "resources", [(file, md5(content)) for file, content in packed.items()])
    assert load_dataset("mnist").train.shape == (30, 1, 28, 28)


def test_cifar10_is_read_from_the_cache(cache, monkeypatch):
    write_cifar(cache, monkeypatch)
    data = load_dataset("cifar10")
    assert data.train.shape == (40, 3, 32, 32)
    assert data.held_out.shape == (8, 3, 32, 32)
    assert torch.equal(data.held_out, torch.from_numpy(pixels("test_batch", 8, 3072)).view(8, 3, 32, 32))
    assert data.train_labels.tolist() == [0, 1, 2, 9] * 10
    assert data.train.is_contiguous()


def test_a_pickle_of_another_md5_is_not_loaded(cache, monkeypatch):
    folder = write_cifar(cache, monkeypatch)
    (folder / "test_batch").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(
        DatasetUnavailableError, match=r"cifar10 is corrupted in .*cifar-10-batches-py \(Connect"
    ):
        load_dataset("cifar10")


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST/raw"), ("kmnist", "KMNIST/raw"), ("cifar10", "cifar-10-batches-py")]
)
def test_without_files_or_network_one_message_says_what_to_do(cache, capfd, name, folder):
    with pytest.raises(DatasetUnavailableError) as caught:
        load_dataset(name)
    assert str(caught.value) == (
        f"{name} is not in {cache / folder} and cannot be downloaded (Connection refused): copy its files"
        f" there, or set GAN_SWEEP_CACHE to a directory that has them; the dataset mnist-5k needs no download"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", [0, 3, 100, -1])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_file_that_is_cut_short_is_damage(cache, file, length):
    folder = write_mnist(cache)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: min(length, len(whole) - 1)])
    with pytest.raises(
        DatasetUnavailableError, match="delete that directory, or copy its files there, or"
    ) as caught:
        load_dataset("mnist")
    assert str(caught.value).startswith(f"mnist is corrupted in {folder} (")


def test_labels_and_images_of_different_numbers_are_damage(cache):
    folder = write_mnist(cache)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(29, dtype=np.uint8)))
    with pytest.raises(DatasetUnavailableError, match=r"train_labels must have shape \(30,\)"):
        load_dataset("mnist")


def test_a_half_written_download_is_not_taken_as_whole(cache, monkeypatch):
    folder = write_mnist(cache)
    packed = gzip.compress((folder / "train-images-idx3-ubyte").read_bytes())
    (folder / "train-images-idx3-ubyte").unlink()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(packed[:-100])
    monkeypatch.setattr(MNIST, "resources", [("train-images-idx3-ubyte.gz", md5(packed))])
    with pytest.raises(DatasetUnavailableError, match="mnist is not in"):
        load_dataset("mnist")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CacheError, match=r"directory .*/file/cache \(Not a directory\): set GAN_SWEEP_CACHE"):
        load_dataset("mnist")


def test_the_cache_is_the_users_unless_the_environment_names_another(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_SWEEP_CACHE", "here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("GAN_SWEEP_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "gan-sweep"


def test_one_process_at_a_time_writes(cache):
    from filelock import FileLock, Timeout

    with locked_cache() as folder, pytest.raises(Timeout):
        FileLock(folder / ".lock").acquire(timeout=0.1)
    FileLock(folder / ".lock").acquire(timeout=0.1).lock.release()
