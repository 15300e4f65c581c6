"""Laws with structure: sparse coefficients, their rank without dense algebra, and one solver a file."""

from lawful.core.linear.structure.laws import SparseLaws

__all__ = ["SparseLaws"]
