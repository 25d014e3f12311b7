"""The losses of a tiny run are those they were: whoever changes what is learned has to say so here.

To write them anew: python tests/train/test_golden.py (with tests/ on PYTHONPATH).
"""

import json
import tempfile
from pathlib import Path

import pytest
import tiny_runs

from patchworld.train import loop

GOLDEN = Path(__file__).with_name("golden_losses.txt")
STEPS = 12


def losses(folder: Path) -> list[float]:
    """In fp32 on one thread."""
    loop.train(tiny_runs.transformer_task(folder / "data"), tiny_runs.config("transformer", STEPS), folder / "run")
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def test_losses_are_those_that_were_written_down(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "matmul_peak", lambda dtype: 1e9)
    monkeypatch.setattr(loop, "save_checkpoint", lambda *args: None)
    monkeypatch.setattr(loop, "_evaluate", lambda *args: None)
    golden = [float(line) for line in GOLDEN.read_text().splitlines()]
    assert len(golden) == STEPS
    assert losses(tmp_path) == pytest.approx(golden, rel=1e-5)  # another processor sums in another order


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text("".join(f"{loss!r}\n" for loss in losses(Path(folder))))
