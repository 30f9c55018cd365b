"""One table of layers, which drives the generic layer test and the comparison with Keras.

A case is (class name, arguments, shapes of the inputs without the batch axis). A shape that starts
with "int" asks for integers below its second entry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class LayerCase(NamedTuple):
    """How to make a layer, and what to call it on."""

    name: str
    args: dict[str, Any]
    shapes: tuple[Any, ...]

    @property
    def id(self) -> str:
        told = ",".join([f"{k}={v}" for k, v in self.args.items()])
        return f"{self.name}({told})".replace(" ", "")

    def inputs(self, batch: int = 3, seed: int = 0, dtype: str = "float32") -> Any:
        """Random inputs: an array, or a list of them."""
        rng = np.random.default_rng(seed)
        made = []
        for shape in self.shapes:
            if shape[0] == "int":
                made.append(rng.integers(0, shape[1], (batch, *shape[2:])))
            else:
                made.append(rng.standard_normal((batch, *shape)).astype(dtype))
        return made[0] if len(made) == 1 else made


def case(name: str, *shapes: Any, **args: Any) -> LayerCase:
    return LayerCase(name, args, shapes)


FIRST = "channels_first"
CASES = [
    case("Dense", (4,), units=3),
    case("Dense", (5, 4), units=3, activation="relu"),
    case("Dense", (4,), units=2, use_bias=False, activation="softmax"),
    case("Dense", (4,), units=3, kernel_regularizer="l2", bias_regularizer="l1", activation="gelu"),
    case("Dense", (4,), units=3, activity_regularizer="l2", activation="sigmoid"),
    case("Dense", (4,), units=3, kernel_constraint="max_norm", bias_constraint="non_neg"),
    case("EinsumDense", (4, 5), equation="abc,cd->abd", output_shape=(4, 3), bias_axes="d"),
    case("EinsumDense", (5,), equation="ab,bcd->adc", output_shape=(3, 2), activation="relu"),
    case("EinsumDense", (5, 2), equation="...x,xy->...y", output_shape=3, bias_axes="y"),
    case("EinsumDense", (5, 4, 2), equation="ab...,bc->ac...", output_shape=3, bias_axes="c"),
    case("Activation", (4, 3), activation="tanh"),
    case("Identity", (4,)),
    case("Rescaling", (4, 3), scale=0.5, offset=-1.0),
    case("Embedding", ("int", 7, 5), input_dim=7, output_dim=3),
    case("Embedding", ("int", 7, 5), input_dim=7, output_dim=3, mask_zero=True),
    case("Embedding", ("int", 7, 5), input_dim=7, output_dim=3, embeddings_constraint="unit_norm"),
    case("Normalization", (4, 2)),
    case("Normalization", (4, 3), axis=(1, -1)),
    case("Normalization", (4, 2), mean=[1.0, 2.0], variance=[4.0, 0.5]),
    case("Normalization", (4, 2), mean=2.0, variance=3.0, invert=True),
    case("CategoryEncoding", ("int", 7, 5), num_tokens=7),
    case("CategoryEncoding", ("int", 7, 5), num_tokens=8, output_mode="one_hot"),
    case("CategoryEncoding", ("int", 7, 1), num_tokens=8, output_mode="one_hot"),
    case("CategoryEncoding", ("int", 7, 5), num_tokens=7, output_mode="count"),
    case("Masking", (4, 2), mask_value=0.0),
    case("Flatten", (4, 3, 2)),
    case("Flatten", (4, 3, 2), data_format=FIRST),
    case("Reshape", (4, 3), target_shape=(2, 6)),
    case("Reshape", (4, 3), target_shape=(-1, 2)),
    case("Permute", (4, 3, 2), dims=(3, 1, 2)),
    case("RepeatVector", (4,), n=3),
    case("ZeroPadding2D", (4, 3, 2), padding=1),
    case("ZeroPadding2D", (4, 3, 2), padding=((1, 2), (0, 3))),
    case("ZeroPadding1D", (4, 3), padding=(1, 2)),
    case("ZeroPadding1D", (4, 3), padding=1, data_format=FIRST),
    case("Cropping1D", (5, 3)),
    case("Cropping1D", (5, 3), cropping=(2, 0)),
    case("Cropping2D", (5, 6, 2), cropping=1),
    case("Cropping2D", (5, 6, 2), cropping=((0, 1), (2, 0))),
    case("Cropping2D", (2, 5, 6), cropping=(1, 2), data_format=FIRST),
    case("UpSampling1D", (4, 3), size=3),
    case("UpSampling2D", (4, 3, 2), size=(2, 3)),
    case("UpSampling2D", (4, 3, 2), size=2, interpolation="bilinear"),
    case("UpSampling2D", (2, 4, 3), size=2, data_format=FIRST),
    case("Conv1D", (7, 3), filters=4, kernel_size=3),
    case("Conv1D", (8, 3), filters=4, kernel_size=3, strides=2, padding="same", activation="relu"),
    case("Conv1D", (8, 3), filters=4, kernel_size=3, padding="causal", dilation_rate=2),
    case("Conv2D", (6, 5, 3), filters=4, kernel_size=3),
    case("Conv2D", (7, 6, 3), filters=4, kernel_size=(3, 2), strides=2, padding="same"),
    case("Conv2D", (8, 8, 4), filters=6, kernel_size=3, groups=2, activation="tanh"),
    case("Conv2D", (6, 6, 2), filters=3, kernel_size=3, kernel_constraint="min_max_norm"),
    case("Conv2D", (8, 8, 2), filters=3, kernel_size=3, dilation_rate=2, use_bias=False),
    case("DepthwiseConv2D", (6, 6, 3), kernel_size=3, depth_multiplier=2),
    case("DepthwiseConv2D", (6, 6, 3), kernel_size=3, strides=2, padding="same", activation="relu"),
    case("SeparableConv2D", (6, 6, 3), filters=4, kernel_size=3, depth_multiplier=2),
    case("DepthwiseConv1D", (7, 3), kernel_size=3, depth_multiplier=2),
    case("DepthwiseConv1D", (7, 3), kernel_size=2, strides=2, padding="same", activation="relu"),
    case("DepthwiseConv1D", (7, 3), kernel_size=2, depthwise_constraint="non_neg"),
    case("SeparableConv1D", (7, 3), filters=4, kernel_size=3, depth_multiplier=2),
    case("SeparableConv1D", (7, 3), filters=4, kernel_size=3, padding="same", dilation_rate=2),
    case("Conv1DTranspose", (4, 2), filters=3, kernel_size=3),
    case("Conv1DTranspose", (4, 2), filters=3, kernel_size=3, strides=2, padding="same"),
    case("Conv1DTranspose", (4, 2), filters=3, kernel_size=3, strides=2, output_padding=1),
    case("Conv1DTranspose", (2, 4), filters=3, kernel_size=2, strides=3, data_format=FIRST),
    case("Conv2DTranspose", (3, 4, 2), filters=3, kernel_size=3),
    case("Conv2DTranspose", (3, 4, 2), filters=3, kernel_size=3, strides=2, padding="same"),
    case("Conv2DTranspose", (3, 4, 2), filters=3, kernel_size=2, strides=3, activation="relu"),
    case("MaxPooling1D", (7, 3)),
    case("MaxPooling1D", (7, 3), pool_size=3, strides=2, padding="same"),
    case("MaxPooling2D", (6, 5, 3)),
    case("MaxPooling2D", (6, 5, 3), pool_size=3, strides=2, padding="same"),
    case("MaxPooling2D", (3, 6, 4), data_format=FIRST),
    case("AveragePooling1D", (7, 3), pool_size=2),
    case("AveragePooling1D", (7, 3), pool_size=3, strides=2, padding="same"),
    case("AveragePooling2D", (6, 5, 3), pool_size=(2, 3), padding="same"),
    case("AveragePooling2D", (6, 5, 3), pool_size=2, strides=1),
    case("GlobalMaxPooling1D", (5, 3)),
    case("GlobalMaxPooling2D", (5, 4, 3), keepdims=True),
    case("GlobalAveragePooling1D", (5, 3)),
    case("GlobalAveragePooling2D", (5, 4, 3)),
    case("GlobalAveragePooling2D", (3, 4, 5), data_format=FIRST, keepdims=True),
    case("AdaptiveMaxPooling1D", (7, 3), output_size=3),
    case("AdaptiveMaxPooling2D", (7, 5, 3), output_size=(3, 4)),
    case("AdaptiveAveragePooling1D", (7, 3), output_size=4),
    case("AdaptiveAveragePooling1D", (3, 4), output_size=6, data_format=FIRST),
    case("AdaptiveAveragePooling2D", (7, 6, 3), output_size=3),
    case("UnitNormalization", (4, 3)),
    case("UnitNormalization", (4, 3), axis=[1, 2]),
    case("Dropout", (4, 3), rate=0.5),
    case("AlphaDropout", (4, 3), rate=0.3, noise_shape=(None, 1, 3)),
    case("SpatialDropout1D", (4, 3), rate=0.5),
    case("SpatialDropout2D", (4, 3, 2), rate=0.5),
    case("GaussianNoise", (4, 3), stddev=0.5),
    case("GaussianDropout", (4, 3), rate=0.5),
    case("ActivityRegularization", (4, 3), l1=0.1, l2=0.2),
    case("Add", (4, 3), (4, 3), (4, 3)),
    case("Add", (4, 3), (1, 3)),
    case("Subtract", (4, 3), (4, 3)),
    case("Multiply", (4, 3), (4, 3)),
    case("Average", (4, 3), (4, 3)),
    case("Maximum", (4, 3), (4, 3)),
    case("Minimum", (4, 3), (4, 3)),
    case("Concatenate", (4, 3), (4, 2)),
    case("Concatenate", (4, 3), (2, 3), axis=1),
    case("Dot", (4,), (4,), axes=1),
    case("Dot", (4, 3), (5, 3), axes=2),
    case("Dot", (4, 3), (3, 5), axes=(2, 1), normalize=True),
    case("ReLU", (4, 3)),
    case("ReLU", (4, 3), max_value=1.0, negative_slope=0.1, threshold=0.5),
    case("LeakyReLU", (4, 3)),
    case("PReLU", (4, 3), alpha_initializer="he_normal"),
    case("PReLU", (4, 5, 3), shared_axes=[1, 2], alpha_initializer="ones"),
    case("ELU", (4, 3), alpha=0.5),
    case("Softmax", (4, 3)),
    case("Softmax", (4, 3), axis=1),
]


def make(layers: Any, one: LayerCase) -> Any:
    """The layer of a case, from this package's or Keras's ``layers``."""
    return getattr(layers, one.name)(**one.args)
