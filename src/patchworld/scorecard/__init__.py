"""The scorecard: what a model has and has not understood of the playroom, judged from its pictures alone.

prompts.py draws what is asked for, worlds.py makes clips of it. sight.py, shapes.py, reading.py and stage.py are the
eyes of the referee, who sees pixels only; things.py, motion.py, props.py and views.py judge; questions.py lists what is
asked. examination.py runs it all, tally.py counts, report.py writes it down. lessons.py is for models that learn
from the referee.
"""

from patchworld.scorecard.examination import cores, examine
from patchworld.scorecard.lessons import lesson
from patchworld.scorecard.prompts import QUICK, SUITES, Prompt, Suite
from patchworld.scorecard.questions import QUESTIONS, Question
from patchworld.scorecard.reading import Reading, read
from patchworld.scorecard.worlds import Dream, dreamed_by, dreaming, rendered

__all__ = [
    "QUESTIONS",
    "QUICK",
    "SUITES",
    "Dream",
    "Prompt",
    "Question",
    "Reading",
    "Suite",
    "cores",
    "dreamed_by",
    "dreaming",
    "examine",
    "lesson",
    "read",
    "rendered",
]
