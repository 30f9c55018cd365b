"""The convolutions that are timed: the common ones, and those that are easily neglected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Convolution:
    """A convolution of square images; ``side``, ``kernel`` and ``padding`` may be pairs (rows,
    columns)."""

    n: int
    channels: int
    side: Any
    outputs: int
    kernel: Any
    padding: Any = 0
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def label(self) -> str:
        side, k, p = (
            "x".join(map(str, v)) if isinstance(v, tuple) else v
            for v in (self.side, self.kernel, self.padding)
        )
        text = f"n{self.n} {self.channels}->{self.outputs} {side}px k{k} p{p}"
        more = (("s", self.stride), ("d", self.dilation), ("g", self.groups))
        return text + "".join(f" {name}{value}" for name, value in more if value > 1)

    @property
    def output_sides(self) -> tuple[int, ...]:
        return tuple(
            (side + 2 * p - self.dilation * (k - 1) - 1) // self.stride + 1
            for side, k, p in zip(*map(pair, (self.side, self.kernel, self.padding)), strict=True)
        )


def pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


IMAGES = [
    Convolution(32, 1, 28, 32, 3),
    Convolution(32, 32, 13, 64, 3),
    Convolution(128, 32, 13, 64, 3),
    Convolution(32, 3, 32, 64, 3, 1),
    Convolution(32, 64, 32, 64, 3, 1),
    Convolution(32, 64, 16, 128, 3, 1),
    Convolution(32, 256, 8, 256, 3, 1),
    Convolution(32, 64, 32, 64, 1),
    Convolution(1, 32, 13, 64, 3),
    # depthwise, from large images with few channels to small ones with many
    Convolution(8, 32, 56, 32, 3, 1, groups=32),
    Convolution(8, 128, 28, 128, 3, 1, groups=128),
    Convolution(8, 512, 7, 512, 3, 1, groups=512),
    Convolution(8, 64, 28, 64, 3, 1, stride=2, groups=64),
    Convolution(8, 144, 28, 144, 5, 2, stride=2, groups=144),
    Convolution(8, 33, 28, 33, 3, 1, groups=33),
    # groups
    Convolution(8, 64, 28, 64, 3, 1, groups=2),
    Convolution(8, 48, 14, 96, 3, 1, groups=4),
    Convolution(8, 64, 28, 64, 3, 1, groups=8),
    Convolution(8, 256, 14, 256, 3, 1, groups=32),
    # few and odd channels
    Convolution(64, 6, 14, 16, 5),
    Convolution(32, 8, 20, 8, 5, 2),
    Convolution(32, 3, 32, 3, 3, 1),
    Convolution(32, 64, 32, 3, 3, 1),
    Convolution(32, 32, 28, 1, 3, 1),
    Convolution(16, 17, 20, 17, 3, 1),
    Convolution(16, 33, 14, 66, 3, 1),
    # 1 x 1
    Convolution(16, 512, 7, 512, 1),
    Convolution(2, 64, 56, 256, 1),
    Convolution(4, 128, 28, 256, 1, stride=2),
    # strides, dilation, long kernels, one image
    Convolution(4, 3, 224, 64, 7, 3, stride=2),
    Convolution(8, 64, 28, 128, 3, 1, stride=2),
    Convolution(8, 64, 14, 64, 3, 2, dilation=2),
    Convolution(8, 32, 14, 32, 5, 2),
    Convolution(4, 128, 17, 128, (1, 7), (0, 3)),
    Convolution(4, 128, 17, 128, (7, 1), (3, 0)),
    Convolution(1, 256, 14, 256, 3, 1),
    Convolution(1, 512, 7, 512, 3, 1),
    # sequences
    Convolution(16, 64, (1, 100), 64, (1, 3)),
    Convolution(40, 66, (1, 76), 3, (1, 2)),
    Convolution(1, 32, (1, 16000), 1, (1, 7)),
]
