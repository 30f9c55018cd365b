"""Layers, by the names and arguments of Keras 3; a file per family."""

from tinygrad_cn import registry

from .convolution import Conv1D, Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from .core import (
    Activation, Dense, Embedding, Identity, Input, InputLayer, Lambda, Masking,
)  # fmt: skip
from .input_spec import InputSpec
from .layer import Layer
from .pooling import (
    AveragePooling1D, AveragePooling2D, GlobalAveragePooling1D, GlobalAveragePooling2D,
    GlobalMaxPooling1D, GlobalMaxPooling2D, MaxPooling1D, MaxPooling2D,
)  # fmt: skip
from .regularization import (
    ActivityRegularization, Dropout, GaussianDropout, GaussianNoise, SpatialDropout1D,
    SpatialDropout2D,
)  # fmt: skip
from .reshaping import Flatten, Permute, RepeatVector, Reshape, UpSampling2D, ZeroPadding2D
