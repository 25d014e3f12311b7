"""What a run was like, from its metrics.jsonl and samples: one HTML file that needs no network, or TensorBoard's files.

The metrics are the truth and these are views of it: they can be made while the run goes on, after it, or elsewhere, and
a run depends on none of them.
"""

import base64
import html
import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from patchworld.errors import InputError, missing_extra
from patchworld.video import read
from patchworld.video.sheet import evenly
from patchworld.video.whole_file import whole_file

MOST_POINTS = 300  # of a curve; of more steps, neighbours become one point with their lowest, mean and highest value
MOST_SAMPLES = 6  # contact sheets in a report, the last one first, the first one last
WIDTH, HEIGHT, LEFT, BOTTOM = 480, 220, 66, 26  # of a chart and its margins, in SVG units
TITLES = {
    "loss": "Loss",
    "held_out_loss": "Loss on held-out clips, averaged weights",
    "lr": "Learning rate",
    "grad_norm": "Norm of the gradient, before clipping",
    "tokens_per_second": "Tokens a second",
    "peak_fraction": "Part of the machine's matrix peak",
    "data_fraction": "Part of the time spent waiting for data",
    "memory_mb": "Memory of the process, MB",
    "cuda_mb": "Highest memory of the GPU, MB",
}


@dataclass(frozen=True)
class Curve:
    """The values of one metric, by step."""

    steps: list[int]
    values: list[float]


@dataclass(frozen=True)
class Point:
    """Neighbouring values of a curve as one."""

    step: float
    low: float
    mean: float
    high: float


def read_metrics(path: Path) -> dict[str, Curve]:
    """Every metric of a run. A last line that is not complete yet is left for later.

    Raises InputError where there is no such file, or it holds nothing.
    """
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} does not exist: give the folder of a training run, its --out") from None
    curves: dict[str, Curve] = {}
    for line in lines:
        try:
            row = json.loads(line)
            step = int(row.pop("step"))
        except (ValueError, LookupError, AttributeError, TypeError):
            continue
        for name, value in row.items():
            if isinstance(value, int | float) and math.isfinite(value):
                curve = curves.setdefault(str(name), Curve([], []))
                curve.steps.append(step)
                curve.values.append(float(value))
    if not curves:
        raise InputError(f"{path} holds no step yet: wait for the first ones")
    return curves


