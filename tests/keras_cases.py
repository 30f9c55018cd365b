"""What is compared with Keras: one table per kind of thing, read by the tests, which compute with
tinygrad_cn, and by ``keras_vectors.py``, which computes with Keras and stores the results.

A case is a name and what to do, said in words both libraries know: class names and arguments.
"""

import numpy as np

SHAPE = (6, 4)


def rng(seed):
    return np.random.default_rng(seed)


def pair(kind, seed=0):
    """y_true and y_pred of a kind: two batches of them for seeds 0 and 1."""
    r = rng(seed)
    t = r.normal(size=SHAPE).astype("float32")
    p = r.normal(size=SHAPE).astype("float32")
    if kind == "positive":
        return np.abs(t) + 0.1, np.abs(p) + 0.1
    if kind == "binary":
        return (t > 0).astype("float32"), 1 / (1 + np.exp(-p))
    if kind == "signed":
        return np.where(t > 0, 1.0, -1.0).astype("float32"), p
    softmax = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    onehot = np.eye(SHAPE[1], dtype="float32")[t.argmax(axis=1)]
    if kind == "onehot":
        return onehot, softmax
    if kind == "onehot logits":
        return onehot, p
    if kind == "distribution":
        return np.exp(t) / np.exp(t).sum(axis=1, keepdims=True), softmax
    if kind == "sparse":
        return t.argmax(axis=1).astype("int32"), softmax
    if kind == "sparse logits":
        return t.argmax(axis=1).astype("int32"), p
    if kind == "binary logits":
        return (t > 0).astype("float32"), p
    if kind == "embeddings":
        return t.argmax(axis=1).astype("int32"), p / np.linalg.norm(p, axis=1, keepdims=True)
    if kind == "sequence":
        logits = r.normal(size=(6, 7, 5)).astype("float32")
        labels = np.array([[1, 2, 2], [3, 0, 0], [1, 1, 0], [4, 3, 2], [2, 0, 0], [1, 2, 3]])
        return labels, logits
    if kind == "one column":
        return (t[:, 0] > 0).astype("float32"), 1 / (1 + np.exp(-p[:, :1]))
    if kind == "classes":
        return t.argmax(axis=1).astype("int32"), p.argmax(axis=1).astype("int32")
    assert kind == "numbers"
    return t, p


WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 3.0], "float32")

LOSSES = {
    "MeanSquaredError": ("MeanSquaredError", {}, "numbers"),
    "MeanAbsoluteError": ("MeanAbsoluteError", {}, "numbers"),
    "MeanAbsolutePercentageError": ("MeanAbsolutePercentageError", {}, "positive"),
    "MeanSquaredLogarithmicError": ("MeanSquaredLogarithmicError", {}, "positive"),
    "Huber": ("Huber", {"delta": 0.7}, "numbers"),
    "LogCosh": ("LogCosh", {}, "numbers"),
    "CosineSimilarity": ("CosineSimilarity", {}, "numbers"),
    "CosineSimilarity axis": ("CosineSimilarity", {"axis": 0}, "numbers"),
    "BinaryCrossentropy": ("BinaryCrossentropy", {}, "binary"),
    "BinaryCrossentropy smooth": ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    "BinaryCrossentropy logits": ("BinaryCrossentropy", {"from_logits": True}, "binary logits"),
    "BinaryFocalCrossentropy": ("BinaryFocalCrossentropy", {}, "binary"),
    "BinaryFocalCrossentropy balanced": (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "gamma": 1.5, "from_logits": True},
        "binary logits",
    ),
    "CategoricalCrossentropy": ("CategoricalCrossentropy", {}, "onehot"),
    "CategoricalCrossentropy smooth": (
        "CategoricalCrossentropy",
        {"label_smoothing": 0.1},
        "onehot",
    ),
    "CategoricalCrossentropy logits": (
        "CategoricalCrossentropy",
        {"from_logits": True},
        "onehot logits",
    ),
    "CategoricalFocalCrossentropy": ("CategoricalFocalCrossentropy", {}, "onehot"),
    "SparseCategoricalCrossentropy": ("SparseCategoricalCrossentropy", {}, "sparse"),
    "SparseCategoricalCrossentropy logits": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        "sparse logits",
    ),
    "SparseCategoricalCrossentropy ignore": (
        "SparseCategoricalCrossentropy",
        {"ignore_class": 2},
        "sparse",
    ),
    "CategoricalGeneralizedCrossEntropy": (
        "CategoricalGeneralizedCrossEntropy",
        {"q": 0.3},
        "sparse",
    ),
    "KLDivergence": ("KLDivergence", {}, "distribution"),
    "Poisson": ("Poisson", {}, "positive"),
    "Hinge": ("Hinge", {}, "signed"),
    "Hinge of 0 and 1": ("Hinge", {}, "binary logits"),
    "SquaredHinge": ("SquaredHinge", {}, "signed"),
    "CategoricalHinge": ("CategoricalHinge", {}, "onehot"),
    "Dice": ("Dice", {}, "binary"),
    "Dice axis": ("Dice", {"axis": 1}, "binary"),
    "Tversky": ("Tversky", {"alpha": 0.3, "beta": 0.6}, "binary"),
    "Circle": ("Circle", {"gamma": 20.0}, "embeddings"),
    "CTC": ("CTC", {}, "sequence"),
}
UNWEIGHTED = ("Dice", "Tversky", "CosineSimilarity axis")  # their values are not one per sample

