"""Partial charges of small molecules in several shapes: electronegativity equalisation by RDKit."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lawful.data_recipes.write import write_dataset
from lawful.domains import InputError
from lawful.domains.partial_charge import DOMAIN, ELEMENTS

SOURCE = (
    "RDKit {version}: neutral molecules of 2 to 40 atoms, hydrogens added, from the first 5,000 of the NCI open "
    "database that come with it (Data/NCI/first_5K.smi), each in 4 conformers by ETKDGv3 (Riniker & Landrum 2015, "
    "doi:10.1021/acs.jcim.5b00654); charges by rdMolDescriptors.CalcEEMcharges, electronegativity equalisation "
    "(Mortier et al. 1986, doi:10.1021/ja00275a013). Ions are left out: RDKit 2026.9.1 gives a cation "
    "of charge +1 charges that add up to -1"
)
LICENCE = "molecules: NCI open database, a work of the U.S. Government; RDKit: BSD-3-Clause"
CONFORMERS, MOLECULES, MOST_ATOMS = 4, 1600, 40

Molecule = tuple[str, Any, np.ndarray]
"""SMILES, RDKit's molecule, and charges (conformers, atoms)."""


def make(out_path: str | Path) -> Path:
    """Write molecules and their charges to `out_path`.

    Raises:
        InputError: RDKit is not installed, or the file cannot be written.
    """
    return write_dataset(to_dataset(list(islice(_molecules(), MOLECULES))), out_path)


def _molecules() -> Iterator[Molecule]:
    try:
        from rdkit import Chem, RDConfig, RDLogger
        from rdkit.Chem import AllChem, rdMolDescriptors
    except ImportError as error:
        raise InputError(f"the recipe needs rdkit: pip install 'lawful[recipes]' ({error})") from error
    RDLogger.DisableLog("rdApp.*")
    table = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    for line in table.read_text().splitlines():
        smiles = line.split()[0]
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or not _wanted(molecule, Chem):
            continue
        molecule = Chem.AddHs(molecule)
        if molecule.GetNumAtoms() > MOST_ATOMS:
            continue
        how = AllChem.ETKDGv3()
        how.randomSeed = 1
        shapes = list(AllChem.EmbedMultipleConfs(molecule, CONFORMERS, how))
        charges = np.array([rdMolDescriptors.CalcEEMcharges(molecule, confId=shape) for shape in shapes])
        if len(shapes) == CONFORMERS and np.abs(charges.sum(1)).max() < 1e-9 and np.abs(charges).max() < 3:
            yield smiles, molecule, charges


def _wanted(molecule: Any, Chem: Any) -> bool:
    elements = {atom.GetAtomicNum() for atom in molecule.GetAtoms()}
    return elements <= set(ELEMENTS) and Chem.GetFormalCharge(molecule) == 0 and len(Chem.GetMolFrags(molecule)) == 1


def to_dataset(molecules: list[Molecule]) -> xr.Dataset:
    """Molecules as contiguous ragged arrays (CF conventions 1.11, section 9.3.3) of atoms and of bonds."""
    from rdkit import rdBase

    made = [molecule for _, molecule, _ in molecules]
    atoms = [atom for molecule in made for atom in molecule.GetAtoms()]
    bonds = [bond for molecule in made for bond in molecule.GetBonds()]
    charges = np.concatenate([charges for _, _, charges in molecules], axis=1)
    ds = DOMAIN.dataset(
        {
            "atom_count": [molecule.GetNumAtoms() for molecule in made],
            "bond_count": [molecule.GetNumBonds() for molecule in made],
            "total_charge": np.zeros(len(made)),
            "element": np.array([atom.GetAtomicNum() for atom in atoms], np.int8),
            "order": np.array([bond.GetBondTypeAsDouble() for bond in bonds], np.float32),
            "bond_ends": np.array([[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in bonds], np.int16),
        },
        # Half the size, and more than the method is good for; totals are then zero to 2e-6.
        charges.astype(np.float32),
    ).rename({"sample_0": "conformer"})
    smiles = ("molecule", [smiles for smiles, _, _ in molecules], {"long_name": "SMILES, without hydrogens"})
    source, history = SOURCE.format(version=rdBase.rdkitVersion), "lawful data partial-charge"
    return ds.assign(smiles=smiles).assign_attrs(source=source, license=LICENCE, history=history)
