"""The set-up code of real training scripts: seeds, devices, flags, autocast, scalers, compile, anomaly detection."""

import os
import random
import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


seed_everything(1234)
torch.set_num_threads(1)
torch.set_float32_matmul_precision("high")
torch.backends.cuda.matmul.allow_tf32 = True
torch.use_deterministic_algorithms(True)
print(torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(), torch.get_float32_matmul_precision())
torch.use_deterministic_algorithms(False)
device = torch.device("cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
print(device, device.type, device.index, torch.cuda.device_count(), torch.cuda.is_available())
use_cuda = torch.cuda.is_available()
kwargs = {"num_workers": 1, "pin_memory": True} if use_cuda else {}
if use_cuda:
    torch.cuda.empty_cache()
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
if torch.cuda.device_count() > 1:
    model = nn.DataParallel(model)
x = Variable(torch.randn(5, 4), requires_grad=True).to(device, non_blocking=True)
y = torch.randn(5, 1, device=device)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cuda", enabled=use_cuda)
for i in range(3):
    opt.zero_grad()
    with torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=False):
        loss = nn.functional.mse_loss(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(opt)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(opt)
    scaler.update()
    print(i, loss.item())
print(
    next(model.parameters()).device,
    next(model.parameters()).is_cuda,
    x.device == device,
    torch.zeros(1, device="cpu").device,
)
with torch.autograd.set_detect_anomaly(True):
    model(x).sum().backward()
with torch.autograd.detect_anomaly(check_nan=True):
    model(x).sum().backward()
torch.autograd.set_detect_anomaly(False)
torch.set_grad_enabled(True)


@torch.no_grad()
def evaluate(m):
    m.eval()
    return m(x).mean()


print(evaluate(model), torch.is_grad_enabled())
print(model.cpu()[0].weight.device, model.float()[0].weight.dtype, x.cpu().detach().numpy().shape)
print(
    torch.get_default_dtype(),
    torch.__version__ is not None,
    isinstance(torch.__version__, str),
    torch.get_default_device(),
)
with torch.device("cpu"):
    print(torch.ones(2).device)
torch.testing.assert_close(torch.ones(2), torch.ones(2) + 1e-7)
try:
    torch.testing.assert_close(torch.ones(2), torch.tensor([1.0, 1.1]))
except AssertionError as e:
    print(str(e).splitlines()[0])
try:
    torch.zeros(1).cuda()
except (AssertionError, RuntimeError) as e:
    print(type(e).__name__)
compiled = torch.compile(model, disable=True) if hasattr(torch, "compile") else model
print(compiled(x).shape)
torch.set_default_device("cpu")
if __name__ == "__main__":
    print("done", torch.initial_seed())
