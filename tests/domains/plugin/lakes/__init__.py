"""Lakes."""
