"""Second implementations of the seams, in memory, each held to its seam's contract suite."""
