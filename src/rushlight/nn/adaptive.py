"""Softmax over very many classes, most of them rare."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .. import ops
from ..tensor import Tensor
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class _Output(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax over `n_classes` classes, sorted by frequency and divided at `cutoffs` into clusters.

    The first cluster and one entry for each other are scored at once by `head`; the classes of another cluster only
    for examples in it, through a narrower space: of width in_features / div_value for the second, / div_value² …

    Shape:
        (N, in_features), targets (N) → (N) log-probabilities of the targets, and their mean loss.

    Source: Grave et al., 2017.

    Example:
        >>> import rushlight as torch
        >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(32, 20, cutoffs=[5, 10])
        >>> output, loss = softmax(torch.zeros(3, 32), torch.tensor([0, 7, 19]))
        >>> output.shape, loss.shape
        (torch.Size([3]), torch.Size([]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        bounds = [0, *cutoffs, n_classes]
        if any(int(bound) != bound for bound in cutoffs) or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for number, (low, high) in enumerate(pairwise(self.cutoffs), 1):
            width = int(in_features // div_value**number)
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **made), Linear(width, high - low, bias=False, **made)
                )
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for layer in (self.head, *(linear for projection in self.tail for linear in projection)):
            layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _Output:
        """Return the log-probability of each target, `output`, and the mean of its negative, `loss`."""
        self._check(input_, target_)
        batched = target_.dim() == 1
        input, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        head = F.log_softmax(self.head(input), 1)
        column, within = target, ops.zeros(target.size(0), dtype=head.dtype)
        for cluster, (low, high) in enumerate(pairwise(self.cutoffs)):
            inside: Any = (target >= low) & (target < high)
            rows = inside.nonzero().squeeze(1)
            if rows.numel():
                scores = F.log_softmax(self.tail[cluster](input.index_select(0, rows)), 1)
                chosen = scores.gather(1, (target.index_select(0, rows) - low).unsqueeze(1)).squeeze(1)
                within = within.index_add(0, rows, chosen)
                column = column.index_fill(0, rows, self.shortlist_size + cluster)
        output = within + head.gather(1, column.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _Output(output if batched else output.squeeze(0), loss)

    def _check(self, input: Tensor, target: Tensor) -> None:
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.dim() == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(
                f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found inputs with size "
                f"{input.size()}"
            )
        low, high = target.min().item(), target.max().item()
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], "
                f"but values in range [{low}, {high}] were found. "
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for cluster, projection in enumerate(self.tail, self.shortlist_size):
            parts.append(F.log_softmax(projection(input), 1) + head[:, cluster].unsqueeze(1))
        return ops.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each example; the clusters are only looked into where the head chooses one."""
        best = self.head(input).argmax(1)
        unsure = (best >= self.shortlist_size).nonzero().squeeze(1)
        if unsure.numel():
            best = best.index_copy(0, unsure, self.log_prob(input.index_select(0, unsure)).argmax(1))
        return best
