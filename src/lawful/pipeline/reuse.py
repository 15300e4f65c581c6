"""A training in a folder: the finished one that is there, one that goes on, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lawful.core.training import launched
from lawful.domains import InputError
from lawful.pipeline.keeping import Kept, found_in
from lawful.pipeline.model_file import changed, describe, has_checkpoint, mark_started, was_cut_off
from lawful.pipeline.progress import Console

if TYPE_CHECKING:
    from lightning_fabric import Fabric

M = TypeVar("M")


def trained_or_reused(
    folder: Path,
    facts: dict[str, Any],
    console: Console,
    *,
    load: Callable[[], M],
    train: Callable[[Fabric, Kept], tuple[M, dict[str, Any]]],
    save: Callable[[M, dict[str, Any]], dict[str, Any]],
    resume: bool = False,
    device: str = "cpu",
    mixed: bool = False,
) -> tuple[M, dict[str, Any]]:
    """The model that `facts` describe, by `load` where it is finished in `folder` and else by `train`; what it is.

    With `resume` a training that was cut off there goes on from its checkpoint. Of several processes that `torchrun`
    started, the first writes.

    Raises:
        InputError: the training diverged, or what is to be resumed is another one.
    """
    description = _described(folder, console)
    if description and not changed(description, facts):
        console.say(f"reusing the finished training in {folder}")
        return load(), description
    kept = found_in(folder, facts, console) if resume else None
    _say_why(description, facts, kept, resume, folder, console)
    with launched(device, mixed=mixed) as fabric:
        # All have looked before the first one writes.
        fabric.barrier()
        if fabric.is_global_zero:
            mark_started(folder, over=kept is None)
        kept = kept or Kept(folder, facts, console)
        model, outcome = train(fabric, kept)
        outcome = {**facts, **outcome, "seconds": round(kept.seconds, 2)}
        return model, save(model, outcome) if fabric.is_global_zero else outcome


def _say_why(
    description: dict[str, Any] | None,
    facts: dict[str, Any],
    kept: Kept | None,
    resume: bool,
    folder: Path,
    console: Console,
) -> None:
    if kept:
        console.say(f"going on with the training in {folder} from {kept.where}")
    elif description:
        others = ", ".join(changed(description, facts))
        console.say(f"the model in {folder} was trained with other {others}; starting over")
    elif was_cut_off(folder):
        hint = "; --resume would go on from its last checkpoint" if has_checkpoint(folder) else ""
        console.say(f"an earlier training in {folder} was cut off; starting over{hint}")
    elif resume:
        console.say(f"there is no training in {folder} to go on with; starting")


def _described(folder: Path, console: Console) -> dict[str, Any] | None:
    try:
        return describe(folder)
    except InputError as error:
        console.say(f"{error}")
        return None
