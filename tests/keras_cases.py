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
    "Lamb": ("Lamb", {"learning_rate": 0.01, "weight_decay": 0.05}),
    "Ftrl": ("Ftrl", {"learning_rate": 0.1}),
    "Ftrl penalties": (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.7,
            "l1_regularization_strength": 0.3,
            "l2_regularization_strength": 0.2,
            "l2_shrinkage_regularization_strength": 0.1,
            "beta": 0.5,
        },
    ),
    "Adafactor": ("Adafactor", {"learning_rate": 0.5}),
    "Adafactor threshold": (
        "Adafactor",
        {"learning_rate": 0.01, "clip_threshold": 0.5, "beta_2_decay": -0.5, "weight_decay": 0.1},
    ),
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
