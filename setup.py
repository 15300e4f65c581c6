"""Maps the four top-level folders to `lawful.*`; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = ("core", "domains", "data_recipes", "reports")


def room_packages(room: str) -> list[str]:
    """Names of a room and its sub-packages, as they are imported."""
    return [f"lawful.{room}", *(f"lawful.{room}.{sub}" for sub in find_packages(room))]


# The rooms are links there, for type checkers.
driver = find_packages("src", exclude=[pattern for room in ROOMS for pattern in (f"lawful.{room}", f"lawful.{room}.*")])

setup(
    packages=[*driver, *(name for room in ROOMS for name in room_packages(room))],
    package_dir={"lawful": "src/lawful", **{f"lawful.{room}": room for room in ROOMS}},
)
