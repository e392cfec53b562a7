"""Character models: a hand-written RNN cell, nn.RNN, nn.LSTM, nn.GRU; sampling with a temperature."""

import string
import torch
import torch.nn as nn

torch.manual_seed(2)
text = "the quick brown fox jumps over the lazy dog. the dog sleeps. "
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text])
print(len(chars), data[:10], string.ascii_letters[:5])


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        return self.softmax(self.i2o(combined)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(len(chars), 16, len(chars))
criterion = nn.NLLLoss()
for it in range(3):
    hidden = rnn.initHidden()
    rnn.zero_grad()
    loss = 0
    for a, b in zip(data[:20], data[1:21]):
        onehot = torch.zeros(1, len(chars))
        onehot[0][a] = 1
        out, hidden = rnn(onehot, hidden)
        loss += criterion(out, b.unsqueeze(0))
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-0.01)
    print(it, loss.item() / 20)


class CharModel(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.emb = nn.Embedding(len(chars), 8)
        self.rnn = getattr(nn, kind)(8, 16, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(16, len(chars))

    def forward(self, x, state=None):
        h, state = self.rnn(self.emb(x), state)
        return self.head(h), state


for kind in ("RNN", "LSTM", "GRU"):
    torch.manual_seed(4)
    model = CharModel(kind)
    print(model)
    opt = torch.optim.Adam(model.parameters(), lr=0.02)
    xb = torch.stack([data[i : i + 12] for i in range(0, 48, 6)])
    yb = torch.stack([data[i + 1 : i + 13] for i in range(0, 48, 6)])
    for step in range(15):
        logits, _ = model(xb)
        loss = nn.functional.cross_entropy(logits.view(-1, len(chars)), yb.reshape(-1))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    print(kind, "loss", loss.item(), "norm", model.rnn.weight_hh_l0.grad.norm())
    model.eval()
    with torch.no_grad():
        ids, state = data[:1].view(1, 1), None
        out = []
        for _ in range(20):
            logits, state = model(ids, state)
            probs = torch.softmax(logits[:, -1] / 0.8, dim=-1)
            ids = torch.multinomial(probs, num_samples=1)
            out.append(chars[ids.item()])
        print(repr("".join(out)))
        h = state[0] if isinstance(state, tuple) else state
        print(h.shape, h[0, 0, :4])
    print([n for n, _ in model.rnn.named_parameters()])
cell = nn.LSTMCell(3, 4)
hx, cx = torch.zeros(2, 4), torch.zeros(2, 4)
for i in range(3):
    hx, cx = cell(torch.ones(2, 3) * i, (hx, cx))
print(hx, cx)
packed = nn.utils.rnn.pack_padded_sequence(torch.randn(3, 5, 2), [5, 3, 2], batch_first=True)
print(packed.data.shape, packed.batch_sizes)
bi = nn.GRU(2, 3, bidirectional=True)
o, h = bi(packed)
padded, lengths = nn.utils.rnn.pad_packed_sequence(o, batch_first=True)
print(padded.shape, lengths, h.shape, padded[2])
