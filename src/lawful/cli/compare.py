"""Ways to hold the laws, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from lawful.cli.app import EXIT_CODES, app
from lawful.cli.options import Data, DomainArgument, Map, Members, read_mapping, read_names
from lawful.domains import find_domain


@app.command(
    short_help="Compare ways to hold the laws.",
    epilog=f"""\b
Examples:
  lawful compare surface-balance
  lawful compare rock-oxides --strategies conditional,mirror --models vae
  lawful compare surface-balance --resume

{EXIT_CODES}""",
)
def compare(
    domain: DomainArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for all files.  [default: compare-DOMAIN]")
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            "--strategies", metavar="NAME,NAME", show_default=False,
            help="unconstrained, penalty, projection-after, projection, sequential, completion, conditional, mirror; "
            "repair (projection-after that keeps bounds), states (what `lawful run` does), pishield (if installed).  "
            "[default: all but pishield]",
        ),
    ] = "",
    models: Annotated[
        str,
        typer.Option(
            "--models", metavar="NAME,NAME", show_default=False,
            help="vae, flow-matching; sdv-copula and hopsy (if installed), for strategies that repair afterwards.  "
            "[default: vae,flow-matching]",
        ),
    ] = "",
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings of each, in pairs.")] = 5,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Steps of each training.")] = 1000,
    members: Members = 2,
    data: Data = None,
    map_: Map = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a comparison that was cut off.")] = False,
) -> None:  # fmt: skip
    """Train models under strategies that hold the laws in different ways, and say which does best at what.

    All have the same data, network, budget, first weights and noise. Each seed holds out another fold; differences are
    tested in pairs.

    \b
    Writes into DIR:
      compare.html, compare.json  tables, figures and what was found
      compare.md                  the tables as Markdown
      cells/                      every training, from which --resume goes on
    """
    from lawful.pipeline.compare import CompareSettings
    from lawful.pipeline.compare import compare as run_comparison
    from lawful.pipeline.progress import Console

    chosen = {"strategies": read_names(strategies), "models": read_names(models)}
    settings = CompareSettings.checked(
        domain=domain, out=out or Path(f"compare-{find_domain(domain).name}"), data=data, mapping=read_mapping(map_),
        seeds=seeds, steps=steps, members=members, resume=resume,
        **{name: names for name, names in chosen.items() if names},
    )  # fmt: skip
    found = run_comparison(settings, Console())
    typer.echo("\n".join([*found["findings"], str(settings.out / "compare.html")]))
