"""Figures of one variable at a time: histograms with their zeros, and quantiles against quantiles."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lawful.domains.declarations import Variable
from lawful.domains.domain import Domain
from lawful.reports.arrays import ratios
from lawful.reports.fidelity.logarithms import spans_decades
from lawful.reports.figures.style import (
    BLACK,
    DATA,
    ENSEMBLE,
    PALE,
    Plate,
    finite,
    legend_above,
    on_logarithms,
    panels,
    plate,
    style,
    titled,
)

_BINS = 40
_SHOWN_SHARE = 0.005
_LEVELS = np.concatenate([[0.001, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 0.999]])


def marginal_histograms(ensemble: np.ndarray, test: np.ndarray, variables: Sequence[Variable]) -> Plate:
    """Histograms of every variable, exact zeros written beside them.

    Args:
        ensemble: (realization, event, variable).
        test: (event, variable).
        variables: their names and units.
    """
    with style():
        figure, axes = panels(len(variables))
        for k, (panel, variable) in enumerate(zip(axes, variables, strict=True)):
            titled(panel, variable.name, variable.units)
            _histogram(panel, ensemble[..., k], test[:, k])
        legend_above(figure, axes[0])
        figure.supylabel("share of events", fontsize=9)
        return plate(
            "marginals",
            "Marginal distributions",
            "Histograms of the held-out data and of the ensemble, as shares of all events; exact zeros are taken out "
            "and their shares written in the panel. The band is the range of 90 % of the realizations.",
            f"Histograms of {len(variables)} variables, data against ensemble. {_zeros(ensemble, test, variables)}",
            figure,
        )


def ratio_histograms(ensemble: np.ndarray, test: np.ndarray, domain: Domain) -> Plate:
    """Histograms of the domain's ratios; arrays as above, of all its variables."""
    made, data = ratios(ensemble, domain), ratios(test, domain)
    with style():
        figure, axes = panels(len(domain.ratios), height=2.6, columns=min(3, max(2, len(domain.ratios))))
        for k, (panel, ratio) in enumerate(zip(axes, domain.ratios, strict=True)):
            titled(panel, f"{ratio.name} = {ratio.numerator} / {ratio.denominator}", ratio.units)
            _histogram(panel, made[..., k], data[:, k], logarithmic=False, trimmed=True)
        legend_above(figure, axes[0])
        words = "; ".join(f"{r.name}: {r.description}" for r in domain.ratios if r.description)
        return plate(
            "ratios",
            "Derived ratios",
            f"Where a denominator is zero there is no ratio. {_capital(words)}.".replace(" .", ""),
            f"Histograms of the ratios {', '.join(r.name for r in domain.ratios)}, held-out data against ensemble.",
            figure,
        )


def quantile_quantile(
    ensemble: np.ndarray, test: np.ndarray, train: np.ndarray, variables: Sequence[Variable]
) -> Plate:
    """Quantiles of the ensemble, and of the training data (event, variable), against those of the held-out data."""
    with style():
        figure, axes = panels(len(variables), height=2.3)
        for k, (panel, variable) in enumerate(zip(axes, variables, strict=True)):
            titled(panel, variable.name, variable.units)
            sets = [finite(values[..., k]) for values in (ensemble, test, train)]
            if spans_decades(sets[2], variable):
                sets = [values[values > 0] for values in sets]
                on_logarithms(panel, "xy")
            _quantiles(panel, *sets)
        figure.supxlabel("quantiles of the held-out data", fontsize=9)
        figure.supylabel("quantiles of the ensemble\nand of the training data", fontsize=9)
        legend_above(figure, axes[0])
        return plate(
            "quantiles",
            "Quantiles against quantiles",
            "Quantiles 0.1 to 99.9 % of the ensemble against those of the held-out data; on the diagonal they agree. "
            "Variables that span decades are drawn on logarithmic axes, without their zeros. "
            "The grey line shows the training data against the held-out data: as far off is what sampling alone does.",
            f"Quantile-quantile plots of {len(variables)} variables, ensemble and training against held-out data.",
            figure,
        )


