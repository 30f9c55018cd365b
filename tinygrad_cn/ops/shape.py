"""Shape: the same values, arranged otherwise. A rearrangement that NumPy can express by strides is a
view: it copies nothing, and shares memory with its input."""

from __future__ import annotations

import numpy as np

from tinygrad_cn.op import Op


class Reshape(Op):
    """y = the elements of x in row-major order, in another shape (one length may be -1)."""

    def forward(x, *, shape):
        return x.reshape(shape)

    def vjp(g, x_shape):
        return reshape(g, shape=x_shape)


class PermuteDims(Op):
    """y[i_axes[0], i_axes[1], ...] = x[i_0, i_1, ...];  gx by the inverse permutation."""

    def forward(x, *, axes):
        return x.transpose(axes)

    def vjp(g, axes):
        return permute_dims(g, axes=tuple(np.argsort(axes).tolist()))


class BroadcastTo(Op):
    """y = x repeated along new axes and axes of length 1;  gx = g summed over them."""

    def forward(x, *, shape):
        return np.broadcast_to(x, shape)

    def vjp(g):
        return g  # the engine sums it back to the shape of x


class Astype(Op):
    """y = x in another dtype;  gx = g in the dtype of x."""

    def forward(x, *, dtype):
        return x.astype(dtype)

    def vjp(g):
        return g  # the engine casts it back


reshape = Reshape()
permute_dims = PermuteDims()
broadcast_to = BroadcastTo()
astype = Astype()
