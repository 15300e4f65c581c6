"""Generative ensembles that obey physical laws exactly."""

__version__ = "0.1.0"
