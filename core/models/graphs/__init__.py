"""Samples of variable size: graphs whose nodes carry a value each, with a total given for every graph."""

from lawful.core.models.graphs.batch import Graphs
from lawful.core.models.graphs.model import GraphModel, GraphSettings

__all__ = ["GraphModel", "GraphSettings", "Graphs"]
