"""Small files in MNIST's format."""

import struct

import numpy as np

SIZES = {"train": 30, "t10k": 20}


def pixels(part, *shape):
    """Draw pixels that differ between parts."""
    return np.random.default_rng(sum(part.encode())).integers(0, 256, shape, dtype=np.uint8)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files():
    for part, n in SIZES.items():
        yield f"{part}-images-idx3-ubyte", idx(pixels(part, n, 28, 28))
        yield f"{part}-labels-idx1-ubyte", idx(np.arange(n, dtype=np.uint8) % 10)


def write_mnist(cache, folder="MNIST"):
    raw = cache / folder / "raw"
    raw.mkdir(parents=True)
    for file, content in mnist_files():
        (raw / file).write_bytes(content)
    return raw