METRICS = {
    "Mean": ("Mean", {}, None),
    "Sum": ("Sum", {}, None),
    "Accuracy": ("Accuracy", {}, "classes"),
    "BinaryAccuracy": ("BinaryAccuracy", {"threshold": 0.4}, "binary"),
    "BinaryAccuracy column": ("BinaryAccuracy", {}, "one column"),
    "CategoricalAccuracy": ("CategoricalAccuracy", {}, "onehot"),
    "SparseCategoricalAccuracy": ("SparseCategoricalAccuracy", {}, "sparse"),
    "TopKCategoricalAccuracy": ("TopKCategoricalAccuracy", {"k": 2}, "onehot"),
    "SparseTopKCategoricalAccuracy": ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse"),
    "MeanSquaredError": ("MeanSquaredError", {}, "numbers"),
    "RootMeanSquaredError": ("RootMeanSquaredError", {}, "numbers"),
    "MeanAbsoluteError": ("MeanAbsoluteError", {}, "numbers"),
    "MeanAbsolutePercentageError": ("MeanAbsolutePercentageError", {}, "positive"),
    "MeanSquaredLogarithmicError": ("MeanSquaredLogarithmicError", {}, "positive"),
    "LogCoshError": ("LogCoshError", {}, "numbers"),
    "CosineSimilarity": ("CosineSimilarity", {}, "numbers"),
    "PearsonCorrelation": ("PearsonCorrelation", {}, "numbers"),
    "R2Score": ("R2Score", {}, "numbers"),
    "R2Score columns": ("R2Score", {"class_aggregation": None}, "numbers"),
    "R2Score weighted": ("R2Score", {"class_aggregation": "variance_weighted_average"}, "numbers"),
    "R2Score adjusted": ("R2Score", {"num_regressors": 2}, "numbers"),
    "TruePositives": ("TruePositives", {}, "binary"),
    "FalsePositives": ("FalsePositives", {"thresholds": [0.3, 0.6]}, "binary"),
    "TrueNegatives": ("TrueNegatives", {}, "binary"),
    "FalseNegatives": ("FalseNegatives", {}, "binary"),
    "Precision": ("Precision", {}, "binary"),
    "Precision column": ("Precision", {}, "one column"),
    "Precision thresholds": ("Precision", {"thresholds": [0.2, 0.5, 0.8]}, "binary"),
    "Precision top": ("Precision", {"top_k": 2}, "onehot"),
    "Precision class": ("Precision", {"class_id": 1}, "binary"),
    "Recall": ("Recall", {}, "binary"),
    "Recall top": ("Recall", {"top_k": 2}, "onehot"),
    "SensitivityAtSpecificity": ("SensitivityAtSpecificity", {"specificity": 0.5}, "binary"),
    "SpecificityAtSensitivity": ("SpecificityAtSensitivity", {"sensitivity": 0.5}, "binary"),
    "PrecisionAtRecall": ("PrecisionAtRecall", {"recall": 0.6}, "binary"),
    "RecallAtPrecision": ("RecallAtPrecision", {"precision": 0.5}, "binary"),
    "AUC": ("AUC", {}, "binary"),
    "AUC column": ("AUC", {}, "one column"),
    "AUC PR": ("AUC", {"curve": "PR"}, "binary"),
    "AUC minoring": ("AUC", {"summation_method": "minoring", "num_thresholds": 11}, "binary"),
    "AUC PR majoring": ("AUC", {"summation_method": "majoring", "curve": "PR"}, "binary"),
    "AUC labels": ("AUC", {"multi_label": True, "num_labels": 4}, "binary"),
    "AUC logits": ("AUC", {"from_logits": True}, "binary logits"),
    "F1Score": ("F1Score", {}, "onehot"),
    "F1Score micro": ("F1Score", {"average": "micro", "threshold": 0.5}, "binary"),
    "F1Score weighted": ("F1Score", {"average": "weighted"}, "onehot"),
    "FBetaScore": ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": 0.4}, "binary"),
    "IoU": ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, "classes"),
    "BinaryIoU": ("BinaryIoU", {}, "binary"),
    "MeanIoU": ("MeanIoU", {"num_classes": 4, "ignore_class": 1}, "classes"),
    "OneHotIoU": ("OneHotIoU", {"num_classes": 4, "target_class_ids": [1, 3]}, "onehot"),
    "OneHotMeanIoU": ("OneHotMeanIoU", {"num_classes": 4}, "onehot"),
    "BinaryCrossentropy": ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary"),
    "CategoricalCrossentropy": ("CategoricalCrossentropy", {}, "onehot"),
    "SparseCategoricalCrossentropy": ("SparseCategoricalCrossentropy", {}, "sparse"),
    "KLDivergence": ("KLDivergence", {}, "distribution"),
    "Poisson": ("Poisson", {}, "positive"),
    "Hinge": ("Hinge", {}, "signed"),
    "SquaredHinge": ("SquaredHinge", {}, "signed"),
    "CategoricalHinge": ("CategoricalHinge", {}, "onehot"),
}
WHOLE_WEIGHTS = ("IoU", "MeanIoU", "BinaryIoU", "OneHotIoU", "OneHotMeanIoU")  # Keras casts to int

