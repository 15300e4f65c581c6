"""Hourly radiation, energy and water balances of an urban surface."""

from lawful.domains.declarations import Blocks, Context, Law, Ratio, Task, Variable
from lawful.domains.domain import Domain

_HOURLY_MEAN = "time: mean"


def _flux(name: str, description: str, standard_name: str | None = None, lower: float | None = None) -> Variable:
    return Variable(
        name=name,
        units="W m-2",
        lower=lower,
        standard_name=standard_name,
        description=description,
        cell_methods=_HOURLY_MEAN,
    )


def _water(
    name: str,
    description: str,
    standard_name: str | None = None,
    lower: float | None = None,
    resolution: float | None = None,
) -> Variable:
    return Variable(
        name=name,
        units="mm h-1",
        lower=lower,
        standard_name=standard_name,
        description=description,
        resolution=resolution,
        cell_methods=_HOURLY_MEAN,
    )


DOMAIN = Domain(
    name="surface-balance",
    title="Hourly radiation, energy and water balances of an urban surface",
    description="One event is one hour at one urban site: mean fluxes and water sums over that hour, no irrigation.",
    event="hour",
    event_dim="time",
    variables=(
        _flux("Kdown", "incoming shortwave radiation", "surface_downwelling_shortwave_flux_in_air", lower=0),
        _flux("Kup", "reflected shortwave radiation", "surface_upwelling_shortwave_flux_in_air", lower=0),
        _flux("Ldown", "incoming longwave radiation", "surface_downwelling_longwave_flux_in_air", lower=0),
        _flux("Lup", "outgoing longwave radiation", "surface_upwelling_longwave_flux_in_air", lower=0),
        _flux("QN", "net all-wave radiation", "surface_net_downward_radiative_flux"),
        _flux(
            "QF",
            "anthropogenic heat flux",
            "surface_upward_heat_flux_due_to_anthropogenic_energy_consumption",
            lower=0,
        ),
        _flux("QS", "net storage heat flux, into the urban fabric"),
        _flux("QE", "turbulent latent heat flux", "surface_upward_latent_heat_flux"),
        _flux("QH", "turbulent sensible heat flux", "surface_upward_sensible_heat_flux"),
        _water("Rain", "rainfall, in steps of a tipping bucket", "rainfall_rate", lower=0, resolution=0.2),
        _water("Evap", "evaporation; negative is condensation", "lwe_water_evaporation_rate"),
        _water("RO", "runoff", lower=0),
        _water("TotCh", "change of water stored on the surface and in the soil"),
    ),
    laws=(
        Law(
            name="radiation",
            equation="Kdown - Kup + Ldown - Lup = QN",
            units="W m-2",
            tolerance=1e-9,
            reference="Oke (1987) Boundary Layer Climates, 2nd ed., Methuen, chapter 1",
        ),
        Law(
            name="energy",
            equation="QN + QF = QS + QE + QH",
            units="W m-2",
            tolerance=1e-9,
            reference="Oke (1988) Progress in Physical Geography 12, 471-508, doi:10.1177/030913338801200401",
        ),
        Law(
            name="water",
            equation="Rain = Evap + RO + TotCh",
            units="mm h-1",
            tolerance=1e-9,
            reference="Grimmond, Oke and Steyn (1986) Water Resources Research 22, 1397-1403, "
            "doi:10.1029/WR022i010p01397",
        ),
        Law(
            name="shortwave",
            equation="Kup <= Kdown",
            units="W m-2",
            tolerance=0.0,
            reference="a surface reflects no more shortwave radiation than it receives",
        ),
    ),
    ratios=(
        Ratio(
            name="albedo",
            numerator="Kup",
            denominator="Kdown",
            units="1",
            lower=0,
            upper=1,
            description="reflected share of shortwave radiation",
        ),
        Ratio(
            name="latent_heat",
            numerator="QE",
            denominator="Evap",
            units="W m-2 / (mm h-1)",
            lower=0,
            description="latent heat of vaporisation over 3600 s; 681 to 699 is expected",
        ),
    ),
    context=(
        Context(name="hour", kind="hour_of_day", description="hour of the day"),
        Context(name="day", kind="day_of_year", description="day of the year"),
        Context(
            name="sun",
            kind="solar_elevation",
            description="elevation of the sun, which follows from hour and day",
            latitude=51.51,
            longitude=-0.12,
            offset_hours=-0.5,
        ),
        Context(name="weekday", kind="day_of_week", description="day of the week, which anthropogenic heat follows"),
    ),
    tasks=(Task(name="sensible heat from forcing", target="QH", inputs=("Kdown", "Ldown", "QF", "Rain")),),
    blocks=Blocks(kind="time", length_days=7, gap_days=1),
    sample="surface-balance.nc",
    note="Hours are generated independently: not a time series; do not accumulate.",
    references=(
        "Järvi, Grimmond and Christen (2011) J. Hydrology 411, 219-237, doi:10.1016/j.jhydrol.2011.10.001",
        "Ward, Kotthaus, Järvi and Grimmond (2016) Urban Climate 18, 1-32, doi:10.1016/j.uclim.2016.05.001",
        "Sun and Grimmond (2019) Geosci. Model Dev. 12, 2781-2795, doi:10.5194/gmd-12-2781-2019",
    ),
)