def thin(curve: Curve, most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points, of equally many steps each."""
    size = math.ceil(len(curve.steps) / most)
    points = []
    for start in range(0, len(curve.steps), size):
        steps, values = curve.steps[start : start + size], curve.values[start : start + size]
        points.append(Point(sum(steps) / len(steps), min(values), sum(values) / len(values), max(values)))
    return points


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def chart(curve: Curve) -> str:
    """An SVG of the mean of a curve, with the band between its lowest and highest values. A few of the first and of the
    highest means may lie outside: otherwise the first steps decide what can be seen of all others.
    """
    points = thin(curve)
    first, last = points[0].step, max(points[-1].step, points[0].step + 1)
    means = sorted(point.mean for point in points)
    low, high = means[0], means[-1 - len(means) // 50]
    if high - low < 1e-6 * abs(high) or high == low:
        low, high = low - max(abs(low), 1e-9) * 0.1, high + max(abs(high), 1e-9) * 0.1
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)

    def x(step: float) -> float:
        return round(LEFT + (step - first) / (last - first) * (WIDTH - LEFT - 8), 1)

    def y(value: float) -> float:
        place = 8 + (high - value) / (high - low) * (HEIGHT - BOTTOM - 8)
        return round(min(max(place, 0), HEIGHT - BOTTOM), 1)

    lines = [
        f'<path class="grid" d="M{LEFT} {y(tick)}H{WIDTH}"/><text x="{LEFT - 6}" y="{y(tick) + 6}">{tick:.4g}</text>'
        for tick in ticks(low, high)
    ]
    lines += [f'<text class="step" x="{x(tick)}" y="{HEIGHT - 4}">{tick:,.0f}</text>' for tick in ticks(first, last)]
    there = [f"{x(point.step)},{y(point.high)}" for point in points]
    back = [f"{x(point.step)},{y(point.low)}" for point in reversed(points)]
    lines.append(f'<polygon points="{" ".join(there + back)}"/>')
    lines.append(f'<polyline points="{" ".join(f"{x(point.step)},{y(point.mean)}" for point in points)}"/>')
    if len(points) < 30:
        lines += [f'<circle cx="{x(point.step)}" cy="{y(point.mean)}" r="3"/>' for point in points]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(lines)}</svg>'


def write_report(out: Path, refresh: int | None = None) -> Path:
    """Write `report.html` into the folder of a run; a browser loads it anew every `refresh` seconds.

    Raises InputError where there are no metrics, DiskError when the disk refuses.
    """
    curves = read_metrics(out / "metrics.jsonl")
    shown = [name for name in TITLES if name in curves]
    shown += sorted(curves.keys() - TITLES.keys() - {"seconds", "not_learned_from"})
    cards = "".join(_card(TITLES.get(name, name), curves[name]) for name in shown)
    sheets = sorted((out / "samples").glob("step-*.png"))
    chosen = evenly(len(sheets), MOST_SAMPLES) if sheets else []
    samples = "".join(_sample(sheets[number]) for number in reversed(chosen))
    page = PAGE.format(
        refresh=f'<meta http-equiv="refresh" content="{refresh}">' if refresh else "",
        title=html.escape(out.resolve().name),
        facts=html.escape(_facts(curves)),
        trouble=html.escape(_trouble(curves)),
        cards=cards,
        samples=samples,
    )
    path = out / "report.html"
    with whole_file(path) as file:
        file.write(page.encode())
    return path


def write_tensorboard(out: Path, after: int = -1) -> int:
    """Write steps later than `after`, and their samples, into the folder `tensorboard` of a run; returns the last one.

    With `after` -1 what TensorBoard had of this run is written anew.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise missing_extra("tensorboard", "train") from error
    curves, folder = read_metrics(out / "metrics.jsonl"), out / "tensorboard"
    if after < 0:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
    with SummaryWriter(str(folder)) as writer:
        for name, curve in curves.items():
            for step, value in zip(curve.steps, curve.values, strict=True):
                if step > after:
                    writer.add_scalar(name, value, step)
        for path in sorted((out / "samples").glob("step-*.png")):
            if (step := int(path.stem.removeprefix("step-"))) > after:
                writer.add_image("samples", read(path).frames[0], step, dataformats="HWC")
    return max(curve.steps[-1] for curve in curves.values())


def _card(title: str, curve: Curve) -> str:
    least, most = min(curve.values), max(curve.values)
    numbers = f"<b>{curve.values[-1]:.4g}</b> at the end, {least:.4g} to {most:.4g}"
    return f"<section><h2>{html.escape(title)}</h2><p>{numbers}</p>{chart(curve)}</section>"


def _sample(path: Path) -> str:
    step = path.stem.removeprefix("step-").lstrip("0") or "0"
    image = base64.b64encode(path.read_bytes()).decode()
    return f'<h3>Step {html.escape(step)}</h3><div class="sheet"><img alt="" src="data:image/png;base64,{image}"></div>'


def _facts(curves: dict[str, Curve]) -> str:
    """The run in one line."""
    last = max(curve.steps[-1] for curve in curves.values())
    facts = [f"{last:,} steps"]
    if "seconds" in curves:
        minutes = round(max(curves["seconds"].values) / 60)
        facts.append(
            f"{minutes // 60} h {minutes % 60} min of training" if minutes >= 60 else f"{minutes} min of training"
        )
    if "tokens_per_second" in curves:
        facts.append(f"{median(curves['tokens_per_second'].values):,.0f} tokens a second (the median of its steps)")
    return ", ".join(facts)


def _trouble(curves: dict[str, Curve]) -> str:
    """Steps that were not learned from."""
    if "not_learned_from" not in curves:
        return ""
    steps = curves["not_learned_from"].steps
    named = ", ".join(f"{step:,}" for step in steps[-20:])
    some = ", the last ones" if len(steps) > 20 else ""
    return f"Bad numbers in {len(steps)} of the steps, which were not learned from{some}: {named}"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
{refresh}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #fff; --card: #f5f6f8; --ink: #1a1d21; --faint: #687078; --rule: #d9dde2;
  --line: #0b62c4; --band: #0b62c433; --bad: #b3261e }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #121417; --card: #1c2024; --ink: #e8eaed; --faint: #9aa2ab; --rule: #363c43;
    --line: #6fb1ff; --band: #6fb1ff33; --bad: #ff8f86 }}
}}
body {{ margin: 0 auto; padding: 16px; max-width: 1400px; background: var(--paper); color: var(--ink);
  font: 16px/1.45 system-ui, sans-serif }}
h1 {{ margin: 0; font-size: 1.5rem; overflow-wrap: anywhere }}
h2 {{ margin: 0; font-size: 1rem }}
h3 {{ margin: 16px 0 4px; font-size: 1rem }}
p {{ margin: 4px 0 8px; color: var(--faint) }}
p b {{ color: var(--ink) }}
.bad {{ color: var(--bad) }}
main {{ display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)) }}
section {{ padding: 12px; border-radius: 8px; background: var(--card) }}
svg {{ display: block; width: 100%; height: auto }}
svg text {{ fill: var(--faint); font-size: 17px; text-anchor: end }}
svg .step {{ text-anchor: middle }}
svg .grid {{ stroke: var(--rule) }}
svg polyline {{ fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round }}
svg polygon {{ fill: var(--band) }}
svg circle {{ fill: var(--line) }}
.sheet {{ overflow-x: auto }}
.sheet img {{ display: block }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{facts}</p>
<p class="bad">{trouble}</p>
<main>{cards}</main>
{samples}
</body>
</html>
"""
