"""Datasets and loaders: custom dataset, collate_fn, samplers, random_split, iterable datasets, subsets."""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


class Words(Dataset):
    def __init__(self):
        self.items = [list(range(1, n + 1)) for n in (3, 1, 4, 1, 5, 9, 2, 6)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return torch.tensor(self.items[i]), i % 2


def collate(batch):
    seqs, labels = zip(*batch)
    lengths = torch.tensor([len(s) for s in seqs])
    return pad_sequence(seqs, batch_first=True, padding_value=0), lengths, torch.tensor(labels)


for x, n, y in DataLoader(Words(), batch_size=3, collate_fn=collate):
    print(x, n, y)
    print(torch.arange(x.size(1)) < n[:, None])
torch.manual_seed(0)
ds = TensorDataset(torch.arange(10.0).view(10, 1), torch.arange(10))
for epoch in range(2):
    print([y.tolist() for _, y in DataLoader(ds, batch_size=4, shuffle=True)])
print(
    [y.tolist() for _, y in DataLoader(ds, batch_size=4, drop_last=True)],
    len(DataLoader(ds, 4)),
    len(DataLoader(ds, 4, drop_last=True)),
)
g = torch.Generator()
g.manual_seed(3)
print([y.tolist() for _, y in DataLoader(ds, batch_size=5, shuffle=True, generator=g)])
a, b, c = random_split(ds, [0.5, 0.3, 0.2], generator=torch.Generator().manual_seed(1))
print(a.indices, b.indices, list(c.indices), len(a))
print(
    list(RandomSampler(range(5))),
    list(SequentialSampler(range(3))),
    list(BatchSampler(SequentialSampler(range(7)), 3, False)),
)
print(list(WeightedRandomSampler([0.1, 0.9, 0.4], 8, replacement=True)))
sub = Subset(ds, [1, 3, 5])
both = ConcatDataset([sub, a])
print(len(both), both[0], both[4], sub[2])


class Stream(IterableDataset):
    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        return iter(range(self.start, self.end))


print(list(DataLoader(Stream(3, 9), batch_size=4)))


class Dicts(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {"x": np.full(2, i, dtype=np.float32), "name": f"item{i}", "pair": (i, float(i)), "flag": i > 1}


for batch in DataLoader(Dicts(), batch_size=2):
    print(batch)
print(default_collate([1.5, 2.5]), default_collate([[torch.zeros(1), 1], [torch.ones(1), 2]]))
it = iter(DataLoader(ds, batch_size=None, sampler=[4, 2]))
print(next(it), next(it))
try:
    next(it)
except StopIteration:
    print("stop")
loader = DataLoader(ds, batch_size=5, num_workers=0, pin_memory=False)
xb, yb = next(iter(loader))
print(xb.squeeze(), yb, loader.batch_size, type(loader.sampler).__name__)
try:
    DataLoader(ds, shuffle=True, sampler=[1])
except ValueError as e:
    print(e)
try:
    TensorDataset(torch.zeros(2), torch.zeros(3))
except AssertionError as e:
    print("AssertionError", str(e)[:20])
try:
    random_split(ds, [3, 3])
except ValueError as e:
    print(str(e)[:60])
print([tuple(v.shape) for v in next(iter(DataLoader(list(zip(torch.randn(4, 2), range(4))), 2)))])