def _histogram(
    panel: Axes, ensemble: np.ndarray, data: np.ndarray, logarithmic: bool | None = None, trimmed: bool = False
) -> None:
    present, made = finite(data), finite(ensemble)
    if not present.size or not made.size:
        panel.text(0.5, 0.5, "no values", transform=panel.transAxes, ha="center", color=DATA)
        return
    apart = (present == 0).mean() > _SHOWN_SHARE or (made == 0).mean() > _SHOWN_SHARE
    kept, drawn = (present[present != 0], made[made != 0]) if apart else (present, made)
    if apart:
        _zero_shares(panel, present, made)
    edges, log = _edges(kept, drawn, logarithmic, trimmed)
    members = [finite(member) for member in np.atleast_2d(ensemble)]
    panel.stairs(_shares(kept, edges, len(present)), edges, fill=True, color=PALE, label="held-out data")
    _steps(panel, [_shares(member[member != 0] if apart else member, edges, len(member)) for member in members], edges)
    if log:
        on_logarithms(panel, "x")
    # Room above the bars for the shares of zeros.
    panel.set_ylim(0, panel.get_ylim()[1] * (1.4 if apart else 1.0))
    panel.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    panel.locator_params(axis="y", nbins=4)


def _shares(values: np.ndarray, edges: np.ndarray, size: int) -> np.ndarray:
    return np.histogram(values, edges)[0] / max(size, 1)


def _steps(panel: Axes, members: list[np.ndarray], edges: np.ndarray) -> None:
    panel.stairs(np.mean(members, axis=0), edges, color=ENSEMBLE, label="ensemble")
    if len(members) > 1:
        low, high = np.quantile(members, (0.05, 0.95), axis=0)
        panel.stairs(high, edges, baseline=low, fill=True, color=ENSEMBLE, alpha=0.25, linewidth=0)


def _zero_shares(panel: Axes, data: np.ndarray, made: np.ndarray) -> None:
    lines = (("data", data, DATA), ("ensemble", made, ENSEMBLE))
    for row, (name, values, colour) in enumerate(lines):
        panel.text(
            0.98, 0.97 - 0.13 * row, f"zeros, {name}: {100 * (values == 0).mean():.1f} %",
            transform=panel.transAxes, ha="right", va="top", fontsize=8, color=colour,
        )  # fmt: skip


def _edges(data: np.ndarray, made: np.ndarray, logarithmic: bool | None, trimmed: bool) -> tuple[np.ndarray, bool]:
    pooled = np.concatenate([data, made]) if data.size + made.size else np.array([0.0, 1.0])
    low, high = _limits(data, made) if trimmed else (pooled.min(), pooled.max())
    skewed = low > 0 and np.quantile(pooled, 0.99) > 30 * np.quantile(pooled, 0.25)
    if skewed if logarithmic is None else logarithmic:
        low = max(low, np.quantile(pooled, 0.002))
        return np.geomspace(low, max(high, low * 1.001), _BINS + 1), True
    width = high - low or max(abs(high), 1.0) * 1e-3
    return np.linspace(low, low + width, _BINS + 1), False


def _limits(data: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Where the data and nearly all of the ensemble lie, so that a stray ratio does not squeeze the rest."""
    both = [values for values in (data, made) if values.size]
    low = min(np.quantile(values, 0.005) for values in both)
    high = max(np.quantile(values, 0.995) for values in both)
    return float(low), float(high)


def _quantiles(panel: Axes, ensemble: np.ndarray, test: np.ndarray, train: np.ndarray) -> None:
    if not (test.size and train.size and ensemble.size):
        return
    x, floor, y = (np.quantile(values, _LEVELS) for values in (test, train, ensemble))
    ends = [min(x[0], y[0]), max(x[-1], y[-1])]
    panel.plot(ends, ends, color=BLACK, linewidth=0.6, linestyle=(0, (4, 3)))
    panel.plot(x, floor, color=DATA, alpha=0.7, label="training data")
    panel.plot(x, y, ".", color=ENSEMBLE, markersize=4, label="ensemble")
    if panel.get_xscale() == "linear":
        panel.locator_params(nbins=4)


def _zeros(ensemble: np.ndarray, test: np.ndarray, variables: Sequence[Variable]) -> str:
    shares = [
        f"{variable.name} {100 * (test[:, k] == 0).mean():.1f} and {100 * (ensemble[..., k] == 0).mean():.1f} %"
        for k, variable in enumerate(variables)
        if (test[:, k] == 0).any() or (ensemble[..., k] == 0).any()
    ]
    return f"Shares of exact zeros, data and ensemble: {'; '.join(shares)}." if shares else "There are no exact zeros."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
