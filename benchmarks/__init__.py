"""Rushlight beside PyTorch in one process: `make bench`, or `python -m benchmarks [per_op | training | per_sample | imports]`."""
