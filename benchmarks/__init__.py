"""Benchmarks: every kernel beside its NumPy twin and PyTorch, whole training steps beside PyTorch
and JAX, small operations, and what the machine could do at best: ``python -m benchmarks --help``.
"""
