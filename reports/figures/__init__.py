"""Figures of a report: PNG pictures with captions and alternative text."""

from typing import Any

import xarray as xr

from lawful.domains.domain import Domain
from lawful.reports.arrays import events, realizations
from lawful.reports.figures.categories import category_shares
from lawful.reports.figures.conditional import crps_bars, rank_histograms, reliability_diagrams
from lawful.reports.figures.distributions import marginal_histograms, quantile_quantile, ratio_histograms
from lawful.reports.figures.grids import power_spectra
from lawful.reports.figures.joint import correlations, diurnal_cycle, has_diurnal_cycle
from lawful.reports.figures.laws import law_residuals
from lawful.reports.figures.style import Plate

__all__ = ["Plate", "draw_all", "draw_likeness"]


def draw_all(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    *,
    fidelity: dict[str, Any] | None = None,
    tolerance_ulps: float = 8.0,
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
    shown = [k for k, v in enumerate(domain.variables) if not v.categorical]
    numeric = domain.model_copy(update={"variables": tuple(domain.variables[k] for k in shown)})
    plates = [marginal_histograms(made[..., shown], held_out[:, shown], numeric)] if shown else []
    plates += [ratio_histograms(made, held_out, domain)] if domain.ratios else []
    if shown:
        parts = (made[..., shown], held_out[:, shown])
        plates += [quantile_quantile(*parts, learned[:, shown], numeric), correlations(*parts, numeric)]
    plates += [diurnal_cycle(made, held_out, test, domain)] if has_diurnal_cycle(domain) else []
    return plates + (_of_figures(fidelity) if fidelity else [])


def _of_figures(fidelity: dict[str, Any]) -> list[Plate]:
    """Figures that show what was measured."""
    plates = [power_spectra(fidelity["grids"])] if fidelity["grids"] else []
    plates += [category_shares(fidelity["categories"])] if fidelity.get("categories") else []
    conditional = fidelity["conditional"]
    if conditional:
        plates += [rank_histograms(conditional), reliability_diagrams(conditional), crps_bars(conditional)]
    return plates
