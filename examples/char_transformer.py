"""A character-level transformer that learns to write like the book of Genesis, and then writes.

Shows a decoder-only transformer put together from nn.Linear, nn.Embedding, nn.LayerNorm and
F.scaled_dot_product_attention, AdamW with warm-up, gradient clipping, and sampling with torch.multinomial. The blocks
normalise before each part, as in GPT-2 (Radford et al., 2019).

    rushlight run examples/char_transformer.py      # about a minute or less
    python examples/char_transformer.py             # with PyTorch
    rushlight run examples/char_transformer.py --steps 3000 --prompt "And Noah "
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

TEXT = Path(__file__).resolve().parent / "data" / "genesis.txt"


class Block(nn.Module):
    """Causal self-attention, then a two-layer perceptron, each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        split = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Transformer(nn.Module):
    """(batch, length) indices of characters to (batch, length, symbols) logits of the character that follows each."""

    def __init__(self, symbols: int, length: int, width: int = 96, heads: int = 4, depth: int = 3) -> None:
        super().__init__()
        self.length = length
        self.characters = nn.Embedding(symbols, width)
        self.positions = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, symbols)
        self.apply(self.start_small)

    @staticmethod
    def start_small(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(indices.shape[1])
        return self.head(self.norm(self.blocks(self.characters(indices) + self.positions(positions))))


def batch_of(data: torch.Tensor, length: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pieces of the text, and the same pieces one character later."""
    starts = torch.randint(len(data) - length, (size, 1))
    places = starts + torch.arange(length)
    return data[places], data[places + 1]


def loss_of(model: Transformer, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of the next character, in nats."""
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


def train(model: Transformer, data: torch.Tensor, steps: int, batch: int) -> None:
    """Train with warm-up and cosine decay, and say how it goes."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    warmup = min(50, steps)

    def rate(step: int) -> float:
        return min((step + 1) / warmup, 0.55 + 0.45 * math.cos(math.pi * step / steps))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    start = time.perf_counter()
    for step in range(steps):
        loss = loss_of(model, *batch_of(data, model.length, batch))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % max(1, steps // 10) == 0:
            print(f"step {step:5}  loss {loss.item():.3f}  {time.perf_counter() - start:5.1f} s", flush=True)


@torch.no_grad()
def write(model: Transformer, start: torch.Tensor, count: int) -> torch.Tensor:
    """Continue a (length,) tensor of indices by sampling one character after the other."""
    indices = start.unsqueeze(0)
    for _ in range(count):
        logits = model(indices[:, -model.length :])[:, -1]
        indices = torch.cat([indices, torch.multinomial(F.softmax(logits / 0.8, dim=-1), 1)], dim=1)
    return indices[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a character-level transformer on Genesis.")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=64, help="how many characters the model sees")
    parser.add_argument("--prompt", default="And God said, ")
    parser.add_argument("--characters", type=int, default=300, help="how many characters to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.steps < 1:
        parser.error("--steps must be at least 1")

    torch.manual_seed(options.seed)
    text = TEXT.read_text(encoding="ascii")
    symbols = sorted(set(text))
    unknown = set(options.prompt) - set(symbols)
    if unknown or not options.prompt:
        parser.error(f"--prompt needs characters of the text, at least one; not in it: {sorted(unknown)}")
    number = {symbol: index for index, symbol in enumerate(symbols)}
    data = torch.tensor([number[symbol] for symbol in text])
    training, test = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]

    model = Transformer(len(symbols), options.length)
    print(f"{len(text)} characters, {len(symbols)} different; {sum(p.numel() for p in model.parameters())} parameters")
    train(model, training, options.steps, options.batch)
    model.eval()
    with torch.no_grad():
        held_out = loss_of(model, *batch_of(test, options.length, 64)).item()
    print(f"held-out loss: {held_out:.3f} nats a character (guessing blindly: {math.log(len(symbols)):.3f})\n")
    written = write(model, torch.tensor([number[symbol] for symbol in options.prompt]), options.characters)
    print("".join(symbols[index] for index in written.tolist()))


if __name__ == "__main__":
    main()
