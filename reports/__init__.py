"""Judges files: do the laws hold, is an ensemble like data? Tables, figures and pages. Knows no model."""
