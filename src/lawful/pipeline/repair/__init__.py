"""Moves the unlawful samples of a file onto the laws of a domain, by as little as can be, and nothing else."""

from lawful.pipeline.repair.command import COVARIANCE, repair

__all__ = ["COVARIANCE", "repair"]
