"""Reads NetCDF, HDF5, Zarr, CSV and Parquet, starts domains from files, writes ensembles, makes the samples."""

from lawful.data_recipes.ensemble import open_ensemble, read_ensemble
from lawful.data_recipes.read import Reading, read
from lawful.data_recipes.recipes import RECIPES, make, sample_path
from lawful.data_recipes.write import ensure_writable, write_dataset, write_ensemble

__all__ = [
    "RECIPES",
    "Reading",
    "ensure_writable",
    "make",
    "open_ensemble",
    "read",
    "read_ensemble",
    "sample_path",
    "write_dataset",
    "write_ensemble",
]
