"""Groups that tile an array: sums and products are those by an index of every entry, and other groups have no tiles."""

import pytest
import torch

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.linear import moves
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
        plain, _, sizes = groups.sums_in_chunks(x.float(), weights, False)
        high, low, _ = groups.sums_in_chunks(x, weights, True)
        if groups._tiles is not None:
            assert sizes is None
            sizes = groups.sizes_in_tiles(x.float(), weights)
        return groups._tiles, plain, sizes, product, high, low

    tiles, *by_index, high, low = both()
    assert tiles is None
    monkeypatch.setattr(segments, "CHUNK", 150)
    tiles, *by_tiles, high_of_tiles, low_of_tiles = both()
    assert tiles is not None
    # Sums of tiles are taken in another order: their roundings differ, what they sum to is the same in 32 digits.
    torch.testing.assert_close(
        (high - high_of_tiles) + (low - low_of_tiles), torch.zeros_like(high), rtol=0, atol=1e-28
    )
    for one, other in zip(by_index, by_tiles, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


FIELDS = {
    "positive": lambda shape: 50 * torch.rand(shape, generator=generator(), dtype=torch.float64),
    # No sum says how large the terms are, and nor does the largest value.
    "without means": lambda shape: torch.zeros(shape, dtype=torch.float64),
    "of many sizes": lambda shape: 10.0 ** (torch.rand(shape, generator=generator(), dtype=torch.float64) * 16 - 8),
}


@pytest.fixture
def quick(monkeypatch):
    """Nothing is left to the careful way, which takes many times as long."""

    def fail(*arguments):
        raise AssertionError("a point was settled carefully")

    monkeypatch.setattr(moves, "settle", fail)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("kind", FIELDS)
def test_fields_are_lawful_and_the_same_to_rounding(monkeypatch, quick, dtype, total, kind):
    truth = FIELDS[kind]((300, 400))
    means = truth.reshape(60, 5, 100, 4).mean((1, 3)).flatten()
    b = torch.cat((means, means.mean()[None])) if total else means
    scale = ((0.5 + torch.rand(truth.numel(), generator=generator(1))) * truth.flatten().clamp(max=1.0)).to(dtype)
    scale = scale if scale.any() else torch.ones_like(scale)

    def drawn():
        system = LinearSystem.block_means((300, 400), (5, 4), b, grand_mean=total)
        torch.manual_seed(0)
        normal = ConstrainedNormal(truth.flatten().to(dtype), scale, system)
        z = normal.sample((2,))
        assert system.ulps(z).max() <= 2
        return z

    sought = []
    find = Tiles.of
    monkeypatch.setattr(Tiles, "of", lambda *arguments: sought.append(find(*arguments)) or sought[-1])
    by_tiles = drawn()
    assert any(found is not None for found in sought)
    monkeypatch.setattr(Tiles, "of", lambda *arguments: None)
    by_index, eps = drawn(), torch.finfo(dtype).eps
    # What a block misses its mean by is known to the rounding of its largest value, and of a draw before the move.
    largest = (by_index.abs() + 10 * scale).view(-1, 60, 5, 100, 4).amax((2, 4), keepdim=True)
    room = 10 * eps * largest.expand(-1, 60, 5, 100, 4).flatten(1)
    assert ((by_tiles - by_index).abs() <= room).all()


@pytest.mark.parametrize(("dtype", "off_by"), [(torch.float32, 8), (torch.float64, 400)])
def test_what_is_off_by_little_is_moved(quick, dtype, off_by):
    """One block in many, beside values that are far larger: in float64 by what a plain sum of 100 terms tells."""
    sizes = torch.ones(1000, 100, dtype=torch.float64)
    sizes[:500] = 1e6
    system = LinearSystem.block_means((1000, 100), (10, 10), sizes.reshape(100, 10, 10, 10).mean((1, 3)).flatten())
    off = sizes.flatten().to(dtype)
    off[-1] += 100 * off_by * torch.finfo(dtype).eps
    assert system.ulps(off).max() > off_by / 2
    assert system.ulps(system.project(off)).max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", FIELDS)
def test_what_is_lawful_is_left_alone(dtype, kind):
    truth = FIELDS[kind]((300, 400))
    system = LinearSystem.block_means((300, 400), (5, 4), truth.reshape(60, 5, 100, 4).mean((1, 3)).flatten())
    z = system.project(truth.flatten().to(dtype) + torch.zeros(2, 1, dtype=dtype))
    assert torch.equal(system.project(z), z)
