"""The version of the package, for pyproject.toml and at run time."""

__version__ = "0.1.0"
