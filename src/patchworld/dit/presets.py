"""Sizes of transformers, from one for tests to seven billion parameters.

Parameters of the transformer alone, with words of 256 channels, 16 latent channels and patches of 2:

| preset | width | depth | heads | parameters |
|--------|-------|-------|-------|------------|
| tiny   |    64 |     2 |     2 |    0.236 M |
| small  |   256 |     8 |     2 |     8.09 M |
| base   |   384 |    10 |     3 |     21.2 M |
| medium |   768 |    12 |     6 |     95.5 M |
| large  |  1024 |    24 |     8 |      325 M |
| xl     |  1280 |    28 |    10 |      585 M |
| 1b     |  2048 |    20 |    16 |     1.07 B |
| 3b     |  3072 |    26 |    24 |     3.07 B |
| 7b     |  4096 |    34 |    32 |     7.07 B |

`small` is the shipped model, `tiny` is for tests. Heads are 128 wide: a tenth faster on a CPU than 64 at equal width,
and the width that flash attention kernels are made for.
"""

PRESETS = {
    "tiny": {"width": 64, "depth": 2, "head_width": 32},
    "small": {"width": 256, "depth": 8},
    "base": {"width": 384, "depth": 10},
    "medium": {"width": 768, "depth": 12},
    "large": {"width": 1024, "depth": 24},
    "xl": {"width": 1280, "depth": 28},
    "1b": {"width": 2048, "depth": 20},
    "3b": {"width": 3072, "depth": 26},
    "7b": {"width": 4096, "depth": 34},
}
