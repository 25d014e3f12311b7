"""Addressed noise: every place in the world has its noise, whoever asks for it, and in whatever order.

Ordinary generators hand out numbers in a row, so noise depends on what was drawn before. Here a number is a function of
(seed, stream, channel, frame, y, x): a part of a canvas gets the noise it has in the whole, a longer canvas keeps its
beginning, and several processes agree without talking.

The function is Philox4x32-10 of Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3" (section 3.3), a
cipher that turns a 128-bit counter, here the address, into 128 random bits; Box and Muller's transform makes normals
of them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from patchworld.errors import InputError

WORD = np.uint64(0xFFFFFFFF)
MAX_STREAMS = 2**16
MAX_PLACE = 2**31


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Philox4x32-10: `counter` (4, ...) to as many random words, all of 32 bits, under a `key` of two words.

    Each of ten rounds multiplies two of the words by odd constants and mixes the high halves of the products into the
    other two; the key grows by a Weyl sequence from round to round.
    """
    a, b, c, d = counter
    left, right = key
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, c = (second >> np.uint64(32)) ^ b ^ np.uint64(left), (first >> np.uint64(32)) ^ d ^ np.uint64(right)
        b, d = second & WORD, first & WORD
        left, right = (left + 0x9E3779B9) & 0xFFFFFFFF, (right + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([a, b, c, d])


def addressed_noise(
    seed: int,
    shape: tuple[int, int, int, int],
    *,
    first_frame: int = 0,
    top: int = 0,
    left: int = 0,
    stream: int = 0,
) -> Tensor:
    """Standard normal noise (channels, frames, height, width) of the block that begins at (first_frame, top, left).

    `seed` is 0 to 2^63 - 1; `stream` 0 to 65535 gives independent noise for the same places, one for each step of a
    sampler. Places may be negative: what lies before the first frame of a canvas has its noise too.
    """
    check_seed(seed)
    channels, frames, height, width = shape
    assert 0 <= stream < MAX_STREAMS, f"stream {stream} is not in 0 to {MAX_STREAMS - 1}"
    assert min(shape) >= 1, f"empty shape {shape}"
    assert channels <= 4 * 2**16, f"{channels} channels are too many"
    # One call of the cipher serves four channels of one place.
    blocks = (np.arange(-(-channels // 4)) + stream * 2**16).astype(np.uint64)
    rows, columns, key = _places(top, height), _places(left, width), (seed & 0xFFFFFFFF, seed >> 32)
    noise = np.empty(shape, dtype=np.float32)
    for number, frame in enumerate(_places(first_frame, frames)):  # one by one: the cipher's scratch space is large
        normals = _box_muller(philox(np.stack(np.broadcast_arrays(frame, *np.ix_(blocks, rows, columns))), key))
        # (4, blocks, height, width): channel 4 b + i is word i of block b.
        noise[:, number] = normals.swapaxes(0, 1).reshape(-1, height, width)[:channels]
    return torch.from_numpy(noise)


def check_seed(seed: int) -> int:
    """`seed`, or an InputError when it is not a whole number from 0 to 2^63 - 1."""
    if not (isinstance(seed, int) and 0 <= seed < 2**63):
        raise InputError(f"seed={seed} is out of range: use a whole number from 0 to 2^63 - 1")
    return seed


def _places(first: int, num: int) -> NDArray[np.uint64]:
    """Addresses first, first + 1, ... as 32-bit words; negative ones in two's complement."""
    if not -MAX_PLACE <= first <= MAX_PLACE - num:
        raise InputError(f"place {first} is out of range: noise has addresses from -2^31 to 2^31 - 1")
    return np.arange(first, first + num).astype(np.uint64) & WORD


def _box_muller(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Random words to normals (Box and Muller 1958): r cos(a) and r sin(a), with r^2 = -2 ln u and a = 2 pi u'.

    In float64, so that machines whose logarithms differ in the last bit still agree after rounding to float32.
    """
    uniform = (words.astype(np.float64) + 0.5) / 2**32  # in (0, 1), never 0
    radius = np.sqrt(-2 * np.log(uniform[0::2]))
    angle = 2 * np.pi * uniform[1::2]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
