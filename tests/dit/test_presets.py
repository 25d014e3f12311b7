import pytest
import torch

from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.dit.presets import __doc__ as table

CELLS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
ROWS = {name: numbers for name, *numbers in CELLS}


def test_the_table_has_a_row_for_every_preset():
    assert set(PRESETS) <= set(ROWS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_sizes_and_parameters_that_the_table_says(name):
    width, depth, heads, parameters = ROWS[name]
    with torch.device("meta"):
        model = DiffusionTransformer(TransformerConfig(**PRESETS[name]))
    assert (model.config.width, model.config.depth) == (int(width), int(depth))
    assert model.blocks[0].heads == (int(heads), model.config.head_width)
    assert model.config.width == int(heads) * model.config.head_width
    number, unit = parameters.split()
    count = sum(p.numel() for p in model.parameters()) / {"M": 1e6, "B": 1e9}[unit]
    assert f"{count:#.3g}".rstrip(".") == number
