"""A small diffusion model: schedules, time embeddings, training, DDPM and DDIM sampling; score matching, codebooks."""

import math
import copy
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
T = 20
betas = torch.linspace(1e-4, 0.2, T)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, dim=0)
alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)
print(alphas_cumprod, posterior_variance[:3])


def cosine_schedule(T, s=0.008):
    x = torch.linspace(0, T, T + 1)
    a = torch.cos(((x / T) + s) / (1 + s) * torch.pi * 0.5) ** 2
    a = a / a[0]
    return torch.clip(1 - (a[1:] / a[:-1]), 0.0001, 0.9999)


print(cosine_schedule(5))


def extract(a, t, shape):
    return a.gather(-1, t.cpu()).reshape(t.shape[0], *((1,) * (len(shape) - 1))).to(t.device)


class Sinusoidal(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        e = torch.exp(torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1)))
        e = time[:, None] * e[None, :]
        return torch.cat((e.sin(), e.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(Sinusoidal(8), nn.Linear(8, 16), nn.SiLU())
        self.a, self.b, self.c = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x, t):
        h = F.silu(self.a(x) + self.time(t))
        return self.c(F.silu(self.b(h)) + h)


model = Denoiser()
ema = copy.deepcopy(model).eval().requires_grad_(False)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
angles = torch.rand(64) * 2 * math.pi
data = torch.stack([angles.cos(), angles.sin()], 1)
for step in range(20):
    t = torch.randint(0, T, (64,)).long()
    noise = torch.randn_like(data)
    noisy = (
        extract(alphas_cumprod.sqrt(), t, data.shape) * data
        + extract((1 - alphas_cumprod).sqrt(), t, data.shape) * noise
    )
    loss = F.smooth_l1_loss(model(noisy, t), noise)
    opt.zero_grad()
    loss.backward()
    opt.step()
    for e, p in zip(ema.parameters(), model.parameters()):
        e.lerp_(p, 0.1)
    if step % 5 == 0:
        print(step, loss.item())


@torch.no_grad()
def sample(net, n, eta):
    x = torch.randn(n, 2)
    for i in reversed(range(T)):
        t = torch.full((n,), i, dtype=torch.long)
        eps = net(x, t)
        ab, abp = alphas_cumprod[i], alphas_cumprod_prev[i]
        x0 = ((x - (1 - ab).sqrt() * eps) / ab.sqrt()).clamp(-2, 2)
        sigma = eta * ((1 - abp) / (1 - ab) * (1 - ab / abp)).sqrt()
        x = abp.sqrt() * x0 + (1 - abp - sigma**2).clamp_min(0).sqrt() * eps
        if i > 0 and eta > 0:
            x = x + sigma * torch.randn_like(x)
    return x


print(sample(model, 3, 1.0), sample(ema, 3, 0.0))
score = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 2))
x = data[:16].clone().requires_grad_()
s = score(x)
trace = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2))
loss = (trace + 0.5 * s.pow(2).sum(1)).mean()
loss.backward()
print(loss, score[0].weight.grad)
energy = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
z = torch.randn(4, 2, requires_grad=True)
for _ in range(5):
    (g,) = torch.autograd.grad(energy(z).sum(), z)
    z.data.add_(g, alpha=-0.1).add_(torch.randn_like(z) * 0.05)
print(z)
log_det, w = 0.0, data[:4]
for k in range(2):
    a, b = w.chunk(2, 1)
    net = nn.Linear(1, 2)
    s, t = net(a).chunk(2, 1)
    w = torch.cat([b * s.tanh().exp() + t, a], 1)
    log_det = log_det + s.tanh().sum(1)
print(w, log_det)
emb = torch.randn(4, 3)
codebook = torch.randn(5, 3, requires_grad=True)
d = emb.pow(2).sum(1, keepdim=True) - 2 * emb @ codebook.t() + codebook.pow(2).sum(1)
code = d.argmin(1)
quantised = codebook[code]
st = emb + (quantised - emb).detach()
(F.mse_loss(quantised, emb.detach()) + 0.25 * F.mse_loss(quantised.detach(), emb)).backward()
print(code, st, codebook.grad, (-(p := torch.bincount(code, minlength=5) / 4) * (p + 1e-10).log()).sum().exp())
