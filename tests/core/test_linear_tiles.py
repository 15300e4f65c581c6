"""Groups that tile an array: sums and products are those by an index of every entry, and other groups have no tiles."""

import pytest
import torch

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.linear.structure import segments
from lawful.core.linear.structure.segments import Segments
from lawful.core.linear.structure.tiles import Tiles

MANY = 10**6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tiled(bands, high, across, wide, shuffled=True):
    """The groups (N,) of entries, in any numbering."""
    count = bands * across
    number = torch.randperm(count, generator=generator()) if shuffled else torch.arange(count)
    owner = number.view(bands, 1, across, 1).expand(bands, high, across, wide).flatten()
    return owner, count


SHAPES = [
    (3, 4, 5, 2),
    (1, 4, 5, 2),
    (3, 1, 5, 2),
    (3, 4, 1, 2),
    (4, 2, 3, 1),
    (6, 1, 1, 7),
    (1, 1, 1, 5),
    (5, 1, 1, 1),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_sums_and_products_are_those_of_an_index(shape, batch):
    owner, count = tiled(*shape)
    tiles = Tiles.of(owner, count, MANY)
    x = torch.randn(*batch, len(owner), generator=generator(1), dtype=torch.float64)
    y = torch.randn(*batch, count, generator=generator(2), dtype=torch.float64)
    sums = torch.zeros_like(y).index_add(-1, owner, x)
    for entries in (1, 7, MANY):
        found, product, covered = torch.full_like(y, torch.nan), x.clone(), 0
        for here, groups in tiles.bands(entries):
            found[..., groups] = tiles.sums(x[..., here])
            tiles.times(y[..., groups], product[..., here])
            covered += here.stop - here.start
        assert covered == len(owner)
        torch.testing.assert_close(found, sums)
        torch.testing.assert_close(product, x * y[..., owner], rtol=0, atol=0)


def swapped(owner, i, j):
    owner = owner.clone()
    owner[[i, j]] = owner[[j, i]]
    return owner


@pytest.mark.parametrize(
    ("owner", "count"),
    [
        (swapped(tiled(3, 4, 5, 2)[0], 0, -1), 15),
        (swapped(tiled(3, 4, 5, 2, shuffled=False)[0], 41, 42), 15),
        (swapped(tiled(3, 4, 5, 2, shuffled=False)[0], 43, 45), 15),
        (swapped(tiled(3, 4, 5, 1, shuffled=False)[0], 25, 26), 15),
        (tiled(3, 4, 5, 2)[0][:-1], 15),
        (tiled(3, 4, 5, 2)[0][:-10], 15),
        (tiled(3, 4, 5, 2)[0] % 14, 14),
        (tiled(3, 4, 5, 2)[0], 16),
        (torch.tensor([0, 0, 1, 1, 1, 0]), 2),
        (torch.tensor([0, 0, 1, 1, 0, 0]), 2),
    ],
)
def test_what_is_no_tiling_has_no_tiles(owner, count):
    assert Tiles.of(owner, count, MANY) is None


def test_bands_that_fit_no_cache_have_no_tiles():
    owner, count = tiled(3, 4, 5, 2)
    assert Tiles.of(owner, count, 40) is not None
    assert Tiles.of(owner, count, 39) is None


@pytest.mark.parametrize("weighted", [False, True])
def test_segments_give_the_same_either_way(monkeypatch, weighted):
    owner, count = tiled(6, 4, 5, 3)
    x, y = (torch.randn(2, k, generator=generator(k), dtype=torch.float64) for k in (len(owner), count))
    weights = torch.rand(len(owner), generator=generator(3), dtype=torch.float64) if weighted else None

    def both():
        groups, product = Segments(owner, count), x.clone()
        for here, times in groups.times_in_chunks(y):
            times(product[..., here])
        return groups._tiles, *groups.sums_in_chunks(x.float(), weights, False), product

    tiles, *by_index = both()
    assert tiles is None
    monkeypatch.setattr(segments, "CHUNK", 150)
    tiles, *by_tiles = both()
    assert tiles is not None
    for one, other in zip(by_index, by_tiles, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("total", [False, True])
def test_fields_are_lawful_and_the_same_to_rounding(monkeypatch, dtype, total):
    truth = 50 * torch.rand(300, 400, generator=generator(), dtype=torch.float64)
    means = truth.reshape(60, 5, 100, 4).mean((1, 3)).flatten()
    b = torch.cat((means, means.mean()[None])) if total else means

    def drawn():
        system = LinearSystem.block_means((300, 400), (5, 4), b, grand_mean=total)
        scale = (0.5 + torch.rand(truth.numel(), generator=generator(1))).to(dtype)
        torch.manual_seed(0)
        z = ConstrainedNormal(truth.flatten().to(dtype), scale, system).sample((2,))
        assert system.ulps(z).max() <= 2
        return z

    sought = []
    find = Tiles.of
    monkeypatch.setattr(Tiles, "of", lambda *arguments: sought.append(find(*arguments)) or sought[-1])
    by_tiles = drawn()
    assert any(found is not None for found in sought)
    monkeypatch.setattr(Tiles, "of", lambda *arguments: None)
    torch.testing.assert_close(by_tiles, drawn(), rtol=4 * torch.finfo(dtype).eps, atol=100 * torch.finfo(dtype).eps)
