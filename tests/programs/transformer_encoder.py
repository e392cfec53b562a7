"""nn.TransformerEncoder for sequence classification with sinusoidal positions and padding masks."""

import math
import torch
from torch import nn, Tensor


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 50):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.pe[: x.size(0)])


class TransformerModel(nn.Module):
    def __init__(self, ntoken, d_model, nhead, d_hid, nlayers, dropout=0.1):
        super().__init__()
        self.model_type = "Transformer"
        self.embedding = nn.Embedding(ntoken, d_model, padding_idx=0)
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        layer = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout)
        self.transformer_encoder = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, 3)
        self.init_weights()

    def init_weights(self) -> None:
        self.embedding.weight.data.uniform_(-0.1, 0.1)
        self.linear.bias.data.zero_()

    def forward(self, src, mask=None, pad=None):
        src = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        return self.linear(self.transformer_encoder(src, mask, pad).mean(0))


torch.manual_seed(1)
model = TransformerModel(10, 8, 2, 16, 2)
print(model)
src = torch.randint(1, 10, (6, 4))
src[4:, 1] = 0
pad = (src == 0).t()
tgt = torch.tensor([0, 1, 2, 1])
opt = torch.optim.SGD(model.parameters(), lr=0.1)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
for step in range(6):
    model.train()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(src, pad=pad), tgt)
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    print(step, round(loss.item(), 5), sched.get_last_lr())
model.eval()
mask = nn.Transformer.generate_square_subsequent_mask(6)
print(mask)
print(model(src, mask))
with torch.no_grad():
    print(model(src, pad=pad))
tr = nn.Transformer(
    d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16, dropout=0.0, batch_first=True
)
o = tr(torch.randn(2, 4, 8), torch.randn(2, 3, 8), tgt_mask=nn.Transformer.generate_square_subsequent_mask(3))
print(o)
o.sum().backward()
print(sum(p.grad.abs().sum() for p in tr.parameters()).item() > 0, len(list(tr.parameters())))
