"""Fixtures of the tests of modules."""

from __future__ import annotations

import pytest
import torch

import rushlight


@pytest.fixture(params=[torch, rushlight], ids=["torch", "rushlight"])
def library(request):
    """Each of the two libraries in turn: PyTorch shows that the test is right."""
    return request.param
