"""The engine room: recording, backward, and everything that PyTorch has under `torch.autograd`."""
