"""SDV's Gaussian copula of tables."""

import contextlib
import io

import numpy as np
import pandas as pd


def table_samples(train: np.ndarray, names: tuple[str, ...], size: int, seed: int) -> np.ndarray:
    """Rows (size, variable) of SDV's Gaussian copula fitted to training rows (row, variable)."""
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer

    np.random.seed(seed)  # noqa: NPY002 (SDV draws from numpy's global generator)
    frame = pd.DataFrame(train, columns=list(names))
    columns = {name: {"sdtype": "numerical"} for name in names}
    metadata = Metadata.load_from_dict({"tables": {"events": {"columns": columns}}})
    with contextlib.redirect_stdout(io.StringIO()):
        maker = GaussianCopulaSynthesizer(metadata, enforce_rounding=False)
        maker.fit({"events": frame})
        drawn = maker.sample(size)
    # One table of its own goes in by name, and comes out bare or by name.
    table = drawn["events"] if isinstance(drawn, dict) else drawn
    return table[list(names)].to_numpy(dtype=np.float64)
