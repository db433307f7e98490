"""What the product is measured by: `python -m bench`; the figures go to bench/results/."""
