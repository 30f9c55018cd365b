"""Which layers are compared with Keras, and on what: the part of ``keras_cases.py`` for layers."""

import numpy as np
from keras_cases import rng

SEQUENCE = (3, 5, 4)
IMAGE = (2, 7, 6, 4)
STEPS_MASK = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)

# name: (class, settings, shapes of the inputs, call arguments)
LAYERS = {
    "Dense": ("Dense", {"units": 3, "activation": "tanh"}, [(5, 4)], {}),
    "Dense sequence": ("Dense", {"units": 3, "use_bias": False}, [SEQUENCE], {}),
    "EinsumDense": (
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"},
        [SEQUENCE],
        {},
    ),
    "EinsumDense left": (
        "EinsumDense",
        {"equation": "...x,xy->...y", "output_shape": 3, "activation": "tanh"},
        [IMAGE],
        {},
    ),
    "EinsumDense right": (
        "EinsumDense",
        {"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"},
        [IMAGE],
        {},
    ),
    "Normalization": ("Normalization", {"axis": (1, 2)}, [SEQUENCE], {}),
    "Normalization invert": (
        "Normalization",
        {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 0.0, 2.0, 4.0], "invert": True},
        [SEQUENCE],
        {},
    ),
    "Activation": ("Activation", {"activation": "gelu"}, [(5, 4)], {}),
    "Flatten": ("Flatten", {}, [IMAGE], {}),
    "Reshape": ("Reshape", {"target_shape": (2, -1)}, [SEQUENCE], {}),
    "Permute": ("Permute", {"dims": (2, 1)}, [SEQUENCE], {}),
    "RepeatVector": ("RepeatVector", {"n": 3}, [(5, 4)], {}),
    "ZeroPadding2D": ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}, [IMAGE], {}),
    "ZeroPadding1D": ("ZeroPadding1D", {"padding": (1, 2)}, [SEQUENCE], {}),
    "Cropping1D": ("Cropping1D", {"cropping": (2, 0)}, [SEQUENCE], {}),
    "Cropping2D": ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, [IMAGE], {}),
    "UpSampling1D": ("UpSampling1D", {"size": 3}, [SEQUENCE], {}),
    "UpSampling2D": ("UpSampling2D", {"size": (2, 3)}, [IMAGE], {}),
    "UpSampling2D bilinear": ("UpSampling2D", {"interpolation": "bilinear"}, [IMAGE], {}),
    "Conv1D": ("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2}, [SEQUENCE], {}),
    "Conv1D causal": (
        "Conv1D",
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "padding": "causal"},
        [SEQUENCE],
        {},
    ),
    "Conv2D": ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, [IMAGE], {}),
    "Conv2D same": (
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 2), "strides": 2, "padding": "same", "groups": 2},
        [IMAGE],
        {},
    ),
    "Conv2D dilated": ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}, [IMAGE], {}),
    "DepthwiseConv2D": (
        "DepthwiseConv2D",
        {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"},
        [IMAGE],
        {},
    ),
    "SeparableConv2D": ("SeparableConv2D", {"filters": 3, "kernel_size": 3}, [IMAGE], {}),
    "DepthwiseConv1D": (
        "DepthwiseConv1D",
        {"kernel_size": 2, "depth_multiplier": 2, "strides": 2},
        [SEQUENCE],
        {},
    ),
    "SeparableConv1D": (
        "SeparableConv1D",
        {"filters": 3, "kernel_size": 3, "padding": "same"},
        [SEQUENCE],
        {},
    ),
    "Conv1DTranspose": (
        "Conv1DTranspose",
        {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1},
        [SEQUENCE],
        {},
    ),
    "Conv2DTranspose": (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        [IMAGE],
        {},
    ),
    "Conv2DTranspose valid": ("Conv2DTranspose", {"filters": 3, "kernel_size": 2}, [IMAGE], {}),
    "AdaptiveMaxPooling1D": ("AdaptiveMaxPooling1D", {"output_size": 3}, [SEQUENCE], {}),
    "AdaptiveMaxPooling2D": ("AdaptiveMaxPooling2D", {"output_size": (3, 4)}, [IMAGE], {}),
    "AdaptiveAveragePooling1D": ("AdaptiveAveragePooling1D", {"output_size": 3}, [SEQUENCE], {}),
    "AdaptiveAveragePooling2D": ("AdaptiveAveragePooling2D", {"output_size": (2, 4)}, [IMAGE], {}),
    "MaxPooling1D": ("MaxPooling1D", {"pool_size": 2}, [SEQUENCE], {}),
    "MaxPooling2D": (
        "MaxPooling2D",
        {"pool_size": 3, "strides": 2, "padding": "same"},
        [IMAGE],
        {},
    ),
    "AveragePooling1D": ("AveragePooling1D", {"pool_size": 2}, [SEQUENCE], {}),
    "AveragePooling2D": (
        "AveragePooling2D",
        {"pool_size": 3, "strides": 2, "padding": "same"},
        [IMAGE],
        {},
    ),
    "GlobalMaxPooling1D": ("GlobalMaxPooling1D", {}, [SEQUENCE], {}),
    "GlobalMaxPooling2D": ("GlobalMaxPooling2D", {"keepdims": True}, [IMAGE], {}),
    "GlobalAveragePooling1D": ("GlobalAveragePooling1D", {}, [SEQUENCE], {}),
    "GlobalAveragePooling1D mask": ("GlobalAveragePooling1D", {}, [SEQUENCE], {"mask": STEPS_MASK}),
    "GlobalAveragePooling2D": ("GlobalAveragePooling2D", {}, [IMAGE], {}),
    "BatchNormalization": ("BatchNormalization", {}, [(5, 4)], {}),
    "BatchNormalization training": (
        "BatchNormalization",
        {"momentum": 0.8},
        [IMAGE],
        {"training": True},
    ),
    "BatchNormalization axis": ("BatchNormalization", {"axis": 1}, [IMAGE], {"training": True}),
    "BatchNormalization mask": (
        "BatchNormalization",
        {},
        [SEQUENCE],
        {"training": True, "mask": STEPS_MASK},
    ),
    "LayerNormalization": ("LayerNormalization", {}, [SEQUENCE], {}),
    "LayerNormalization axes": ("LayerNormalization", {"axis": [1, 2]}, [SEQUENCE], {}),
    "RMSNormalization": ("RMSNormalization", {}, [SEQUENCE], {}),
    "UnitNormalization": ("UnitNormalization", {}, [SEQUENCE], {}),
    "GroupNormalization": ("GroupNormalization", {"groups": 2}, [IMAGE], {}),
    "GroupNormalization axis": ("GroupNormalization", {"groups": -1, "axis": 1}, [IMAGE], {}),
    "SimpleRNN": ("SimpleRNN", {"units": 3}, [SEQUENCE], {}),
    "SimpleRNN relu": ("SimpleRNN", {"units": 3, "activation": "relu"}, [SEQUENCE], {}),
    "SimpleRNN mask": (
        "SimpleRNN",
        {"units": 3, "return_sequences": True},
        [SEQUENCE],
        {"mask": STEPS_MASK},
    ),
    "SimpleRNN backwards": (
        "SimpleRNN",
        {"units": 3, "return_sequences": True, "go_backwards": True, "return_state": True},
        [SEQUENCE],
        {},
    ),
    "LSTM": ("LSTM", {"units": 3}, [SEQUENCE], {}),
    "LSTM state": (
        "LSTM",
        {"units": 3, "return_sequences": True, "return_state": True},
        [SEQUENCE],
        {"mask": STEPS_MASK},
    ),
    "LSTM backwards": (
        "LSTM",
        {"units": 3, "go_backwards": True},
        [SEQUENCE],
        {"mask": STEPS_MASK},
    ),
    "LSTM hard": (
        "LSTM",
        {"units": 3, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
        [SEQUENCE],
        {},
    ),
    "GRU": ("GRU", {"units": 3}, [SEQUENCE], {}),
    "GRU mask": (
        "GRU",
        {"units": 3, "return_sequences": True, "return_state": True},
        [SEQUENCE],
        {"mask": STEPS_MASK},
    ),
    "GRU before": ("GRU", {"units": 3, "reset_after": False}, [SEQUENCE], {}),
    "GRU unbiased": ("GRU", {"units": 3, "use_bias": False}, [SEQUENCE], {}),
    "SimpleRNNCell": ("SimpleRNNCell", {"units": 3}, [(5, 4), [(5, 3)]], {}),
    "LSTMCell": ("LSTMCell", {"units": 3}, [(5, 4), [(5, 3)] * 2], {}),
    "LSTMCell hard": (
        "LSTMCell",
        {"units": 3, "recurrent_activation": "hard_sigmoid", "use_bias": False},
        [(5, 4), [(5, 3)] * 2],
        {},
    ),
    "GRUCell": ("GRUCell", {"units": 3}, [(5, 4), [(5, 3)]], {}),
    "GRUCell before": ("GRUCell", {"units": 3, "reset_after": False}, [(5, 4), [(5, 3)]], {}),
    "MultiHeadAttention": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        [SEQUENCE] * 2,
        {},
    ),
    "MultiHeadAttention cross": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "value_dim": 5, "output_shape": 6},
        [SEQUENCE, (3, 7, 2), (3, 7, 4)],
        {"return_attention_scores": True},
    ),
    "MultiHeadAttention causal": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "use_bias": False},
        [SEQUENCE] * 2,
        {"use_causal_mask": True},
    ),
    "MultiHeadAttention mask": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        [SEQUENCE] * 2,
        {"attention_mask": np.tri(5, dtype=bool)[None].repeat(3, axis=0)},
    ),
    "Attention": ("Attention", {}, [[SEQUENCE, (3, 7, 4)]], {}),
    "Attention scale": (
        "Attention",
        {"use_scale": True},
        [[SEQUENCE] * 3],
        {"use_causal_mask": True, "return_attention_scores": True},
    ),
    "AdditiveAttention": ("AdditiveAttention", {}, [[SEQUENCE, (3, 7, 4), (3, 7, 4)]], {}),
    "AdditiveAttention plain": (
        "AdditiveAttention",
        {"use_scale": False},
        [[SEQUENCE] * 2],
        {"use_causal_mask": True, "return_attention_scores": True},
    ),
    "GroupQueryAttention": (
        "GroupQueryAttention",
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
        [SEQUENCE, (3, 7, 4)],
        {},
    ),
    "GroupQueryAttention mask": (
        "GroupQueryAttention",
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 1, "use_bias": False},
        [SEQUENCE] * 2,
        {"attention_mask": np.tri(5, dtype=bool)[None].repeat(3, axis=0)},
    ),
    "GroupQueryAttention causal": (
        "GroupQueryAttention",
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2, "sliding_window": 2},
        [SEQUENCE] * 2,
        {"use_causal_mask": True, "return_attention_scores": True},
    ),
    "Attention concat": ("Attention", {"score_mode": "concat"}, [[SEQUENCE, SEQUENCE]], {}),
    "Add": ("Add", {}, [[(5, 4)] * 3], {}),
    "Subtract": ("Subtract", {}, [[(5, 4)] * 2], {}),
    "Multiply": ("Multiply", {}, [[(5, 4)] * 3], {}),
    "Average": ("Average", {}, [[(5, 4)] * 3], {}),
    "Maximum": ("Maximum", {}, [[(5, 4)] * 3], {}),
    "Concatenate": ("Concatenate", {"axis": 1}, [[(5, 4), (5, 2)]], {}),
    "Dot": ("Dot", {"axes": 1}, [[(5, 4)] * 2], {}),
    "Dot normalized": ("Dot", {"axes": (2, 1), "normalize": True}, [[SEQUENCE, (3, 4, 6)]], {}),
    "ReLU": ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.1}, [(5, 4)], {}),
    "LeakyReLU": ("LeakyReLU", {}, [(5, 4)], {}),
    "PReLU": ("PReLU", {"shared_axes": [1]}, [SEQUENCE], {}),
    "ELU": ("ELU", {"alpha": 0.7}, [(5, 4)], {}),
    "Softmax": ("Softmax", {"axis": 1}, [SEQUENCE], {}),
}
WRAPPERS = {
    "TimeDistributed": ("TimeDistributed", "Dense", {"units": 3}, {}, SEQUENCE, {}),
    "SpectralNormalization": (
        "SpectralNormalization",
        "Conv2D",
        {"filters": 3, "kernel_size": 2},
        {"power_iterations": 3},
        IMAGE,
        {"training": True},
    ),
    "RNN": ("RNN", "LSTMCell", {"units": 3}, {"return_state": True}, SEQUENCE, {}),
    "RNN backwards": (
        "RNN",
        "GRUCell",
        {"units": 3},
        {"go_backwards": True, "return_sequences": True},
        SEQUENCE,
        {"mask": STEPS_MASK},
    ),
    "RNN zeros": (
        "RNN",
        "SimpleRNNCell",
        {"units": 3, "activation": "relu"},
        {"zero_output_for_mask": True, "return_state": True},
        SEQUENCE,
        {"mask": STEPS_MASK},
    ),
    "Bidirectional": ("Bidirectional", "LSTM", {"units": 3}, {}, SEQUENCE, {}),
    "Bidirectional mask": (
        "Bidirectional",
        "GRU",
        {"units": 3, "return_sequences": True},
        {"merge_mode": "sum"},
        SEQUENCE,
        {"mask": STEPS_MASK},
    ),
    "Bidirectional state": (
        "Bidirectional",
        "SimpleRNN",
        {"units": 3, "return_sequences": True, "return_state": True},
        {"merge_mode": None},
        SEQUENCE,
        {},
    ),
}


def make_layer(layers, name):
    """The layer of a case, by the classes of keras.layers or tinygrad_cn.layers."""
    if name in WRAPPERS:
        kind, inner, inner_settings, settings, _, _ = WRAPPERS[name]
        return getattr(layers, kind)(getattr(layers, inner)(**inner_settings), **settings)
    kind, settings, _, _ = LAYERS[name]
    return getattr(layers, kind)(**settings)


def layer_inputs(name):
    """The inputs of a case, lists of them in lists, and its call arguments."""
    shapes, call = LAYERS[name][2:] if name in LAYERS else ([WRAPPERS[name][4]], WRAPPERS[name][5])
    r = rng(3)

    def draw(shape):
        if isinstance(shape, list):
            return [draw(s) for s in shape]
        return r.normal(size=shape).astype("float32")

    return draw(shapes), call


def layer_weights(shapes):
    """Weights of these shapes, positive, so that they can be variances."""
    r = rng(4)
    return [np.abs(r.normal(size=s) * 0.4).astype("float32") + 0.1 for s in shapes]
