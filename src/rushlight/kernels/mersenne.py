"""The Mersenne Twister (MT19937) as a stream of 32-bit words that can be stopped, stored and resumed at any word.

Matsumoto and Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random number
generator", ACM TOMACS 8 (1998). A stream keeps the place in the present block of 624 words, so that the stored state is
that of PyTorch's CPU generator, byte for byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .native import library

BLOCK = 624
MASK32 = 0xFFFFFFFF
MASK24 = np.uint32(0xFFFFFF)
MASK21 = np.uint32(0x1FFFFF)
_NO_WORDS = np.empty(0, np.uint32)

# The stored form: the seed, how far the present block has been used, the block before tempering (32 bits each, in
# 64-bit fields), and the normal number kept back by the last Box-Muller pair. The 32-bit one is carried, never used.
STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "words", "normal", "has_normal", "normal32", "has_normal32"],
        "formats": ["<u8", "<i4", "<i4", "<u8", f"{BLOCK}<u8", "<f8", "<i4", "<f4", "u1"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040, 5048, 5052],
        "itemsize": 5056,
    }
)


class Words:
    """The words of a 32-bit seed, and numbers made of them. NumPy twists and tempers whole blocks."""

    __slots__ = ("_block", "_engine", "_place")

    def __init__(self, seed: int) -> None:
        self._engine = np.random.RandomState(seed)
        self._block = _NO_WORDS
        self._place = BLOCK

    def words(self, n: int) -> np.ndarray:
        """The next `n` words as an array of uint32 that must not be written to."""
        start = self._place
        stop = start + n
        if stop <= BLOCK:
            self._place = stop
            return self._block[start:stop]
        rest = self._block[start:]
        missing = n - rest.size
        blocks = -(-missing // BLOCK)
        drawn = self._draw(blocks)
        self._block = drawn[-BLOCK:].copy()
        self._place = missing - (blocks - 1) * BLOCK
        return np.concatenate((rest, drawn[:missing])) if rest.size else drawn[:missing]

    def uniforms32(self, n: int) -> np.ndarray:
        """The next `n` numbers in [0, 1) as float32, from the lower 24 bits of one word each."""
        return np.multiply(self.words(n) & MASK24, np.float32(2.0**-24), dtype=np.float32, casting="same_kind")

    def uniforms64(self, n: int) -> np.ndarray:
        """The next `n` numbers in [0, 1) as float64, from the lower 53 bits of a pair of words each."""
        words = self.words(2 * n)
        numbers = (words[::2] & MASK21) * 2.0**-21
        numbers += words[1::2] * 2.0**-53
        return numbers

    def chosen32(self, n: int, probability: float, value: float) -> np.ndarray:
        """`n` times `value` with a probability, or else 0, as float32, by a uniform number of float64 each."""
        return (self.uniforms64(n) < probability) * np.float32(value)

    def chosen64(self, n: int, probability: float, value: float) -> np.ndarray:
        """The same as float64."""
        return (self.uniforms64(n) < probability) * np.float64(value)

    def integers(self, n: int, span: int, first: int) -> np.ndarray:
        """The next `n` whole numbers of [first, first + span) as int64, from one word each."""
        numbers = (self.words(n) % np.uint32(span)).astype(np.int64)
        numbers += first
        return numbers

    def state(self) -> tuple[np.ndarray, int]:
        """The block before tempering, and the place in it of the next word; 0 before the first one was drawn."""
        key = self._engine.get_state(legacy=False)["state"]["key"]
        return key, self._place if self._block.size else 0

    def restore(self, key: np.ndarray, place: int) -> None:
        """Continue from a state."""
        self._engine.set_state(("MT19937", key, 0 if place else BLOCK, 0, 0.0))
        # A block begun is read through without twisting it, which leaves the engine at its end.
        self._block = self._draw(1) if place else _NO_WORDS
        self._place = place or BLOCK

    def _draw(self, blocks: int) -> np.ndarray:
        return self._engine.randint(0, 1 << 32, size=blocks * BLOCK, dtype=np.uint32)


Stream: Any = getattr(library, "Words", Words)


class MersenneTwister:
    """A stream of 32-bit words with a place in it; all samplers of `kernels.sampling` draw from one.

    `kept_normal` is the second number of a Box-Muller pair whose first one has been handed out, or None.

    >>> MersenneTwister(5489).words(2).tolist()
    [3499211612, 581869302]
    """

    __slots__ = ("_kept_normal32", "_stream", "kept_normal", "seed")

    def __init__(self, seed: int) -> None:
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start the stream of `seed` (64 bits are remembered, the lower 32 count) from its first word."""
        self.seed = seed
        # Made with the first word, so that seeding does not import numpy.random.
        self._stream: Any = None
        self.kept_normal: float | None = None
        self._kept_normal32: float | None = None

    @property
    def stream(self) -> Any:
        """The stream of its words."""
        if self._stream is None:
            self._stream = Stream(self.seed & MASK32)
        return self._stream

    def words(self, n: int) -> np.ndarray:
        """The next `n` words as an array of uint32 that must not be written to."""
        return self.stream.words(n)

    def words64(self, n: int) -> np.ndarray:
        """The next `n` pairs of words as an array of uint64, the first word of a pair being the upper half."""
        pairs = self.words(2 * n).reshape(n, 2)
        return (pairs[:, 0].astype(np.uint64) << np.uint64(32)) | pairs[:, 1]

    def uniforms32(self, n: int) -> np.ndarray:
        """The next `n` numbers in [0, 1) as float32, from the lower 24 bits of one word each."""
        return self.stream.uniforms32(n)

    def uniforms64(self, n: int) -> np.ndarray:
        """The next `n` numbers in [0, 1) as float64, from the lower 53 bits of a pair of words each."""
        return self.stream.uniforms64(n)

    def chosen(self, n: int, probability: float, value: float, dtype: np.dtype) -> np.ndarray:
        """`n` times `value` with a probability, or else 0, as float32 or float64, from a pair of words each."""
        stream = self.stream
        return (stream.chosen64 if dtype == np.float64 else stream.chosen32)(n, probability, value)

    def integers(self, n: int, span: int, first: int) -> np.ndarray:
        """The next `n` whole numbers of [first, first + span) as int64, from one word each."""
        return self.stream.integers(n, span, first)

    def get_state(self) -> np.ndarray:
        """The state as an array of 5056 bytes (uint8)."""
        record = np.zeros((), STATE)
        key, place = self.stream.state()
        record["seed"], record["seeded"] = self.seed, 1
        record["left"], record["next"] = BLOCK + 1 - place if place else 1, place
        record["words"] = key
        for field, kept in (("normal", self.kept_normal), ("normal32", self._kept_normal32)):
            if kept is not None:
                record[field], record["has_" + field] = kept, 1
        return np.frombuffer(record.tobytes(), np.uint8).copy()

    def set_state(self, state: np.ndarray) -> None:
        """Continue from `state`, 5056 bytes as `get_state` gives them; RuntimeError when they are no such state."""
        if state.size != STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE.itemsize} but found the input RNG state size to be "
                f"{state.size}; pass what get_state() returned"
            )
        record = np.frombuffer(state.tobytes(), STATE)[0]
        if not (record["seeded"] and 0 < record["left"] <= BLOCK and record["next"] <= BLOCK):
            raise RuntimeError("Invalid mt19937 state: these bytes were not written by get_state()")
        self.reseed(int(record["seed"]))
        self.stream.restore(record["words"].astype(np.uint32), int(record["next"]))
        self.kept_normal = float(record["normal"]) if record["has_normal"] else None
        self._kept_normal32 = float(record["normal32"]) if record["has_normal32"] else None

    def clone(self) -> MersenneTwister:
        """A twister at the same place of the same stream that goes on by itself."""
        twin = MersenneTwister(self.seed)
        twin.set_state(self.get_state())
        return twin
