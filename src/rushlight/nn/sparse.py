"""Embeddings: rows of a table, looked up by index."""

from __future__ import annotations

from typing import Any

from ..autograd.modes import no_grad
from ..tensor import Parameter, Tensor
from . import functional as F
from . import init
from .layer import Layer
from .parameter import new_parameter


class _Table(Layer):
    """A table of vectors, `weight`, of which the row `padding_idx` stays as it is."""

    def _make_table(self, given: Tensor | None, trained: bool, device: Any, dtype: Any) -> None:
        rows, columns = self.num_embeddings, self.embedding_dim
        if self.padding_idx is not None:
            if not -rows <= self.padding_idx < rows:
                raise AssertionError("Padding_idx must be within num_embeddings")
            self.padding_idx %= rows
        if given is None:
            self.weight = new_parameter(rows, columns, device=device, dtype=dtype).requires_grad_(trained)
            self.reset_parameters()
        elif tuple(given.shape) != (rows, columns):
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        else:
            self.weight = Parameter(given, requires_grad=trained)

    def reset_parameters(self) -> None:
        """Draw the table anew from N(0, 1), the padding row zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, **options: Any) -> _Table:
        """Make a layer whose table is `embeddings`, a matrix; with `freeze` it is not trained.

        The other options are those of the constructor.
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        layer = cls(*embeddings.shape, _weight=embeddings, **options)
        layer.weight.requires_grad = not freeze
        return layer


class Embedding(_Table):
    """Looks up vectors: weight[index].

    Rows that are used are first scaled down to the norm `max_norm`, if it is given; the row `padding_idx` gets no
    gradient; with `scale_grad_by_freq` the gradient of a row is divided by how often it was used.

    Shape:
        indices (*) → (*, embedding_dim); weight (num_embeddings, embedding_dim), which starts as N(0, 1).

    Example:
        >>> import rushlight as torch
        >>> table = torch.nn.Embedding(10, 3)
        >>> table(torch.tensor([[1, 2], [4, 4]])).shape
        torch.Size([2, 2, 3])
    """

    shown = "{num_embeddings}, {embedding_dim}"
    shown_if_changed = {
        "padding_idx": None,
        "max_norm": None,
        "norm_type": 2,
        "scale_grad_by_freq": False,
        "sparse": False,
    }

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make_table(_weight, not _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Look the indices up."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )


class EmbeddingBag(_Table):
    """Looks up vectors and reduces each bag of them by `mode`: "sum", "mean" or "max".

    Shape:
        indices (B, N), or (N) with the offsets (B) where bags begin → (B, embedding_dim).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.mode = max_norm, norm_type, mode
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self._make_table(_weight, True, device, dtype)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Look the indices up and reduce each bag."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Its sizes and what differs from the usual."""
        usual = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": ..., "padding_idx": None}
        options = [f", {name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return f"{self.num_embeddings}, {self.embedding_dim}" + "".join(options)
