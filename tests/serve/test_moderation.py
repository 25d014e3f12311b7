import json
import os
import sys
import time
from dataclasses import replace

import openai
import pytest
from serving import ANN, Server, settings_in
from tiny import moving_square

from patchworld.serve import moderation
from patchworld.serve.moderation import Blocked, inputs, moderate, texts
from patchworld.serve.queue import Job
from patchworld.video import read

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
REQUEST = {
    "operation": "storyboard",
    "prompt": "a ball",
    "negative": "fog",
    "arguments": {
        "things": "a cube",
        "cards": [{"at": 0, "prompt": "a ball"}, {"at": 1, "clip": {"input": "input-1.mkv"}, "prompt": "snow"}],
        "mask": {"input": "input-2.mkv"},
    },
}
JOB = Job("video_1", "ann", REQUEST, "in_progress", 0, 1, "token", False, 0.0, 0.0, None, None, None, None, 0)

# Blocks forbidden words at once, and what was made of a secret one; writes down what it was asked.
PROGRAM = """
import json, sys
asked = json.load(sys.stdin)
with open(sys.argv[1], "a") as calls:
    calls.write(json.dumps(asked) + "\\n")
word = {"input": "forbidden", "output": "secret"}[asked["stage"]]
print(json.dumps({"blocked": any(word in text for text in asked["texts"]), "reason": "not\\nhere"}))
"""


def program(tmp_path, code):
    path = tmp_path / "program.py"
    path.write_text(code)
    return (sys.executable, str(path), str(tmp_path / "calls"))


def test_everything_that_was_written_and_given_is_shown():
    assert list(texts(REQUEST)) == ["a ball", "fog", "a cube", "a ball", "snow"]
    assert inputs(REQUEST) == ["input-1.mkv", "input-2.mkv"]


def test_the_program_decides_and_its_reason_is_one_line(tmp_path):
    command = program(tmp_path, PROGRAM)
    moderate(command, "input", JOB, [tmp_path / "a.mkv"])
    asked = json.loads((tmp_path / "calls").read_text())
    assert asked == {
        "stage": "input",
        "owner": "ann",
        "operation": "storyboard",
        "texts": ["a ball", "fog", "a cube", "snow"],
        "files": [str(tmp_path / "a.mkv")],
    }
    bad = replace(JOB, request={**REQUEST, "prompt": "a forbidden ball"})
    with pytest.raises(Blocked, match=r"blocked by the moderation of this server, before it was made: not here$"):
        moderate(command, "input", bad, [])
    moderate(command, "output", bad, [])


@pytest.mark.parametrize(
    "code",
    [
        "",
        "print('no')",
        "print('{}')",
        """print('{"blocked": "false"}')""",
        """print('{"blocked": 0}')""",
        """print('{"blocked": false}{"blocked": false}')""",
        """print('{"blocked": false}'); raise SystemExit(1)""",
        """print('{"blocked": false}', flush=True); import os; os.abort()""",
        "import time; time.sleep(60)",
        """import os, time; os.fork(); print('{"blocked": false}', flush=True); time.sleep(60)""",
    ],
)
def test_whatever_is_no_clear_answer_blocks_and_is_said(tmp_path, code, monkeypatch, caplog):
    monkeypatch.setattr(moderation, "PATIENCE", 0.5 if "sleep" in code else 20)
    began = time.monotonic()
    with pytest.raises(
        Blocked, match="the moderation of this server failed, so the video was blocked after it was made"
    ):
        moderate(program(tmp_path, code), "output", JOB, [])
    assert time.monotonic() - began < 20
    assert "the moderation failed, job video_1 counts as blocked" in caplog.text
    assert "a ball" not in caplog.text


def test_a_program_that_is_not_there_blocks():
    with pytest.raises(Blocked, match="failed"):
        moderate(("/nowhere/program",), "input", JOB, [])


@pytest.fixture
def moderated(tiny_model, tmp_path):
    settings = settings_in(tmp_path / "served", moderation=program(tmp_path, PROGRAM))
    with Server(settings, tiny_model) as running:
        running.client = openai.OpenAI(api_key=ANN, base_url=f"{running.url}/v1", max_retries=0)
        running.calls = lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
        yield running


def create(server, prompt, **more):
    asked = {"seconds": "1", "size": "32x32", "extra_body": {"steps": 2, "seed": 3}}
    return server.client.videos.create_and_poll(prompt=prompt, **asked, **more)


def test_a_blocked_prompt_is_never_dreamed(moderated):
    video = create(moderated, "a forbidden ball")
    assert (video.status, video.error.code, video.progress) == ("failed", "moderation_blocked", 0)
    assert video.error.message.endswith("before it was made: not here")
    assert [call["stage"] for call in moderated.calls()] == ["input"]
    assert os.listdir(moderated.store.job_folder(video.id)) == []


def test_a_blocked_result_is_never_served_and_is_deleted(moderated):
    video = create(moderated, "a secret ball")
    assert (video.status, video.error.code) == ("failed", "moderation_blocked")
    assert video.error.message.endswith("after it was made: not here")
    assert [call["stage"] for call in moderated.calls()] == ["input", "output"]
    assert os.listdir(moderated.store.job_folder(video.id)) == []
    for variant in ("video", "thumbnail", "spritesheet"):
        with pytest.raises(openai.NotFoundError):
            moderated.client.videos.download_content(video.id, variant=variant)
    with pytest.raises(openai.NotFoundError):
        moderated.client.videos.remix(video.id, prompt="snow")


def test_what_passes_is_shown_to_the_program_first_with_what_was_given(moderated, tmp_path):
    image = moving_square(1, (32, 32)).save(tmp_path / "given.png")
    with open(image, "rb") as file:
        video = create(moderated, "a ball", input_reference=file)
    assert video.status == "completed"
    before, after = moderated.calls()
    assert [before["stage"], after["stage"]] == ["input", "output"]
    assert before["owner"] == "ann"
    assert [name.rsplit("/", 1)[1] for name in before["files"]] == ["input-1.mkv"]
    assert read(after["files"][0]).num_frames == 4


def test_no_preview_is_shown_before_the_result_was_seen(moderated):
    video = create(moderated, "a ball")
    assert video.status == "completed"
    assert "image_url" not in moderated.client.get(f"/videos/{video.id}/events", cast_to=str)
    assert not list(moderated.store.job_folder(video.id).glob("*preview*"))
