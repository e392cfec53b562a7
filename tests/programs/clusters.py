"""K-means, PCA, k nearest neighbours and a Gaussian mixture with plain tensors."""

import torch

torch.manual_seed(0)
centres = torch.tensor([[0.0, 0.0], [4.0, 4.0], [0.0, 5.0]])
x = torch.cat([c + torch.randn(20, 2) * 0.6 for c in centres])
c = x[torch.randperm(len(x))[:3]].clone()
for it in range(10):
    dist = torch.cdist(x, c)
    label = dist.argmin(dim=1)
    new = torch.zeros_like(c).index_add_(0, label, x) / torch.bincount(label, minlength=3).clamp(min=1).unsqueeze(1)
    moved = (new - c).norm()
    c = new
    print(it, moved, ((x[:, None] - c[None]) ** 2).sum(-1).min(1).values.sum())
    if moved < 1e-6:
        break
print(c[c[:, 0].argsort()], label.unique(return_counts=True))
mean = x.mean(0, keepdim=True)
xc = x - mean
cov = xc.T @ xc / (len(x) - 1)
print(cov, torch.allclose(cov, torch.cov(x.T), atol=1e-5))
evals, evecs = torch.linalg.eigh(cov)
print(evals, evecs.abs())
U, S, Vh = torch.linalg.svd(xc, full_matrices=False)
print(S, (S**2 / (len(x) - 1)), Vh.abs())
proj = xc @ Vh.T[:, :1]
print(proj.abs()[:4].squeeze(1))
d = torch.cdist(x[:5], x, p=2)
near = d.topk(4, largest=False)
print(near.indices, near.values)
y = torch.arange(3).repeat_interleave(20)
votes = y[near.indices].mode(dim=1).values
print(votes)
pi = torch.full((3,), 1 / 3)
mu, var = centres + 0.5, torch.ones(3, 2)
for it in range(5):
    logp = (
        -0.5 * (((x[:, None] - mu) ** 2 / var) + var.log() + torch.log(torch.tensor(2 * torch.pi))).sum(-1) + pi.log()
    )
    ll = logp.logsumexp(1)
    r = (logp - ll[:, None]).exp()
    nk = r.sum(0)
    pi, mu = nk / len(x), (r.T @ x) / nk[:, None]
    var = (r.T @ x**2) / nk[:, None] - mu**2
    print(it, ll.mean())
print(pi, mu, var)
print(x.median(dim=0), x.quantile(0.9, dim=0), x.min(), x.std(0), x.var(0, unbiased=False))
print(torch.histc(x[:, 0], bins=5, min=-2, max=6), torch.corrcoef(x.T))
grid = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij"), -1)
print(grid, torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])), torch.combinations(torch.arange(3)))
A = torch.tensor([[4.0, 1], [1, 3]])
b = torch.tensor([1.0, 2])
print(
    torch.linalg.solve(A, b),
    torch.linalg.inv(A),
    torch.det(A),
    torch.linalg.cholesky(A),
    torch.linalg.norm(A),
    torch.trace(A),
    torch.linalg.qr(A).R.abs(),
)
print(
    torch.linalg.matrix_rank(A), torch.linalg.eigvalsh(A), torch.linalg.pinv(A), torch.outer(b, b), torch.linalg.cond(A)
)
