"""Every optimizer on one bowl, closures, schedulers, maximise, weight decay, momentum variants, per-step values."""

import torch
from torch import optim

torch.manual_seed(0)
A = torch.tensor([[3.0, 0.5], [0.5, 1.0]])
b = torch.tensor([1.0, -2.0])
f = lambda x: 0.5 * x @ A @ x - b @ x
for name, make in {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.3),
    "amsgrad": lambda p: optim.Adam(p, lr=0.3, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.3, weight_decay=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.3),
    "NAdam": lambda p: optim.NAdam(p, lr=0.3),
    "RAdam": lambda p: optim.RAdam(p, lr=0.3),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.5, lr_decay=0.01),
    "Adadelta": lambda p: optim.Adadelta(p, lr=5.0),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1),
    "Rprop": lambda p: optim.Rprop(p, lr=0.1),
    "maximize": lambda p: optim.SGD(p, lr=-0.0 + 0.01, maximize=True),
}.items():
    x = torch.tensor([1.0, 1.0], requires_grad=True)
    opt = make([x])
    values = []
    for _ in range(12):
        opt.zero_grad()
        loss = f(x)
        loss.backward()
        opt.step()
        values.append(loss.item())
    print(f"{name:10s}", [round(v, 4) for v in values[::4]], x.data, sorted(opt.state[x]) if name != "SGD" else "")
x = torch.zeros(2, requires_grad=True)
opt = optim.LBFGS([x], lr=1, line_search_fn="strong_wolfe", history_size=5)


def closure():
    opt.zero_grad()
    loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    loss.backward()
    return loss


for i in range(4):
    print(i, opt.step(closure).item(), x.tolist())


def lrs(make, steps=8):
    p = torch.zeros(1, requires_grad=True)
    opt = optim.SGD([p], lr=1.0, momentum=0.9)
    s = make(opt)
    out = [opt.param_groups[0]["lr"]]
    for _ in range(steps):
        opt.step()
        s.step()
        out.append(opt.param_groups[0]["lr"])
    return [round(v, 5) for v in out]


S = optim.lr_scheduler
for name, make in {
    "Step": lambda o: S.StepLR(o, 3, 0.5),
    "Multi": lambda o: S.MultiStepLR(o, [2, 5], 0.1),
    "Const": lambda o: S.ConstantLR(o, 0.5, 3),
    "Linear": lambda o: S.LinearLR(o, 0.25, 1.0, 4),
    "Exp": lambda o: S.ExponentialLR(o, 0.8),
    "Poly": lambda o: S.PolynomialLR(o, 6, 2.0),
    "Cos": lambda o: S.CosineAnnealingLR(o, 4, 0.1),
    "Warm": lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2),
    "Cyclic": lambda o: S.CyclicLR(o, 0.1, 1.0, 2, 3),
    "tri2": lambda o: S.CyclicLR(o, 0.1, 1.0, 2, mode="triangular2"),
    "One": lambda o: S.OneCycleLR(o, 2.0, epochs=3, steps_per_epoch=3),
    "Lambda": lambda o: S.LambdaLR(o, lambda e: 1 / (e + 1)),
    "Mult": lambda o: S.MultiplicativeLR(o, lambda e: 0.9),
    "Chain": lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)]),
    "Seq": lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, 1, 3), S.StepLR(o, 2, 0.5)], [3]),
}.items():
    print(name, lrs(make))
p = torch.zeros(1, requires_grad=True)
opt = optim.SGD([p], lr=1.0)
plateau = S.ReduceLROnPlateau(opt, "min", factor=0.5, patience=1, cooldown=1, min_lr=0.1)
for v in (1.0, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97):
    plateau.step(v)
    print(v, opt.param_groups[0]["lr"], end="; ")
print(plateau.state_dict()["num_bad_epochs"])
noam = S.LambdaLR(opt, lambda s: 16**-0.5 * min((s + 1) ** -0.5, (s + 1) * 4**-1.5))
print(
    [(opt.step(), noam.step(), round(noam.get_last_lr()[0], 6))[2] for _ in range(6)],
    noam.last_epoch,
    sorted(noam.state_dict()),
)
a, c = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
opt = optim.SGD([{"params": [a], "lr": 0.1}, {"params": [c]}], lr=0.01, weight_decay=0.1)
(a.sum() + c.sum() * 2).backward()
opt.step()
print(a, c, opt)
calls = []
handle = opt.register_step_post_hook(lambda o, args, kwargs: calls.append(len(args)))
opt.step()
handle.remove()
opt.step()
print(calls, len(opt.state), opt.defaults["lr"])
