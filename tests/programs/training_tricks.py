"""Gradient clipping and accumulation, warmup with LambdaLR, early stopping, checkpoints and resuming, EMA weights."""

import copy
import os
import tempfile
import torch
from torch import nn
from torch.optim import lr_scheduler

torch.manual_seed(0)
X, W = torch.randn(64, 6), torch.randn(6, 1)
Y = X @ W + 0.1 * torch.randn(64, 1)


def make():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.ELU(), nn.Linear(8, 1))
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)
    sched = lr_scheduler.LambdaLR(opt, lr_lambda=lambda s: min(1.0, (s + 1) / 5) * 0.95**s)
    return model, opt, sched


def run(model, opt, sched, start, stop, log=True):
    for step in range(start, stop):
        opt.zero_grad()
        total = 0.0
        for part in range(4):
            xb, yb = X[part * 16 : (part + 1) * 16], Y[part * 16 : (part + 1) * 16]
            loss = nn.functional.mse_loss(model(xb), yb) / 4
            loss.backward()
            total += loss.item()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
        opt.step()
        sched.step()
        if log and step % 3 == 0:
            print(f"step {step:2d} loss {total:.5f} norm {norm:.4f} lr {sched.get_last_lr()[0]:.6f}")


model, opt, sched = make()
run(model, opt, sched, 0, 12)
path = os.path.join(tempfile.mkdtemp(), "ckpt.pt")
m2, o2, s2 = make()
run(m2, o2, s2, 0, 6, log=False)
torch.save(
    {
        "epoch": 6,
        "model_state_dict": m2.state_dict(),
        "optimizer_state_dict": o2.state_dict(),
        "sched": s2.state_dict(),
        "loss": 0.4,
        "rng": torch.get_rng_state(),
    },
    path,
)
m3, o3, s3 = make()
checkpoint = torch.load(path)
m3.load_state_dict(checkpoint["model_state_dict"])
o3.load_state_dict(checkpoint["optimizer_state_dict"])
s3.load_state_dict(checkpoint["sched"])
run(m3, o3, s3, checkpoint["epoch"], 12)
print(all(torch.equal(a, b) for a, b in zip(model.parameters(), m3.parameters())))
print(sorted(checkpoint), checkpoint["optimizer_state_dict"]["param_groups"])
print({k: (v if isinstance(v, float) else v.shape) for k, v in checkpoint["optimizer_state_dict"]["state"][0].items()})
full = os.path.join(os.path.dirname(path), "full.pt")
torch.save(model, full)
again = torch.load(full, weights_only=False)
print(again, torch.equal(again(X), model(X)))
ema = copy.deepcopy(model)
with torch.no_grad():
    for e, p in zip(ema.parameters(), m2.parameters()):
        e.mul_(0.9).add_(p, alpha=0.1)
print(ema[0].bias)
nn.utils.clip_grad_value_(model.parameters(), 0.01)
print(max(p.grad.abs().max() for p in model.parameters()))
opt = torch.optim.SGD(
    [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}], lr=0.1, momentum=0.9
)
table = {
    "step": lr_scheduler.StepLR(opt, 3),
    "multi": lr_scheduler.MultiStepLR(opt, [2, 4]),
    "exp": lr_scheduler.ExponentialLR(opt, 0.9),
}
for name, s in table.items():
    for g in opt.param_groups:
        g["lr"] = g["initial_lr"]
    lrs = []
    for _ in range(5):
        opt.step()
        s.step()
        lrs.append([round(v, 6) for v in s.get_last_lr()])
    print(name, lrs)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
warm = lr_scheduler.SequentialLR(
    opt, [lr_scheduler.LinearLR(opt, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(opt, 5)], milestones=[3]
)
lrs = []
for _ in range(8):
    opt.step()
    warm.step()
    lrs.append(round(opt.param_groups[0]["lr"], 6))
print(lrs)
opt = torch.optim.Adam(model.parameters(), lr=0.1)
one = lr_scheduler.OneCycleLR(opt, max_lr=0.5, total_steps=8)
print([(opt.step(), one.step(), round(one.get_last_lr()[0], 6))[2] for _ in range(7)], opt.param_groups[0]["betas"])
