"""A small convolutional network on synthetic pictures, with momentum, StepLR and per-class accuracy."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)
classes = ("plane", "car", "bird")
images = torch.randn(48, 3, 16, 16) * 0.3
labels = torch.randint(0, 3, (48,))
for i in range(48):
    images[i, labels[i], labels[i] * 4 : labels[i] * 4 + 5] += 1.0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.bn = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc1 = nn.Linear(8 * 3 * 3, 24)
        self.drop = nn.Dropout(p=0.25)
        self.fc2 = nn.Linear(24, 3)

    def forward(self, x):
        x = self.pool(F.relu(self.bn(self.conv1(x))))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = self.drop(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


net = Net()
print(net)
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
for epoch in range(4):
    running_loss = 0.0
    for i in range(0, 48, 8):
        optimizer.zero_grad()
        loss = F.nll_loss(net(images[i : i + 8]), labels[i : i + 8])
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print(f"[{epoch + 1}] loss: {running_loss / 6:.3f} lr {scheduler.get_last_lr()}")
    scheduler.step()
net.eval()
correct_pred = {c: 0 for c in classes}
total_pred = {c: 0 for c in classes}
with torch.no_grad():
    outputs = net(images)
    _, predictions = torch.max(outputs, 1)
    for label, prediction in zip(labels, predictions):
        correct_pred[classes[label]] += int(label == prediction)
        total_pred[classes[label]] += 1
for c, k in correct_pred.items():
    print(f"Accuracy for class: {c:5s} is {100 * k / total_pred[c]:.1f} %")
print("Predicted: ", " ".join(f"{classes[predictions[j]]:5s}" for j in range(4)))
print(outputs[:3].exp())
print(net.conv1.weight.grad.norm(), net.conv2.bias.grad)
print(net.bn.running_mean, net.bn.running_var, net.bn.num_batches_tracked)
print({k: tuple(v.shape) for k, v in net.state_dict().items()})
print(
    F.avg_pool2d(images[:1], 8),
    F.adaptive_avg_pool2d(images[:1], 1).flatten(),
    F.interpolate(images[:1, :1, :2, :2], scale_factor=2),
)
up = nn.ConvTranspose2d(3, 2, 2, stride=2)
print(up(images[:2]).shape, up(images[:2]).mean(), nn.Conv1d(4, 2, 3, groups=2, dilation=2)(torch.ones(1, 4, 9)))
print(F.unfold(images[:1], 4, stride=4).shape, F.pad(torch.ones(1, 1, 2, 2), (1, 1, 0, 1), value=5.0))
try:
    net.conv1(torch.randn(3, 4, 17))
except RuntimeError as e:
    print(type(e).__name__, str(e)[:40])
