"""Attention from scratch, checked against nn.MultiheadAttention and scaled_dot_product_attention."""

import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class CausalSelfAttention(nn.Module):
    def __init__(self, dim, heads, block):
        super().__init__()
        assert dim % heads == 0
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("mask", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.proj(y), att


class Block(nn.Module):
    def __init__(self, dim, heads, block):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = CausalSelfAttention(dim, heads, block)
        self.mlp = nn.ModuleDict(dict(fc=nn.Linear(dim, 4 * dim), act=nn.GELU(), out=nn.Linear(4 * dim, dim)))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))[0]
        h = self.mlp
        return x + h.out(h.act(h.fc(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self, vocab, dim, heads, layers, block):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, dim), nn.Embedding(block, dim)
        self.h = nn.ModuleList([Block(dim, heads, block) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(dim)
        self.lm_head = nn.Linear(dim, vocab, bias=False)
        self.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device).unsqueeze(0)
        x = self.wte(idx) + self.wpe(pos)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = (
            None
            if targets is None
            else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        )
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, n, temperature=1.0, top_k=None):
        for _ in range(n):
            logits, _ = self(idx[:, -8:])
            logits = logits[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, top_k)
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), 1)), dim=1)
        return idx


model = GPT(12, 16, 2, 2, 8)
print(model)
print("number of parameters: %d" % sum(p.numel() for p in model.parameters()))
decay = {n for n, p in model.named_parameters() if p.dim() >= 2}
groups = [
    {"params": [p for n, p in model.named_parameters() if n in decay], "weight_decay": 0.1},
    {"params": [p for n, p in model.named_parameters() if n not in decay], "weight_decay": 0.0},
]
opt = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
x = torch.randint(0, 12, (4, 8))
y = torch.cat([x[:, 1:], torch.full((4, 1), -1)], 1)
for i in range(8):
    logits, loss = model(x, y)
    opt.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    print(i, f"{loss.item():.5f} {norm.item():.5f}")
print(model.generate(x[:2, :3], 6, temperature=0.9, top_k=4))
q, k, v = (torch.randn(2, 2, 5, 4) for _ in range(3))
w = torch.softmax(q @ k.mT / 2 + torch.full((5, 5), -torch.inf).triu(1), -1)
print(torch.allclose(w @ v, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-6))
mha = nn.MultiheadAttention(8, 2, batch_first=True)
z = torch.randn(2, 5, 8)
pad = torch.tensor([[False] * 5, [False, False, False, True, True]])
out, weights = mha(z, z, z, key_padding_mask=pad)
print(out[1], weights[1])
print(mha(z, z, z, need_weights=False, attn_mask=nn.Transformer.generate_square_subsequent_mask(5))[0].sum())
