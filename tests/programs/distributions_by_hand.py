"""Distributions by hand: sampling, log densities, Gumbel softmax, reparameterised gradients, Monte Carlo, MCMC."""

import math
import torch
import torch.nn.functional as F

torch.manual_seed(10)
mu, log_sigma = torch.tensor(0.5, requires_grad=True), torch.tensor(-0.5, requires_grad=True)
eps = torch.randn(1000)
sample = mu + log_sigma.exp() * eps
print(sample.mean(), sample.std())
(sample**2).mean().backward()
print(mu.grad, log_sigma.grad)


def log_normal(x, mu, sigma):
    return -0.5 * math.log(2 * math.pi) - torch.log(sigma) - (x - mu) ** 2 / (2 * sigma**2)


print(log_normal(torch.tensor([0.0, 1.0, 2.0]), torch.tensor(0.0), torch.tensor(1.0)))
logits = torch.tensor([[1.0, 2.0, 0.5], [0.1, 0.1, 3.0]])
probs = logits.softmax(-1)
print(probs, -(probs * probs.log()).sum(-1), torch.multinomial(probs, 5, replacement=True))
for temperature in (0.1, 1.0, 10.0):
    print(temperature, F.softmax(logits[0] / temperature, dim=0))
print(F.gumbel_softmax(logits, tau=0.5), F.gumbel_softmax(logits, tau=1.0, hard=True))
u = torch.rand(3)
print(-torch.log(-torch.log(u)), -torch.log1p(-u) / 2.0)
print(
    torch.bernoulli(torch.full((8,), 0.3)),
    torch.poisson(torch.full((6,), 4.0)),
    torch.empty(4).exponential_(1.5),
    torch.empty(3).uniform_(-1, 1),
    torch.empty(3).normal_(2, 0.1),
    torch.normal(torch.arange(3.0), torch.tensor([0.1, 0.2, 0.3])),
)
p, q = torch.tensor([0.2, 0.8]), torch.tensor([0.5, 0.5])
print(
    (p * (p / q).log()).sum(),
    F.kl_div(q.log(), p, reduction="sum"),
    F.kl_div(logits.log_softmax(-1), probs, reduction="batchmean"),
)
m1, s1, m2, s2 = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), torch.tensor([1.5, 0.5])
print(torch.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5)
L = torch.linalg.cholesky(torch.tensor([[2.0, 0.6], [0.6, 1.0]]))
s = torch.randn(2000, 2) @ L.T + torch.tensor([1.0, -1.0])
print(L, s.mean(0), torch.cov(s.T))
x, accepted, chain = torch.zeros(()), 0, []
for _ in range(200):
    prop = x + torch.randn(())
    if torch.rand(()) < torch.exp(-0.5 * (prop**2 - x**2)):
        x, accepted = prop, accepted + 1
    chain.append(x)
chain = torch.stack(chain)
print(accepted, chain.mean(), chain.var())
inside = (torch.rand(5000, 2).pow(2).sum(1) <= 1).float().mean() * 4
print(
    f"pi ~ {inside:.3f}",
    torch.lgamma(torch.tensor([2.5, 5.0])),
    torch.digamma(torch.tensor(1.0)),
    torch.erf(torch.tensor(0.5)),
    torch.special.ndtr(torch.tensor([0.0, 1.96])),
)
a, b = torch.tensor(2.0), torch.tensor(3.0)
xs = torch.tensor([0.2, 0.5])
print((a - 1) * xs.log() + (b - 1) * torch.log1p(-xs) - (torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)))


def top_p(logits, p):
    values, idx = logits.sort(descending=True)
    cum = values.softmax(-1).cumsum(-1)
    drop = cum - values.softmax(-1) > p
    values[drop] = -math.inf
    return torch.full_like(logits, -math.inf).scatter(-1, idx, values)


print(top_p(torch.tensor([3.0, 1.0, 2.0, 0.1]), 0.7), torch.logsumexp(logits, 1), torch.logcumsumexp(logits[0], 0))
state = torch.get_rng_state()
r1 = torch.rand(2)
torch.set_rng_state(state)
print(torch.equal(r1, torch.rand(2)), torch.initial_seed(), state.dtype)
g1, g2 = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
print(
    torch.equal(torch.randn(3, generator=g1), torch.randn(3, generator=g2)),
    torch.randperm(5, generator=g1),
    torch.randint(-3, 3, (5,), generator=g1),
)
w = torch.softmax(torch.randn(6), 0)
grid = torch.linspace(0, 1, 7)[:-1] + torch.rand(()) / 6
print(torch.searchsorted(w.cumsum(0), grid).clamp(max=5), 1 / (w**2).sum())
