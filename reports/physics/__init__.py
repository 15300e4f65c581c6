"""Physics validity, block by block: laws, inequalities, bounds and ratios of files of any size."""
