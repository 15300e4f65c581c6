"""Daily water balances of irrigated maize from a run of the crop model AquaCrop with weather that comes with it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lawful.data_recipes.cf import data_attributes, variable_attributes
from lawful.data_recipes.write import write_dataset
from lawful.domains import InputError
from lawful.domains.soil_water import DOMAIN

WEATHER, FIRST, LAST = "champion_climate.txt", "1982/01/01", "2018/12/31"
SPIN_UP = "1983-01-01"
"""The profile starts at field capacity; from the second year on it has forgotten that."""
EMERGENCE, MAXIMUM, SENESCENCE = 6, 54, 107
"""Days after planting at which the canopy of AquaCrop's maize emerges, is largest, and begins to die."""
STAGES = {"flag_values": [0.0, 1.0, 2.0, 3.0, 4.0], "flag_meanings": "none sown growing largest senescent"}
SOURCE = (
    "AquaCrop-OSPy {version} (Python package aquacrop): maize sown each 1 May on silt loam, irrigated when 60 % of the "
    "water that roots can take is left, with the weather of Champion, Nebraska, 1982-2018, that comes with it; the "
    "fallow season is simulated too, and the first year is left out"
)
LICENCE = (
    "Output of a model, made by the maintainers of lawful. aquacrop is Apache-2.0 by its licence file (its package "
    "metadata say MIT); the weather comes with it"
)
COLUMNS = {
    "precipitation": "P",
    "irrigation": "IrrDay",
    "runoff": "Runoff",
    "percolation": "DeepPerc",
    "evaporation": "Es",
    "transpiration": "Tr",
}


def make(out_path: str | Path) -> Path:
    """Run AquaCrop (about 15 seconds) and write the days from 1983 to the last harvest to `out_path`.

    Raises:
        InputError: aquacrop is not installed, or the file cannot be written.
    """
    days, version = _run_aquacrop()
    return write_dataset(to_dataset(days, SOURCE.format(version=version)), out_path)


def _run_aquacrop() -> tuple[pd.DataFrame, str]:
    aquacrop = _import_aquacrop()
    weather = aquacrop.utils.prepare_weather(aquacrop.utils.get_filepath(WEATHER))
    model = aquacrop.AquaCropModel(
        FIRST,
        LAST,
        weather,
        aquacrop.Soil("SiltLoam"),
        aquacrop.Crop("Maize", planting_date="05/01"),
        aquacrop.InitialWaterContent(value=["FC"]),
        irrigation_management=aquacrop.IrrigationManagement(irrigation_method=1, SMT=[60] * 4),
        off_season=True,
    )
    model.run_model(till_termination=True)
    thickness = model._param_struct.Soil.Profile.dz
    return daily(weather, model.get_water_flux(), model.get_water_storage(), thickness), version("aquacrop")


def _import_aquacrop() -> Any:
    try:
        import aquacrop
        import aquacrop.utils
    except ImportError as error:
        raise InputError(f"the recipe needs aquacrop: pip install 'lawful[recipes]' ({error})") from error
    return aquacrop


def daily(weather: pd.DataFrame, fluxes: pd.DataFrame, water: pd.DataFrame, thickness: np.ndarray) -> pd.DataFrame:
    """The variables of the domain and the crop's stage for each day after the spin-up, by date.

    Args:
        weather: rows of AquaCrop's weather, from the first simulated day on.
        fluxes: AquaCrop's water fluxes, mm a day.
        water: its water contents; columns th1, th2, ... are those of the soil's layers, m3 m-3. Days after the last
            harvest are not simulated and have none.
        thickness: of the layers, m.
    """
    layers = water.filter(regex=r"^th\d+$").to_numpy(dtype=np.float64)
    storage = 1000 * (layers * np.asarray(thickness)).sum(axis=1) + fluxes["surface_storage"].to_numpy()
    table = fluxes.assign(P=weather["Precipitation"].to_numpy()[: len(fluxes)])
    days = pd.DataFrame({name: table[column].to_numpy(np.float64) for name, column in COLUMNS.items()})
    sown = np.where(water["growing_season"].to_numpy() == 1, fluxes["dap"].to_numpy(), 0.0)
    stage = np.where(sown > 0, 1 + np.digitize(sown, [EMERGENCE, MAXIMUM, SENESCENCE], right=True), 0)
    days = days.assign(storage=storage, crop_stage=stage.astype(np.float64), days_after_planting=sown)
    days.index = pd.DatetimeIndex(weather["Date"].to_numpy()[: len(fluxes)])
    return days[(layers > 0).all(axis=1) & np.asarray(days.index >= pd.Timestamp(SPIN_UP))]


def _attributes(name: str) -> dict[str, Any]:
    """Of a variable by those of its first day, or of the crop's stage."""
    known: dict[str, dict[str, Any]] = {
        v.name.partition("[")[0]: {**variable_attributes(v)} for v in reversed(DOMAIN.variables)
    }
    known["crop_stage"] = {"long_name": "stage of the crop", "units": "1", **STAGES}
    known["days_after_planting"] = {"long_name": "days since the crop was sown, 0 without a crop", "units": "d"}
    return known[name]


def to_dataset(days: pd.DataFrame, source: str) -> xr.Dataset:
    """The days as a CF data set along `time`."""
    columns = {name: ("time", days[name].to_numpy(), _attributes(name)) for name in days.columns}
    time = ("time", days.index.to_numpy("datetime64[ns]"), {"standard_name": "time", "long_name": "day"})
    return xr.Dataset(columns, {"time": time}, data_attributes(DOMAIN, source=source, licence=LICENCE))
