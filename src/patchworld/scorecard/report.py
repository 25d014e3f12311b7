"""The report: a table to print, a JSON file to compare, and one HTML page with the clips beside their questions."""

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from patchworld.playroom.scene import GRAVITY
from patchworld.scorecard.examination import COLUMNS, MODEL, RENDERS, SHUFFLED, Result
from patchworld.scorecard.frechet import CHANNELS, frechet_distance
from patchworld.scorecard.questions import Question
from patchworld.scorecard.tally import Counts, Share, count, count_splits, mean
from patchworld.video import Clip
from patchworld.video.whole_file import disk_errors, whole_file

STYLE = """
body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; text-align: left; white-space: nowrap }
tr { border-bottom: 1px solid #ddd } td small { color: #777 }
section { display: flex; gap: 1.2em; margin: 1em 0; padding: .8em; border: 1px solid #ddd }
figure { margin: 0 } video, img { width: 160px; image-rendering: pixelated } figcaption { color: #777 }
.no { color: #b00 } .yes { color: #070 }
"""


def table(questions: Sequence[Question], results: Sequence[Result]) -> str:
    """A table in Markdown, which reads well in a terminal too: a row a question, and the mean of all questions."""
    counts, columns = count(results), _columns(results)
    rows = [["question", *columns]]
    for question in questions:
        if row := counts.get(question.name):
            rows.append([question.name, *(str(row.get(column, Share(0, 0))) for column in columns)])
    rows.append(["mean", *(f"{mean(counts, column):4.0%}" for column in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def as_json(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    """Everything that was counted and every answer, as JSON can hold it."""
    columns = _columns(results)
    return {
        **about,
        "scores": _plain(count(results)),
        "gravity": measured(results, "gravity"),
        "frechet": distances(results),
        "splits": {column: _plain(count_splits(list(results), column)) for column in columns if SHUFFLED not in column},
        "prompts": [
            {
                "suite": result.prompt.suite,
                "number": result.prompt.number,
                "text": result.prompt.text,
                "splits": result.prompt.splits,
                "answers": {
                    column: {name: [answer.right, answer.wanted, answer.seen] for name, answer in answers.items()}
                    for column, answers in result.answers.items()
                    if SHUFFLED not in column
                },
            }
            for result in results
        ],
    }


def distances(results: Sequence[Result]) -> dict[str, float]:
    """Fréchet distances of the model's clips from the renders of the same prompts, and between two halves of these."""
    both = [result.features for result in results if len(result.features) == 2]
    if len(both) < 4 * CHANNELS:
        return {}  # the covariance of too few clips says nothing
    renders, model = (np.array([clips[name] for clips in both]) for name in (RENDERS, MODEL))
    return {
        "model to renders": frechet_distance(model, renders),
        "renders to renders": frechet_distance(renders[::2], renders[1::2]),
    }


def measured(results: Sequence[Result], question: str) -> dict[str, list[float]]:
    """For each source the least, lower quartile, median, upper quartile and largest of the numbers of a question."""
    found: dict[str, list[float]] = {}
    for column in (RENDERS, MODEL):
        answers = [result.answers.get(column, {}).get(question) for result in results]
        if values := [answer.value for answer in answers if answer is not None and answer.value is not None]:
            found[column] = np.percentile(values, (0, 25, 50, 75, 100)).round(2).tolist()
    return found


def summary(results: Sequence[Result]) -> list[str]:
    """What the table does not hold, in lines."""
    lines = [
        f"gravity, {name}: median {middle:.1f} m/s2, half of the clips {low:.1f} to {high:.1f}; it is {GRAVITY}"
        for name, (_, low, middle, high, _) in measured(results, "gravity").items()
    ]
    lines += [f"Fréchet distance on latent statistics, {name}: {d:.2f}" for name, d in distances(results).items()]
    return lines


def _columns(results: Sequence[Result]) -> list[str]:
    return [column for column in COLUMNS if any(column in result.answers for result in results)]


def _plain(counts: Counts) -> dict[str, Any]:
    return {
        question: {
            name: {"right": share.right, "asked": share.asked, "value": share.value, "interval": share.interval}
            for name, share in row.items()
        }
        for question, row in counts.items()
    }


def write_report(
    folder: Path, questions: Sequence[Question], results: Sequence[Result], about: dict[str, Any]
) -> tuple[Path, Path]:
    """Write scores.json and scores.html into `folder`, whole or not at all."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "scores.json": json.dumps(as_json(results, about), ensure_ascii=False, indent=1) + "\n",
        "scores.html": page(questions, results, about),
    }
    for name, content in contents.items():
        with whole_file(folder / name) as file:
            file.write(content.encode())
    return folder / "scores.json", folder / "scores.html"


def page(questions: Sequence[Question], results: Sequence[Result], about: dict[str, Any]) -> str:
    """The HTML page; it needs no other file and no network."""
    columns = _columns(results)
    rules = "".join(f"<li><b>{escape(q.name)}</b>: {escape(q.rule)}</li>" for q in questions)
    facts = ", ".join(f"{escape(name)} {escape(str(value))}" for name, value in about.items())
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>scorecard</title><style>{STYLE}</style>",
        f"<h1>Scorecard</h1><p>{facts}</p>",
        _html_table(questions, count(results), columns),
        *(f"<p>{escape(line)}</p>" for line in summary(results)),
        f"<ul>{rules}</ul>",
    ]
    for column in columns:
        if SHUFFLED in column or (column == RENDERS and len(columns) > 2):
            continue
        splits = count_splits(list(results), column)
        names = sorted({name for row in splits.values() for name in row})
        parts += [f"<h2>Splits: {escape(column)}</h2>", _html_table(questions, splits, names)]
    parts.append("<h2>Clips</h2>")
    parts += [_section(result) for result in results if result.clips]
    return "\n".join(parts) + "</html>\n"


def _html_table(questions: Sequence[Question], counts: Counts, columns: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ("question", *columns))
    rows = []
    for question in questions:
        if row := counts.get(question.name):
            cells = "".join(f"<td>{_html_share(row.get(column, Share(0, 0)))}</td>" for column in columns)
            rows.append(f"<tr><td>{escape(question.name)}</td>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _html_share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.0%} <small>{low:.0%} to {high:.0%} of {share.asked}</small>" if share.asked else "-"


def _section(result: Result) -> str:
    figures = "".join(
        f"<figure>{_embedded(clip)}<figcaption>{escape(name)}</figcaption></figure>"
        for name, clip in result.clips.items()
    )
    lines = "".join(
        f"<li class={'yes' if answer.right else 'no'}>{escape(column)}, {escape(name)}: "
        f"wanted {escape(answer.wanted)}, seen {escape(answer.seen)}</li>"
        for column, answers in result.answers.items()
        if SHUFFLED not in column
        for name, answer in answers.items()
    )
    return f"<section>{figures}<div><b>{escape(result.prompt.text)}</b><ul>{lines}</ul></div></section>"


def _embedded(clip: Clip) -> str:
    """A clip as an element that holds its file."""
    with TemporaryDirectory() as folder:
        data = clip.save(Path(folder) / "clip.mp4").read_bytes()
    text = base64.b64encode(data).decode()
    return f'<video autoplay loop muted playsinline src="data:video/mp4;base64,{text}"></video>'
