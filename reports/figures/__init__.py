"""Figures of a report: PNG pictures with captions and alternative text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains.declarations import Variable
from lawful.domains.domain import Domain
from lawful.reports.arrays import events, realizations
from lawful.reports.figures.categories import category_shares
from lawful.reports.figures.conditional import crps_bars, rank_histograms, reliability_diagrams
from lawful.reports.figures.distributions import marginal_histograms, quantile_quantile, ratio_histograms
from lawful.reports.figures.grids import power_spectra
from lawful.reports.figures.joint import correlations, diurnal_cycle, has_diurnal_cycle, hours_of
from lawful.reports.figures.laws import law_residuals
from lawful.reports.figures.shown import distances, remarked, worst
from lawful.reports.figures.style import Plate

__all__ = ["Plate", "draw_all", "draw_likeness"]


def draw_all(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    *,
    fidelity: dict[str, Any] | None = None,
    tolerance_ulps: float = LAWFUL_ULPS,
) -> list[Plate]:
    """Every figure that the domain has something to show in.

    Args:
        ensemble: dims (realization, event), events those of `test`.
        train: training data, dim (event,).
        test: held-out data, dim (event,).
        domain: variables, laws, ratios, context.
        fidelity: what was found of likeness, None where nothing was compared.
        tolerance_ulps: shown as the allowed residual.
    """
    plates = [law_residuals([(ensemble, test, domain)], tolerance_ulps)] if domain.equalities else []
    return plates + draw_likeness(ensemble, train, test, domain, fidelity)


def draw_likeness(
    ensemble: xr.Dataset, train: xr.Dataset, test: xr.Dataset, domain: Domain, fidelity: dict[str, Any] | None
) -> list[Plate]:
    """Figures of how like data an ensemble is."""
    made, learned, held_out = realizations(ensemble, domain), events(train, domain), events(test, domain)
    # Numbers of kinds have no distribution that an axis could show.
    numbers = [k for k, variable in enumerate(domain.variables) if not variable.categorical]
    shown = [numbers[k] for k in worst(distances(made[..., numbers], held_out[:, numbers]))]
    some = _Some(made[..., shown], learned[:, shown], held_out[:, shown], tuple(domain.variables[k] for k in shown))
    total, plates = len(numbers), []
    if numbers:
        plates += [some.remarked(marginal_histograms(some.made, some.held_out, some.variables), total)]
    plates += [ratio_histograms(made, held_out, domain)] if domain.ratios else []
    if numbers:
        plates += [some.remarked(quantile_quantile(some.made, some.held_out, some.learned, some.variables), total)]
        numeric = domain.model_copy(update={"variables": tuple(domain.variables[k] for k in numbers)})
        plates += [correlations(made[..., numbers], held_out[:, numbers], numeric)]
    if numbers and has_diurnal_cycle(domain):
        cycle = diurnal_cycle(some.made, some.held_out, hours_of(test, domain), some.variables)
        plates += [some.remarked(cycle, total)]
    return plates + (_of_figures(fidelity) if fidelity else [])


@dataclass(frozen=True)
class _Some:
    """The variables that figures with a panel for each have room for."""

    made: np.ndarray
    learned: np.ndarray
    held_out: np.ndarray
    variables: tuple[Variable, ...]

    def remarked(self, plate: Plate, total: int) -> Plate:
        return remarked(plate, len(self.variables), total, "the variables farthest from the data")


def _of_figures(fidelity: dict[str, Any]) -> list[Plate]:
    """Figures that show what was measured."""
    plates = [power_spectra(fidelity["grids"])] if fidelity["grids"] else []
    plates += [category_shares(fidelity["categories"])] if fidelity.get("categories") else []
    conditional = fidelity["conditional"]
    if conditional:
        everything = conditional["variables"]
        variables = [everything[k] for k in worst(_over_climatology(found) for found in everything)]
        sheets = [rank_histograms(variables), reliability_diagrams(variables, conditional["reliability"])]
        sheets += [crps_bars(variables)]
        which = "the variables with the largest CRPS beside climatology's"
        plates += [remarked(sheet, len(variables), len(everything), which) for sheet in sheets]
    return plates


def _over_climatology(variable: dict[str, Any]) -> float:
    """Not a number where only climatology never errs; zero where the ensemble does not either."""
    crps = variable["crps"]
    value = crps["over_climatology"]["value"]
    if value is None:
        return 0.0 if crps["model"] == 0 else float("nan")
    return float(value)
