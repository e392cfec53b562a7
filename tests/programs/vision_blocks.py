"""Parts of vision models: residual nets, a U-Net, depthwise convolutions, squeeze and excitation, patches."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from typing import List, Optional, Type


def conv3x3(i: int, o: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(i, o, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, i, o, stride=1, downsample: Optional[nn.Module] = None):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(i, o, stride), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv3x3(o, o), nn.BatchNorm2d(o)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block: Type[BasicBlock], layers: List[int], num_classes=4):
        super().__init__()
        self.inplanes = 4
        self.conv1 = nn.Conv2d(3, 4, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 4, layers[0])
        self.layer2 = self._make_layer(block, 8, layers[1], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, block, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes:
            downsample = nn.Sequential(nn.Conv2d(self.inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes
        layers += [block(planes, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


torch.manual_seed(0)
net = ResNet(BasicBlock, [1, 2])
print(net)
x, y = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
for i in range(5):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, f"{loss.item():.4f}", net.conv1.weight.grad.norm())
net.eval()
with torch.no_grad():
    print(net(x))


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(
            nn.Conv2d(i, o, 3, padding=1),
            nn.GroupNorm(2, o),
            nn.SiLU(),
            nn.Conv2d(o, o, 3, padding=1),
            nn.GroupNorm(2, o),
            nn.SiLU(),
        )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.d2 = DoubleConv(1, 4), DoubleConv(4, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.u1 = DoubleConv(8, 4)
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        return self.out(self.u1(torch.cat([a, self.up(b)], dim=1)))


unet = UNet()
img = torch.rand(2, 1, 12, 12)
lab = (img[:, 0] > 0.5).long()
opt = torch.optim.Adam(unet.parameters(), 1e-2)
for i in range(4):
    loss = F.cross_entropy(unet(img), lab)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, loss.item())
print((unet(img).argmax(1) == lab).float().mean())


class SE(nn.Module):
    def __init__(self, c, r=2):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(c, c // r), nn.ReLU(), nn.Linear(c // r, c), nn.Sigmoid())

    def forward(self, x):
        b, c, *_ = x.shape
        return x * self.fc(x.mean((2, 3))).view(b, c, 1, 1)


sep = nn.Sequential(
    nn.Conv2d(3, 3, 3, padding="same", groups=3), nn.Conv2d(3, 6, 1), nn.Hardswish(), SE(6), nn.AvgPool2d(2), nn.Mish()
)
print(sep(x).shape, sep(x).mean(), sep(x).std())
patches = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).reshape(4, 4, -1)
embed = nn.Linear(3 * 64, 8)
cls = nn.Parameter(torch.zeros(1, 1, 8))
tokens = torch.cat([cls.expand(4, -1, -1), embed(patches)], 1)
enc = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu"),
    1,
    enable_nested_tensor=False,
)
enc.eval()
print(tokens.shape, enc(tokens)[:, 0])
print(
    F.interpolate(img, size=(4, 4), mode="bilinear", align_corners=False)[0, 0],
    F.pixel_shuffle(torch.arange(16.0).view(1, 4, 2, 2), 2),
    F.grid_sample(
        img,
        F.affine_grid(torch.eye(2, 3)[None].repeat(2, 1, 1), [2, 1, 3, 3], align_corners=False),
        align_corners=False,
    )[0],
)
print(
    F.local_response_norm(x, 2).mean(),
    F.instance_norm(x).std(),
    F.layer_norm(x, x.shape[1:]).mean().abs() < 1e-5,
    F.conv2d(x[:1, :1], torch.ones(1, 1, 3, 3), stride=5).flatten(),
)