OPTIMIZERS = {
    "SGD": ("SGD", {"learning_rate": 0.1}),
    "SGD momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "SGD nesterov": ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "SGD decay": ("SGD", {"learning_rate": 0.1, "weight_decay": 0.1}),
    "SGD clipvalue": ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3}),
    "SGD clipnorm": ("SGD", {"learning_rate": 0.1, "clipnorm": 0.8}),
    "SGD global_clipnorm": ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.8}),
    "SGD ema": ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7}),
    "SGD ema overwrite": (
        "SGD",
        {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
    ),
    "SGD accumulate": ("SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 3}),
    "SGD loss scale": ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 8.0}),
    "RMSprop": ("RMSprop", {"learning_rate": 0.01}),
    "RMSprop centered": ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5}),
    "RMSprop decay": ("RMSprop", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "Adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "Adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "Adam": ("Adam", {"learning_rate": 0.01}),
    "Adam amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    "Adam decay clip": ("Adam", {"learning_rate": 0.01, "weight_decay": 0.05, "clipnorm": 1.0}),
    "AdamW": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "Adamax": ("Adamax", {"learning_rate": 0.01}),
    "Nadam": ("Nadam", {"learning_rate": 0.01}),
    "Lion": ("Lion", {"learning_rate": 0.01, "weight_decay": 0.05}),
}


def optimizer_start():
    """The variables, a matrix and a vector, before the first step."""
    return [rng(7).normal(size=s).astype("float32") for s in ((3, 4), (5,))]


def optimizer_gradients(step):
    """The gradients of a step; the later, the smaller."""
    r = rng(100 + step)
    return [(r.normal(size=s) / (1 + 0.1 * step)).astype("float32") for s in ((3, 4), (5,))]


OPTIMIZER_STEPS = 20

SCHEDULES = {
    "ExponentialDecay": ("ExponentialDecay", (0.1, 10, 0.5), {}),
    "ExponentialDecay stairs": ("ExponentialDecay", (0.1, 10, 0.5), {"staircase": True}),
    "InverseTimeDecay": ("InverseTimeDecay", (0.1, 10, 0.5), {}),
    "InverseTimeDecay stairs": ("InverseTimeDecay", (0.1, 10, 0.5), {"staircase": True}),
    "PiecewiseConstantDecay": ("PiecewiseConstantDecay", ([5, 20], [0.1, 0.05, 0.01]), {}),
    "PolynomialDecay": ("PolynomialDecay", (0.1, 20), {"power": 2.0}),
    "PolynomialDecay cycle": ("PolynomialDecay", (0.1, 8), {"cycle": True}),
    "CosineDecay": ("CosineDecay", (0.1, 20), {"alpha": 0.1}),
    "CosineDecay warm": ("CosineDecay", (0.0, 20), {"warmup_target": 0.1, "warmup_steps": 6}),
    "CosineDecayRestarts": ("CosineDecayRestarts", (0.1, 6), {"alpha": 0.1, "m_mul": 0.8}),
    "CosineDecayRestarts even": ("CosineDecayRestarts", (0.1, 6), {"t_mul": 1.0}),
}
SCHEDULE_STEPS = (0, 1, 5, 6, 7, 8, 13, 20, 21, 33)

REGULARIZERS = {
    "L1": ("L1", {"l1": 0.1}),
    "L2": ("L2", {"l2": 0.2}),
    "L1L2": ("L1L2", {"l1": 0.1, "l2": 0.2}),
    "OrthogonalRegularizer": ("OrthogonalRegularizer", {"factor": 0.3}),
    "OrthogonalRegularizer columns": ("OrthogonalRegularizer", {"factor": 0.3, "mode": "columns"}),
}

CONSTRAINTS = {
    "MaxNorm": ("MaxNorm", {"max_value": 1.0}),
    "MaxNorm axes": ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {"axis": 1}),
    "MinMaxNorm": ("MinMaxNorm", {"min_value": 1.0, "max_value": 1.5, "rate": 0.6}),
}

ACTIVATIONS = (
    "relu leaky_relu relu6 softmax elu selu celu softplus softsign silu gelu tanh sigmoid "
    "exponential hard_sigmoid hard_silu hard_tanh hard_shrink soft_shrink tanh_shrink linear mish "
    "log_softmax log_sigmoid glu squareplus sparse_plus sparse_sigmoid"
).split()


def activation_input():
    return np.linspace(-7, 7, 24, dtype="float32").reshape(4, 6)


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
