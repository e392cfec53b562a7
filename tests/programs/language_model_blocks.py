"""Parts of language models: RMSNorm, rotary positions, SwiGLU, grouped queries, experts, LoRA, a cache of keys."""

import math
from dataclasses import dataclass
import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    dim: int = 16
    heads: int = 4
    kv_heads: int = 2
    vocab: int = 20
    layers: int = 2


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x)


def precompute_freqs_cis(dim, end, theta=10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    freqs = torch.outer(torch.arange(end), freqs).float()
    return torch.polar(torch.ones_like(freqs), freqs)


def apply_rotary_emb(x, freqs):
    x_ = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(x_ * freqs.view(1, x.shape[1], 1, -1)).flatten(3).type_as(x)


def rotate_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.hd = c, c.dim // c.heads
        self.wq = nn.Linear(c.dim, c.heads * self.hd, bias=False)
        self.wk = nn.Linear(c.dim, c.kv_heads * self.hd, bias=False)
        self.wv = nn.Linear(c.dim, c.kv_heads * self.hd, bias=False)
        self.wo = nn.Linear(c.heads * self.hd, c.dim, bias=False)

    def forward(self, x, freqs, cache=None):
        b, t, _ = x.shape
        q = apply_rotary_emb(self.wq(x).view(b, t, self.c.heads, self.hd), freqs)
        k = apply_rotary_emb(self.wk(x).view(b, t, self.c.kv_heads, self.hd), freqs)
        v = self.wv(x).view(b, t, self.c.kv_heads, self.hd)
        if cache is not None:
            if "k" in cache:
                k, v = torch.cat([cache["k"], k], 1), torch.cat([cache["v"], v], 1)
            cache["k"], cache["v"] = k, v
        k, v = (z.repeat_interleave(self.c.heads // self.c.kv_heads, dim=2) for z in (k, v))
        q, k, v = (z.transpose(1, 2) for z in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1)
        return self.wo(y.transpose(1, 2).reshape(b, t, -1))


class SwiGLU(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.w1, self.w2, self.w3 = (
            nn.Linear(dim, 2 * dim, bias=False),
            nn.Linear(2 * dim, dim, bias=False),
            nn.Linear(dim, 2 * dim, bias=False),
        )

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class MoE(nn.Module):
    def __init__(self, dim, n=4, k=2):
        super().__init__()
        self.gate, self.experts, self.k = nn.Linear(dim, n, bias=False), nn.ModuleList(SwiGLU(dim) for _ in range(n)), k

    def forward(self, x):
        flat = x.view(-1, x.shape[-1])
        weights, chosen = torch.topk(self.gate(flat), self.k)
        weights = F.softmax(weights, dim=1, dtype=torch.float).to(x.dtype)
        out = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            token, nth = torch.where(chosen == i)
            out[token] += weights[token, nth, None] * expert(flat[token])
        return out.view_as(x)


class Layer(nn.Module):
    def __init__(self, c, moe):
        super().__init__()
        self.attn, self.ff = Attention(c), MoE(c.dim) if moe else SwiGLU(c.dim)
        self.n1, self.n2 = RMSNorm(c.dim), RMSNorm(c.dim)

    def forward(self, x, freqs, cache=None):
        x = x + self.attn(self.n1(x), freqs, cache)
        return x + self.ff(self.n2(x))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.tok = nn.Embedding(c.vocab, c.dim)
        self.layers = nn.ModuleList(Layer(c, i % 2 == 1) for i in range(c.layers))
        self.norm, self.out = RMSNorm(c.dim), nn.Linear(c.dim, c.vocab, bias=False)
        self.register_buffer("freqs", precompute_freqs_cis(c.dim // c.heads, 32), persistent=False)

    def forward(self, ids, start=0, caches=None):
        x = self.tok(ids)
        freqs = self.freqs[start : start + ids.shape[1]]
        for i, layer in enumerate(self.layers):
            x = layer(x, freqs, None if caches is None else caches[i])
        return self.out(self.norm(x)).float()


torch.manual_seed(0)
c = Config()
model = Model(c)
print(c, model)
ids = torch.randint(0, c.vocab, (2, 7))
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=False)
for i in range(5):
    logits = model(ids[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    print(i, loss.item(), model.layers[1].ff.gate.weight.grad.norm().item())
model.eval()
with torch.inference_mode():
    full = model(ids)
    caches = [{} for _ in range(c.layers)]
    steps = [model(ids[:, :3], 0, caches)] + [model(ids[:, i : i + 1], i, caches) for i in range(3, 7)]
    print(torch.allclose(full, torch.cat(steps, 1), atol=1e-5), caches[0]["k"].shape)
    print(full[0, -1])
print(
    torch.allclose(RMSNorm(16)(logits[..., :16]), F.rms_norm(logits[..., :16], (16,), eps=1e-6), atol=1e-6),
    rotate_half(torch.arange(4.0)),
)


class LoRA(nn.Module):
    def __init__(self, base, r=2, alpha=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(r, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / r

    def forward(self, x):
        return self.base(x) + (x @ self.A.T @ self.B.T) * self.scale


for layer in model.layers:
    layer.attn.wq, layer.attn.wv = LoRA(layer.attn.wq), LoRA(layer.attn.wv)
for n, p in model.named_parameters():
    p.requires_grad = n.endswith((".A", ".B"))
print(
    sum(p.numel() for p in model.parameters() if p.requires_grad),
    [n for n, p in model.named_parameters() if p.requires_grad][:3],
)
model.train()
opt = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-2)
for i in range(3):
    loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, loss.item())
print(model.layers[0].attn.wq.B, model.layers[0].attn.wq)
q = torch.round(model.out.weight / (model.out.weight.abs().amax(1, keepdim=True) / 127)).to(torch.int8)
print(q.dtype, q[0, :6], q.float().abs().max())
alibi = -torch.arange(5).flip(0).view(1, 1, 5) * torch.tensor([2 ** -(8 * (i + 1) / 4) for i in range(4)]).view(4, 1, 1)
print(
    alibi[1],
    F.scaled_dot_product_attention(
        torch.ones(1, 1, 2, 4),
        torch.ones(1, 1, 5, 4),
        torch.arange(20.0).view(1, 1, 5, 4),
        attn_mask=alibi[0].expand(2, 5),
    ),
)
