"""What a Tensor can be asked for, written out: operators and methods, each one function of
``ops``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ops
from .op import Value

if TYPE_CHECKING:
    from .tensor import Tensor


class Methods(Value):
    """The operators and methods of :class:`Tensor`; the function in ``ops`` says what each does."""

    __slots__ = ()

    # --- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __and__(self, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return ops.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return ops.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.square(self) if type(other) is int and other == 2 else ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.power(other, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __pos__(self) -> Tensor:
        return ops.positive(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __invert__(self) -> Tensor:
        return ops.bitwise_invert(self)

    def __round__(self, decimals: int = 0) -> Tensor:
        return ops.round(self, decimals)

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ops.floor_divide(self, other), ops.remainder(self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override] # elementwise, as NumPy
        return NotImplemented if other is None or type(other) is str else ops.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override] # elementwise, as NumPy
        return NotImplemented if other is None or type(other) is str else ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.greater_equal(self, other)

    # --- methods: see the function of the same name in ``ops`` ------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
        """The sum along the axes."""
        return ops.sum(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def mean(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
        """The mean along the axes."""
        return ops.mean(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def prod(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
        """The product along the axes."""
        return ops.prod(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The largest element along the axes."""
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The smallest element along the axes."""
        return ops.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The position of the largest element along the axis."""
        return ops.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The position of the smallest element along the axis."""
        return ops.argmin(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether some element along the axes is not 0."""
        return ops.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether every element along the axes is not 0."""
        return ops.all(self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """ln sum e^x along the axes."""
        return ops.logsumexp(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """The variance along the axes."""
        return ops.var(self, axis, correction, keepdims)

    def std(self, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """The standard deviation along the axes."""
        return ops.std(self, axis, correction, keepdims)

    def norm(self, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The length, or a matrix norm."""
        return ops.norm(self, ord, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """The running sum along the axis."""
        return ops.cumsum(self, axis)

    def cumprod(self, axis: int | None = None) -> Tensor:
        """The running product along the axis."""
        return ops.cumprod(self, axis)

    def sort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """The elements in order, as a new tensor."""
        return ops.sort(self, axis, descending)

    def argsort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """The positions of the elements in order."""
        return ops.argsort(self, axis, descending)

    def sum_to(self, shape: tuple[int, ...]) -> Tensor:
        """The sum over the axes that broadcasting from ``shape`` would add."""
        return ops.sum_to(self, shape=shape)

    def astype(self, dtype: Any) -> Tensor:
        """In another dtype."""
        return ops.astype(self, dtype)

    def copy(self) -> Tensor:
        """The same values in memory of their own; recorded."""
        return ops.copy(self)

    def clone(self) -> Tensor:
        """Another name of copy()."""
        return ops.copy(self)

    def reshape(self, *shape: Any) -> Tensor:
        """In another shape; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """With the axes reversed, or in this order."""
        return ops.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """With two axes exchanged."""
        return ops.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without axes of length 1."""
        return ops.squeeze(self, axis)

    def expand_dims(self, axis: Any) -> Tensor:
        """With a new axis of length 1."""
        return ops.expand_dims(self, axis)

    def flatten(self) -> Tensor:
        """With one axis."""
        return ops.flatten(self)

    def ravel(self) -> Tensor:
        """With one axis."""
        return ops.flatten(self)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Each element repeated."""
        return ops.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """The elements at these positions of an axis."""
        return ops.take(self, indices, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The diagonal of two axes."""
        return ops.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The sum of the diagonal."""
        return ops.trace(self, offset, axis1, axis2)

    def nonzero(self) -> tuple[Tensor, ...]:
        """The positions of the elements that are not 0."""
        return ops.nonzero(self)

    def dot(self, other: Any) -> Tensor:
        """NumPy's dot product."""
        return ops.dot(self, other)

    def matmul(self, other: Any) -> Tensor:
        """The matrix product self @ other."""
        return ops.matmul(self, other)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Bounded below by min and above by max."""
        return ops.clip(self, min, max)

    def round(self, decimals: int = 0) -> Tensor:
        """The nearest numbers with so many decimals."""
        return ops.round(self, decimals)

    def pow(self, exponent: Any) -> Tensor:
        """To a power."""
        return self**exponent

    def abs(self) -> Tensor:
        """Without the sign."""
        return ops.abs(self)

    def exp(self) -> Tensor:
        """e^x."""
        return ops.exp(self)

    def log(self) -> Tensor:
        """ln x."""
        return ops.log(self)

    def log1p(self) -> Tensor:
        """ln(1 + x)."""
        return ops.log1p(self)

    def expm1(self) -> Tensor:
        """e^x - 1."""
        return ops.expm1(self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return ops.sqrt(self)

    def rsqrt(self) -> Tensor:
        """One over the square root."""
        return ops.rsqrt(self)

    def square(self) -> Tensor:
        """x^2."""
        return ops.square(self)

    def sin(self) -> Tensor:
        """sin x."""
        return ops.sin(self)

    def cos(self) -> Tensor:
        """cos x."""
        return ops.cos(self)

    def tanh(self) -> Tensor:
        """tanh x."""
        return ops.tanh(self)

    def erf(self) -> Tensor:
        """The error function."""
        return ops.erf(self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + e^-x)."""
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        """max(x, 0)."""
        return ops.relu(self)

    def softmax(self, axis: Any = -1) -> Tensor:
        """e^x / sum e^x along the axis."""
        return ops.softmax(self, axis)

    def log_softmax(self, axis: Any = -1) -> Tensor:
        """The logarithm of the softmax."""
        return ops.log_softmax(self, axis)

    @property
    def T(self) -> Tensor:
        """With the axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:
        """With the last two axes swapped."""
        return ops.matrix_transpose(self)

    @property
    def device(self) -> str:
        """Where the data is: always "cpu"."""
        return "cpu"
