"""Non-maximum suppression as the released code runs it: class by class, one pick at a time, then merge and cut.

`ties="position"` is the released C++ rule: the first position wins, after the swaps that picking and dropping cause.
`ties="index"` is ours.
"""

import torch


def nms(segments, scores, labels, rule, *, ties):
    """One video: picked indices and decayed scores, in descending score."""
    index, decayed = [], []
    for label in labels.unique().tolist() if rule.per_class else [None]:
        members = torch.arange(len(scores)) if label is None else (labels == label).nonzero().squeeze(1)
        if rule.method == "hard":
            picks, kept = hard(segments[members], scores[members], rule)
        else:
            picks, kept = soft(segments[members], scores[members], rule, ties)
        index += members[picks[: rule.max_segments]].tolist()
        decayed += kept[: rule.max_segments].tolist()
    order = sorted(range(len(index)), key=lambda i: -decayed[i])[: rule.max_segments]
    return torch.tensor([index[i] for i in order]).long(), scores.new_tensor([decayed[i] for i in order])


def hard(segments, scores, rule):
    remaining = scores.argsort(descending=True, stable=True)
    if rule.min_score > 0:
        remaining = remaining[scores[remaining] > rule.min_score]
    remaining = remaining.tolist()
    picks = []
    while remaining:
        pick, *remaining = remaining
        picks.append(pick)
        overlap = overlaps(segments, pick, torch.tensor(remaining).long()).tolist()
        remaining = [i for i, tiou in zip(remaining, overlap, strict=True) if tiou < rule.tiou_threshold]
    picks = torch.tensor(picks).long()
    return picks, scores[picks]


def soft(segments, scores, rule, ties):
    scores = scores.clone()
    order = torch.arange(len(scores))  # picks so far, then what remains
    step = 0
    while step < len(order) and step < rule.max_segments:
        best = first_best(scores, order, step, ties)
        order[[step, best]] = order[[best, step]]
        pick, rest = order[step], order[step + 1 :]
        length = segments[pick, 1] - segments[pick, 0] + 1e-6
        scores[rest] *= weight(overlaps(segments, pick, rest), length, rule)
        step += 1
        order = drop(order, step, scores < rule.min_score)
    return order[:step], scores[order[:step]]


def first_best(scores, order, step, ties):
    remaining = scores[order[step:]]
    tied = step + (remaining == remaining.max()).nonzero().squeeze(1)
    return int(tied[0] if ties == "position" else tied[order[tied].argmin()])


def drop(order, position, low):
    """Fill the place of each dropped entry with the last one."""
    order, is_low = order.tolist(), low[order].tolist()
    while position < len(order):
        if is_low[position]:
            order[position], is_low[position] = order[-1], is_low[-1]
            order.pop(), is_low.pop()
        else:
            position += 1
    return torch.tensor(order).long()


def weight(overlap, length, rule):
    gaussian = torch.exp(-(overlap**2) / rule.sigma)
    reduced, applies = {
        "zeroing": (torch.zeros_like(overlap), overlap >= rule.tiou_threshold),
        "linear": (1 - overlap, overlap >= rule.tiou_threshold),
        "gaussian": (gaussian, overlap >= 0),
        "gated_gaussian": (gaussian, overlap >= rule.gate[0] + rule.gate[1] * length),
    }[rule.method]
    return torch.where(applies, reduced, 1.0)


def overlaps(segments, pick, others):
    start, end = segments[others].T
    length = end - start + 1e-6
    inter = (torch.minimum(end, segments[pick, 1]) - torch.maximum(start, segments[pick, 0])).clamp(min=0)
    return inter / (segments[pick, 1] - segments[pick, 0] + 1e-6 + length - inter)
