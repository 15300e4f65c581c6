"""Strategies side by side: the same data, network and budget."""

from lawful.pipeline.compare.command import compare
from lawful.pipeline.compare.settings import CompareSettings

__all__ = ["CompareSettings", "compare"]
