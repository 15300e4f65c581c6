"""Partial charges of the atoms of a molecule, which add up to its total charge."""

from lawful.domains.declarations import Variable
from lawful.domains.graph_domain import GraphDomain

ELEMENTS = (1, 6, 7, 8, 9, 15, 16, 17, 35)
"""Atomic numbers of H, C, N, O, F, P, S, Cl, Br."""

ORDERS = (1.0, 1.5, 2.0, 3.0)
"""Of bonds; 1.5 is aromatic."""

DOMAIN = GraphDomain(
    name="partial-charge",
    title="Partial charges of the atoms of small organic molecules",
    graph="molecule",
    node="atom",
    edge="bond",
    value=Variable(name="charge", units="e", description="partial charge of an atom"),
    total=Variable(name="total_charge", units="e", description="charge of the molecule"),
    node_kind="element",
    node_kinds=ELEMENTS,
    edge_kind="order",
    edge_kinds=ORDERS,
    tolerance=2e-6,
    sample="partial-charge.nc",
    references=("conservation of charge", "Mortier et al. 1986, doi:10.1021/ja00275a013"),
    note="Molecules are split at random; four conformers of one molecule are on one side.",
)
