"""Rushlight beside PyTorch in one process: `make bench`, or `python -m benchmarks NAMES`; see `__main__`."""
