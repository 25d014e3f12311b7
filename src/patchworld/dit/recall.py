"""Recall: what is seen at one place at several times need not be dreamed each time.

The last thing a denoiser does with its estimates of the clean tokens is to mix those of one place, over all token
frames of a clip. The values themselves are mixed, never projected: so what is given comes back as it is wherever
nothing moves, which a transformer whose heads are narrower than a token can only approach (the pointers of Vinyals et
al. 2015, 1506.03134, and of See et al. 2017, 1704.04368, for values instead of words).
"""

import torch
from torch import Tensor

from patchworld.patches import Pack
from patchworld.shapes import Shape

OWN = 5.0  # by how much a token's own estimate begins ahead of the others, as a logarithm
FAINTEST = 1e-3  # levels below it count as this one


def recall(clean: Tensor, address: Tensor, pack: Pack, level: Tensor) -> Tensor:
    """Estimates (n, p) of the clean tokens of a pack, each mixed with those of its place at other times; float32.

    With queries q and keys k of each token, halves of its `address` (n, 2 r), and its noise level t, the estimate of
    time i at a place becomes the sum over times j of softmax_j(q_i k_j / sqrt(r) + [i = j] (OWN - 2 log t_i)) times
    that of j. The less noise a token has, the surer it is of itself; one without noise stays what it is.
    """
    clean, address, level = (x.float() for x in (clean, address, level))
    owns, addresses, levels = (x.split(pack.lengths) for x in (clean, address, level))
    mixed, whole = list(owns), {number for numbers in pack.whole.values() for number in numbers}
    with torch.autocast(clean.device.type, enabled=False):
        for shape, numbers in pack.whole.items():
            if shape.frames > 1:
                own, where, noise = (torch.stack([x[n] for n in numbers]) for x in (owns, addresses, levels))
                for number, one in zip(numbers, _recall(shape, own, where, noise), strict=True):
                    mixed[number] = one
        if pack.kept is not None:
            kept = pack.kept.split([shape.volume for shape in pack.shapes])
            for number in set(range(len(pack.shapes))) - whole:
                about = (owns[number], addresses[number], levels[number])
                mixed[number] = _recall_some(pack.shapes[number], kept[number], *about)
    return torch.cat(mixed)


def _recall_some(shape: Shape, kept: Tensor, clean: Tensor, address: Tensor, level: Tensor) -> Tensor:
    """`recall` for one clip, of which the tokens that are `kept` (volume,) are there."""
    here = kept.nonzero()[:, 0].to(clean.device)

    def spread(x: Tensor) -> Tensor:
        return x.new_zeros(1, shape.volume, *x.shape[1:]).index_copy(1, here, x[None])

    return _recall(shape, spread(clean), spread(address), spread(level), kept.to(clean.device))[0, here]


def _recall(shape: Shape, clean: Tensor, address: Tensor, level: Tensor, kept: Tensor | None = None) -> Tensor:
    """`recall` for clips of one shape, (b, volume, ...) each; times at which a place is not `kept` (volume,) are not
    looked at.
    """
    clean, address, level = (x.unflatten(1, (shape.frames, -1)) for x in (clean, address, level))  # (b, f, places, ...)
    q, k = address.chunk(2, dim=3)
    scores = torch.einsum("binr,bjnr->bnij", q, k) * q.shape[3] ** -0.5
    scores = scores + torch.diag_embed(OWN - 2 * level.clamp(min=FAINTEST).log().mT)
    if kept is not None:
        there = kept.view(shape.frames, -1).T
        scores = scores.masked_fill(~there[:, None, :], torch.finfo(scores.dtype).min)
    return torch.einsum("bnij,bjnp->binp", scores.softmax(-1), clean).flatten(1, 2)
