"""Figures of a report: PNG pictures with captions and alternative text."""

from typing import Any

import xarray as xr

from lawful.domains.domain import Domain
from lawful.reports.arrays import events, realizations
from lawful.reports.figures.conditional import crps_bars, rank_histograms
from lawful.reports.figures.distributions import marginal_histograms, quantile_quantile, ratio_histograms
from lawful.reports.figures.joint import correlations, diurnal_cycle, has_diurnal_cycle
from lawful.reports.figures.laws import law_residuals
from lawful.reports.figures.style import Plate

__all__ = ["Plate", "draw_all"]


def draw_all(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    *,
    conditional: dict[str, Any] | None = None,
    tolerance_ulps: float = 8.0,
) -> list[Plate]:
    """Every figure that the domain has something to show in.

    Args:
        ensemble: dims (realization, event), events those of `test`.
        train: training data, dim (event,).
        test: held-out data, dim (event,).
        domain: variables, laws, ratios, context.
        conditional: that part of the fidelity figures, where something was given.
        tolerance_ulps: shown as the allowed residual.
    """
    made, learned, held_out = realizations(ensemble, domain), events(train, domain), events(test, domain)
    plates = [law_residuals(ensemble, test, domain, tolerance_ulps)] if domain.equalities else []
    plates += [marginal_histograms(made, held_out, domain)]
    plates += [ratio_histograms(made, held_out, domain)] if domain.ratios else []
    plates += [quantile_quantile(made, held_out, learned, domain), correlations(made, held_out, domain)]
    plates += [diurnal_cycle(made, held_out, test, domain)] if has_diurnal_cycle(domain) else []
    return plates + ([rank_histograms(conditional), crps_bars(conditional)] if conditional else [])
