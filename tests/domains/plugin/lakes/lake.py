"""The water balance of a lake."""

from lawful.domains import Blocks, Domain, Law, Variable

DOMAIN = Domain(
    name="lake",
    title="Daily water balance of a lake",
    event="day",
    event_dim="time",
    variables=(
        Variable(name="inflow", units="mm d-1", lower=0),
        Variable(name="outflow", units="mm d-1", lower=0),
        Variable(name="rise", units="mm d-1"),
    ),
    laws=(Law(name="water", equation="inflow = outflow + rise", units="mm d-1"),),
    blocks=Blocks(kind="time"),
    sample="lakes:lake.csv",
)
