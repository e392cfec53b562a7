"""Sequences of different lengths: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ... import ops
from ...dtypes import int64
from ...tensor import Tensor


class _PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedFields):
    """Sequences without padding: all first elements, then all second ones …, the longest sequence first.

    `batch_sizes[t]` is the number of sequences that have an element t; the indices say how the sequences were sorted.
    Made by `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Any:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences with their data converted as by `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one."""
    return None if permutation is None else ops.argsort(permutation)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences of these lengths.

    Shape:
        (T, N, *), or (N, T, *) if `batch_first` → data (Σ lengths, *).

    Raises:
        RuntimeError: a length is not positive, or lengths are not sorted, the longest first, though `enforce_sorted`.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.utils.rnn import pack_padded_sequence
        >>> packed = pack_padded_sequence(torch.tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
        >>> packed.data, packed.batch_sizes
        (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    input = input.transpose(0, 1) if batch_first else input
    sizes = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    order = None
    if not enforce_sorted:
        places = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
        order, sizes = ops.tensor(places), [sizes[place] for place in places]
        input = input.index_select(1, order)
    _check_lengths(sizes, input.size(1))
    batch_sizes = [sum(size > step for size in sizes) for step in range(sizes[0])]
    data = ops.cat([input[step, :count] for step, count in enumerate(batch_sizes)])
    return PackedSequence(data, ops.tensor(batch_sizes, dtype=int64), order)


def _check_lengths(sizes: list[int], batch: int) -> None:
    if len(sizes) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})"
        )
    if sizes != sorted(sizes, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if not sizes or sizes[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Pad packed sequences to the longest one, or to `total_length`; return them and their lengths."""
    batch_sizes = sequence.batch_sizes.tolist()
    longest = len(batch_sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    sizes = [sum(count > place for count in batch_sizes) for place in range(batch_sizes[0])]
    starts = [sum(batch_sizes[:step]) for step in range(longest)]
    rows = [
        sequence.data[ops.tensor([starts[step] + place for step in range(size)])] for place, size in enumerate(sizes)
    ]
    if total_length is not None:  # A row more than asked for, so that the padding reaches the full length.
        rows.append(sequence.data.new_full((total_length, *sequence.data.shape[1:]), padding_value))
    padded = pad_sequence(rows, batch_first=True, padding_value=padding_value)[: len(sizes)]
    lengths = ops.tensor(sizes, dtype=int64)
    if sequence.unsorted_indices is not None:
        padded, lengths = padded[sequence.unsorted_indices], lengths[sequence.unsorted_indices]
    return padded if batch_first else padded.transpose(0, 1), lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Put sequences (L, *) of different lengths into one tensor, filled up to the longest with `padding_value`.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(3)], batch_first=True)
        tensor([[1., 1., 0.],
                [1., 1., 1.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    longest = max(sequence.size(0) for sequence in sequences)
    rows = []
    for sequence in sequences:
        filler = sequence.new_full((longest - sequence.size(0), *sequence.shape[1:]), padding_value)
        rows.append(ops.cat([sequence, filler] if padding_side == "right" else [filler, sequence]))
    return ops.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that were padded, a list; the reverse of `pad_sequence`."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows.unbind(0), lengths.tolist(), strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, *)."""
    lengths = [sequence.size(0) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed, a list."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
