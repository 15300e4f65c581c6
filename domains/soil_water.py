"""Daily water balance of a cropped soil, in windows of thirty days."""

from lawful.domains.declarations import Blocks, Context, Law, Variable
from lawful.domains.domain import Domain

DAYS = 30
CAPACITY = 1104.0
"""Storage of the sample's soil when all pores are full, in mm: 2.4 m of silt loam with a porosity of 0.46."""


def _flux(name: str, description: str, standard_name: str | None = None) -> Variable:
    return Variable(
        name=name,
        units="mm",
        lower=0,
        standard_name=standard_name,
        description=description,
        cell_methods="time: sum",
        over="day",
    )


DOMAIN = Domain(
    name="soil-water",
    title="Daily water balance of a cropped soil over thirty days",
    description="One event is thirty days in a row at one field: daily sums of water over the field's area, and the "
    "water stored in the soil profile at the end of each day and of the day before the first.",
    event="window",
    event_dim="time",
    window="day",
    dimensions={
        "day": tuple(str(day) for day in range(1, DAYS + 1)),
        "midnight": tuple(str(day) for day in range(DAYS + 1)),
    },
    variables=(
        _flux("precipitation", "precipitation", "lwe_thickness_of_precipitation_amount"),
        _flux("irrigation", "irrigation water that reaches the field"),
        _flux("runoff", "surface runoff"),
        _flux("percolation", "water that drains out of the bottom of the profile"),
        _flux("evaporation", "evaporation from the soil surface"),
        _flux("transpiration", "transpiration of the crop"),
        Variable(
            name="storage",
            units="mm",
            lower=0,
            upper=CAPACITY,
            standard_name="lwe_thickness_of_soil_moisture_content",
            description="water in the soil profile and on its surface at the end of the day",
            cell_methods="time: point",
            over="midnight",
        ),
    ),
    laws=(
        Law(
            name="water",
            equation="precipitation + irrigation = runoff + percolation + evaporation + transpiration + diff(storage)",
            units="mm",
            tolerance=1e-9,
            reference="Hillel (1998) Environmental Soil Physics, Academic Press, chapter 20",
        ),
    ),
    context=(
        Context(name="day_of_year", kind="day_of_year", description="day of the year"),
        Context(
            name="crop_stage",
            kind="variable",
            over="day",
            categories=(0, 1, 2, 3, 4),
            description="0 no crop, 1 sown, 2 canopy grows, 3 canopy at its largest, 4 senescence",
        ),
        Context(
            name="days_after_planting",
            kind="variable",
            over="day",
            description="days since the crop was sown, 0 without a crop",
        ),
    ),
    blocks=Blocks(kind="time", length_days=12 * DAYS, gap_days=DAYS),
    sample="soil-water.nc",
    note="Days within a window follow one another; windows are generated independently, so do not join them.",
    references=(
        "Steduto, Hsiao, Raes and Fereres (2009) Agronomy Journal 101, 426-437, doi:10.2134/agronj2008.0139s",
        "Raes, Steduto, Hsiao and Fereres (2009) Agronomy Journal 101, 438-447, doi:10.2134/agronj2008.0140s",
        "Kelly and Foster (2021) Agricultural Water Management 254, 106976, doi:10.1016/j.agwat.2021.106976",
    ),
)
