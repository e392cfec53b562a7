"""The engine held against PyTorch."""
