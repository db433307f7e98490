"""A database made of traps, and what D1 must hold of it, cell by cell."""
