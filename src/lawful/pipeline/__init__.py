"""What drives the four rooms: train, generate and report, each on its own or one after another."""

from lawful.pipeline.run import Outcome, run, stage_generate, stage_report, stage_train, write_side_by_side
from lawful.pipeline.settings import RunSettings

__all__ = ["Outcome", "RunSettings", "run", "stage_generate", "stage_report", "stage_train", "write_side_by_side"]
