"""The official client, unmodified, and what is sent by hand where it has no method or refuses to misbehave."""

import base64
import io
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import openai
import pytest
from serving import ANN, BOB
from tiny import moving_square

from patchworld.provenance import check
from patchworld.serve.store import MASTER
from patchworld.video import Clip, read

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
QUICK = {"steps": 1, "seed": 3}


@pytest.fixture
def client(server):
    return openai.OpenAI(api_key=ANN, base_url=f"{server.url}/v1", max_retries=0)


@pytest.fixture
def other(server):
    return openai.OpenAI(api_key=BOB, base_url=f"{server.url}/v1", max_retries=0)


@pytest.fixture(scope="session")
def made(server):
    """A video of one second."""
    client = openai.OpenAI(api_key=ANN, base_url=f"{server.url}/v1")
    return client.videos.create_and_poll(prompt="a red ball", seconds="1", size="32x32", extra_body=QUICK)


@pytest.fixture
def square(tmp_path):
    return moving_square(5, (32, 32), fps=4).save(tmp_path / "square.mp4")


def post(server, path, body, key=ANN, **headers):
    """(status, answer) of JSON that is sent by hand."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **headers}
    request = urllib.request.Request(f"{server.url}/v1/videos{path}", data, sent)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(server, path, key=ANN):
    request = urllib.request.Request(f"{server.url}/v1{path}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def finished(client, video):
    done = client.videos.poll(video["id"] if isinstance(video, dict) else video.id)
    assert done.status == "completed", done.error
    return done


def frames_of(client, id, tmp_path):
    path = tmp_path / f"{id}.mp4"
    path.write_bytes(client.videos.download_content(id).read())
    return read(path)


def test_a_video_is_created_polled_and_downloaded_in_all_variants(client, made, tmp_path):
    assert (made.status, made.progress, made.seconds, made.size, made.model) == (
        "completed",
        100,
        "1",
        "32x32",
        "sora-2",
    )
    assert made.expires_at > made.completed_at >= made.created_at
    clip = frames_of(client, made.id, tmp_path)
    assert (clip.num_frames, clip.size, clip.fps) == (4, (32, 32), 4.0)
    assert clip.recipe["seed"] == 3
    for variant in ("thumbnail", "spritesheet"):
        answer = client.videos.download_content(made.id, variant=variant)
        assert answer.response.headers["content-type"] == "image/webp"
        path = tmp_path / f"{variant}.webp"
        path.write_bytes(answer.read())
        assert read(path).is_image


def test_the_documented_sizes_are_fitted_and_it_is_said(client):
    video = client.videos.create(prompt="a red ball", seconds="4", size="1280x720", extra_body={"steps": "1"})
    assert (video.size, video.fitted_from, video.seconds) == ("32x16", "1280x720", "4")
    finished(client, video)


def test_an_image_begins_the_video_from_a_file_and_from_a_data_url(client, server, tmp_path):
    picture = moving_square(1, (32, 32))
    path = picture.save(tmp_path / "one.png")
    asked = {"prompt": "left", "seconds": "1", "size": "32x32", "extra_body": QUICK}
    with open(path, "rb") as file:
        first = finished(client, client.videos.create(input_reference=file, **asked))
    url = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    body = {"prompt": "left", "seconds": 1, "size": "32x32", "input_reference": {"image_url": url}, **QUICK}
    status, second = post(server, "", body)
    assert status == 200
    finished(client, second)
    clips = [frames_of(client, id, tmp_path) for id in (first.id, second["id"])]
    assert (clips[0].frames == clips[1].frames).all()
    assert abs(clips[0].frames[0].astype(int) - picture.frames[0]).mean() < 3


def test_remix_edit_and_extend(client, made, square, tmp_path):
    remix = client.videos.remix(made.id, prompt="a blue ball", extra_body={"steps": 1})
    assert (remix.remixed_from_video_id, remix.seed) == (made.id, 3)
    finished(client, remix)
    with open(square, "rb") as file:
        edited = finished(client, client.videos.edit(prompt="snow", video=file, extra_body=QUICK))
    assert (edited.operation, edited.seconds) == ("edits", "1.25")
    by_id = {"video": {"id": made.id}, **QUICK}  # the client cannot send an id itself: it asks for bytes
    longer = client.videos.extend(prompt="on", seconds="4", video=openai.omit, extra_body=by_id)
    assert longer.seconds == "5"
    finished(client, longer)
    before, after = (frames_of(client, id, tmp_path).frames.astype(int) for id in (made.id, longer.id))
    assert abs(after[:4] - before).mean() < 3  # the codec; what is kept is kept
    assert len(after) == 20


def test_a_video_of_ones_own_is_kept_as_it_is_and_can_be_gone_on_from(server, client, square, tmp_path):
    with open(square, "rb") as file:
        form = {"headers": {"Content-Type": "multipart/form-data"}}
        sent = {"body": {"prompt": "my film"}, "files": {"video": file}, "options": form}
        kept = finished(client, client.post("/videos/uploads", cast_to=dict, **sent))
    assert (kept.prompt, kept.size, kept.seconds, kept.model_extra["operation"]) == (
        "my film",
        "32x32",
        "1.25",
        "uploads",
    )
    clip, given = frames_of(client, kept.id, tmp_path), read(square).frames
    assert clip.recipe is None  # nobody dreamed it
    assert abs(clip.frames.astype(int) - given).mean() < 3
    job = server.queue.find(kept.id)
    assert (read(server.store.file(job, MASTER)).frames == given).all()
    longer = finished(client, post(server, "/extensions", {"video": {"id": kept.id}, "seconds": 1, **QUICK})[1])
    assert frames_of(client, longer.id, tmp_path).num_frames == 9
    assert (read(server.store.file(server.queue.find(longer.id), MASTER)).frames[:5] == given).all()


def test_a_picture_of_ones_own_is_kept_and_begins_a_video(server, client, tmp_path):
    path = moving_square(1, (48, 24)).save(tmp_path / "one.png")
    url = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    kept = finished(client, post(server, "/uploads", {"video": {"image_url": url}, "prompt": "a square"})[1])
    assert (kept.size, server.queue.find(kept.id).request["frames"]) == ("45x22", 1)  # of at most 1024 pixels
    moving = finished(client, post(server, "/extensions", {"video": {"id": kept.id}, "seconds": 1, **QUICK})[1])
    clip = frames_of(client, moving.id, tmp_path)
    assert (clip.num_frames, clip.size) == (5, (45, 22))


def test_what_is_done_in_a_world_has_to_be_known_to_the_model(server):
    status, answer = post(server, "/simulate", {"prompt": "a ball", "actions": ["push left", "fly"]})
    assert status == 400
    assert answer["error"]["message"].startswith("actions: 'fly' is unknown, this model knows ")


def test_a_character_is_kept_and_a_video_begins_with_it(client, other, square, tmp_path):
    with open(square, "rb") as file:
        one = client.videos.create_character(name="Mossy", video=file)
    assert client.videos.get_character(one.id).name == "Mossy"
    with pytest.raises(openai.NotFoundError):
        other.videos.get_character(one.id)
    asked = {**QUICK, "characters": [{"id": one.id}]}
    video = finished(client, client.videos.create(prompt="it runs", seconds="1", size="32x32", extra_body=asked))
    shown = frames_of(client, video.id, tmp_path).frames[0].astype(int)
    assert abs(shown - moving_square(5, (32, 32)).frames[0]).mean() < 3


def test_pages_and_deletion(client, other):
    ids = [client.videos.create(prompt="x", seconds="1", size="16x16", extra_body=QUICK).id for _ in range(2)]
    for id in ids:
        finished(client, {"id": id})
    listed = [video.id for video in client.videos.list(limit=1)]  # the client turns the pages
    assert listed[:2] == ids[::-1]
    assert [video.id for video in client.videos.list(order="asc", limit=2)] == listed[::-1]
    assert list(other.videos.list()) == []
    assert client.videos.delete(ids[0]).deleted
    for call in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
        with pytest.raises(openai.NotFoundError):
            call(ids[0])


def test_what_others_own_is_not_there_and_no_key_opens_nothing(server, other, made):
    for call in (other.videos.retrieve, other.videos.delete, other.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    for path in (f"/{made.id}/remix", f"/{made.id}/cancel"):
        assert post(server, path, {"prompt": "x"}, key=BOB)[0] == 404
    body = {"prompt": "x", "video": {"id": made.id}}
    assert post(server, "/edits", body, key=BOB)[0] == 404
    events = f"{server.url}/v1/videos/{made.id}/events"
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(urllib.request.Request(events, headers={"Authorization": f"Bearer {BOB}"}))
    refused.value.close()
    with pytest.raises(openai.AuthenticationError, match="API key"):
        openai.OpenAI(api_key="wrong", base_url=f"{server.url}/v1").videos.list()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("loop", {"seconds": 1, "size": "32x32"}),
        ("loop", {"video": "made", "seconds": 1}),
        ("connect", {"first": "made", "second": "made", "seconds": "1"}),
        ("blend", {"first": "made", "second": "made", "curve": [[0, 0], [1, 1]]}),
        ("retake", {"video": "made", "start": 0.25, "end": 0.75}),
        ("outpaint", {"video": "made", "size": "16x64", "place": [0.5, 1]}),
        ("restyle", {"video": "made", "prompt": "snow", "strength": 0.5, "size": "16x16"}),
        (
            "storyboard",
            {
                "cards": [{"at": 0, "prompt": "a"}, {"at": 0.5, "clip": "made", "cut": False}],
                "seconds": 1,
                "size": "32x32",
            },
        ),
    ],
)
def test_additions(server, client, made, path, body):
    def named(value):
        if isinstance(value, dict):
            return {name: named(part) for name, part in value.items()}
        return (
            [named(part) for part in value]
            if isinstance(value, list)
            else {"id": made.id}
            if value == "made"
            else value
        )

    status, video = post(server, f"/{path}", {**named(body), **QUICK})
    assert (status, video.get("operation")) == (200, path), video
    finished(client, video)


def test_inpaint_takes_a_form_with_a_file_and_an_id(client, made, tmp_path):
    mask = moving_square(1, (32, 32), color=(255, 255, 255)).save(tmp_path / "mask.png")
    body = {"video": {"id": made.id}, "prompt": "snow", **QUICK}
    with open(mask, "rb") as file:
        video = client.post(
            "/videos/inpaint",
            body=body,
            files=[("mask", file)],
            options={"headers": {"Content-Type": "multipart/form-data"}},
            cast_to=type(made),
        )
    finished(client, video)


def test_events_tell_the_progress_and_the_end(server, client):
    video = client.videos.create(prompt="x", seconds="1", size="32x32", extra_body={"steps": 4})
    request = urllib.request.Request(
        f"{server.url}/v1/videos/{video.id}/events", headers={"Authorization": f"Bearer {ANN}"}
    )
    with urllib.request.urlopen(request) as stream:
        text = stream.read().decode()
    assert stream.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    assert blocks[-1]["event"] == "completed"
    assert json.loads(blocks[-1]["data"])["progress"] == 100


def test_cancel_and_limits_of_a_server_that_is_busy(idle):
    body = {"prompt": "x", "size": "16x16"}
    videos = [post(idle, "", body) for _ in range(3)]
    assert [status for status, _ in videos] == [200] * 3
    status, answer = post(idle, "", body)
    assert (status, answer["error"]["code"], answer["error"]["type"]) == (429, "queue_full", "rate_limit_error")
    assert post(idle, "", body, key=BOB)[0] == 200
    id = videos[0][1]["id"]
    status, answer = post(idle, f"/{videos[1][1]['id']}/remix", {"prompt": "y"})
    assert (status, answer["error"]["code"]) == (409, "not_ready")
    assert post(idle, f"/{id}/cancel", {})[1]["error"]["code"] == "cancelled"
    assert post(idle, "", body)[0] == 200


def test_a_video_that_waits_knows_its_place_and_one_that_is_made_its_time(idle):
    ids = [post(idle, "", {"prompt": "x", "size": "16x16"})[1]["id"] for _ in range(3)]
    told = [get(idle, f"/videos/{id}") for id in ids]
    assert [(video["queue_position"], video["seconds_left"]) for video in told] == [(0, None), (1, None), (2, None)]
    client = openai.OpenAI(api_key=ANN, base_url=f"{idle.url}/v1").videos.with_raw_response
    assert [client.retrieve(id).headers["openai-poll-after-ms"] for id in ids] == ["500", "1000", "1500"]
    job = idle.queue.claim()
    idle.queue._clock = lambda: job.started + 30
    assert get(idle, f"/videos/{ids[0]}")["seconds_left"] is None  # nothing is done yet from which it could be told
    idle.queue.beat(job, 25)
    first, second = (get(idle, f"/videos/{id}") for id in ids[:2])
    assert (first["queue_position"], first["seconds_left"], second["queue_position"]) == (None, 90, 1)
    idle.queue.complete(job)
    assert [get(idle, f"/videos/{id}")["queue_position"] for id in ids] == [None, 0, 1]


def test_videos_are_found_by_the_words_of_their_prompts_page_by_page(idle):
    asked = post(idle, "", {"prompt": "x", "size": "16x16"})[1]
    request = idle.queue.find(asked["id"]).request
    for number in range(250):
        idle.queue.submit(
            "ann", {**request, "prompt": f"{'Rote Kugel 红球' if number % 100 == 7 else 'a cube'} {number}"}
        )
    pages, after = [], ""
    while not pages or pages[-1]["has_more"]:
        pages.append(get(idle, f"/videos?search=kugel+{urllib.parse.quote('红')}&limit=2{after}"))
        after = f"&after={pages[-1]['last_id']}"
    found = [[video["prompt"].split()[-1] for video in page["data"]] for page in pages]
    assert found == [["207", "107"], ["7"]]
    assert get(idle, "/videos?search=sphere")["data"] == []
    assert get(idle, "/videos?search=kugel", key=BOB)["data"] == []


def test_the_model_tells_what_it_can_do(server, client):
    card = client.models.list().data[0]
    told = (card.id, card.object, card.fps, card.seconds, card.steps)
    assert told == ("playroom", "model", 4.0, 16.0, 8)
    assert card.sizes["1280x720"] == "32x16"
    assert "push left" in card.actions
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(api_key="wrong", base_url=f"{server.url}/v1", max_retries=0).models.list()


def test_one_idempotency_key_makes_one_video(idle):
    body = {"prompt": "x", "size": "16x16"}
    key = {"Idempotency-Key": "k1"}
    answers = [post(idle, "", body, **key)[1]["id"] for _ in range(3)]
    assert len(set(answers)) == 1
    assert post(idle, "", {**body, "seed": 1}, **key)[0] == 409
    assert len(list(idle.store.folder.glob("videos/*"))) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "prompt: missing"),
        ({"prompt": ""}, "prompt=: .*at least 1"),
        ({"prompt": "x\0"}, "zero byte"),
        ({"prompt": "x" * 32_001}, "32000"),
        ({"prompt": "x", "size": "7x7"}, "size=7x7"),
        ({"prompt": "x", "size": "9999x9999"}, "out of range"),
        ({"prompt": "x", "seconds": "soon"}, "seconds"),
        ({"prompt": "x", "seconds": 61}, "at most 60"),
        ({"prompt": "x", "seconds": True}, "seconds"),
        ({"prompt": "x", "steps": 9}, "at most 8"),
        ({"prompt": "x", "seed": -1}, "seed=-1"),
        ({"prompt": "x", "colour": "red"}, "colour.*: unknown"),
        ({"prompt": "x", "input_reference": {"image_url": "http://127.0.0.1/x.png"}}, "fetches nothing"),
        ({"prompt": "x", "input_reference": {"image_url": "data:image/png;base64,AAAA"}}, "upload"),
        ({"prompt": "x", "input_reference": {"file_id": "file-1"}}, "no Files API"),
        ({"prompt": "x", "input_reference": {"file": "/etc/passwd"}}, "input_reference.file"),
        (b'{"prompt": "x", "seconds": NaN}', "JSON|seconds"),
        (b'{"prompt": ' + b"[" * 5000, "JSON|body"),
        (b"\xff", "JSON|body"),
    ],
)
def test_bad_requests_are_refused_in_one_shape_and_leave_nothing(idle, body, message):
    status, answer = post(idle, "", body)
    assert status == 400, answer
    assert set(answer["error"]) == {"message", "type", "code", "param"}
    assert answer["error"]["type"] == "invalid_request_error"
    assert re.search(message, answer["error"]["message"])
    assert str(idle.settings.folder) not in json.dumps(answer)
    assert idle.queue.counts()["queued"] == 0
    assert list(idle.store.folder.glob("videos/*")) == []


def test_a_loop_from_words_that_is_too_long_for_one_window_is_refused(idle):
    status, answer = post(idle, "/loop", {"seconds": 13, "size": "16x16"})
    assert (status, answer["error"]["param"]) == (400, "seconds")
    assert "use 12 or less" in answer["error"]["message"]


def test_what_is_no_video_or_too_large_is_refused(client, tmp_path):
    for content, status in ((b"#EXTM3U\nfile:///etc/passwd\n", 400), (b"<svg/>", 400), (b"x" * 400_000, 413)):
        with pytest.raises(openai.APIStatusError) as caught:
            client.videos.edit(prompt="x", video=io.BytesIO(content))
        assert caught.value.status_code == status
    long = Clip(moving_square(65, (16, 16)).frames, 8).save(tmp_path / "long.mp4")
    with open(long, "rb") as file, pytest.raises(openai.BadRequestError, match="more than 64 frames"):
        client.videos.edit(prompt="x", video=file)


def test_pages_of_other_sites_and_other_names_of_this_machine_are_refused(server):
    other_port = server.url.rsplit(":", 1)[0] + ":1"
    for origin in ("https://example.com", "null", other_port):
        assert post(server, "", {"prompt": "x"}, Origin=origin)[1]["error"]["code"] == "wrong_origin"
    assert post(server, "", {"prompt": "x"}, Host="rebound.example.com")[1]["error"]["code"] == "wrong_host"


def test_health_and_metrics(server):
    texts = {}
    for path in ("healthz", "metrics"):
        with urllib.request.urlopen(f"{server.url}/{path}") as answer:
            texts[path] = answer.read().decode()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert json.loads(texts["healthz"])["status"] == "ok"
    assert 'patchworld_jobs{status="queued"}' in texts["metrics"]


@pytest.mark.parametrize("label", [False, True])
def test_every_file_that_is_served_is_signed_and_labelled_if_asked(tiny_model, tmp_path, label):
    from serving import Server, settings_in

    with Server(settings_in(tmp_path / "served", label=label), tiny_model) as server:
        client = openai.OpenAI(api_key=ANN, base_url=f"{server.url}/v1", max_retries=0)
        made = client.videos.create_and_poll(prompt="a ball", seconds="1", size="64x32", extra_body=QUICK)
        bodies = [{"video": {"id": made.id}, "prompt": "snow", **QUICK}] * 3 + [
            {"seconds": 1, "size": "32x32", **QUICK}
        ]
        asked = zip(("/edits", "/extensions", "/restyle", "/loop"), bodies, strict=True)
        videos = [made, *(finished(client, post(server, path, body)[1]) for path, body in asked)]
        for video in videos:
            for variant in ("video", "thumbnail", "spritesheet"):
                content = io.BytesIO(client.videos.download_content(video.id, variant=variant).read())
                statement = check(content, variant)
                assert statement.known == "own"
                assert statement.source[0].endswith("rainedAlgorithmicMedia")
        job = server.queue.get("ann", made.id)
        labels = {
            path.suffix: read(path).recipe["label"] for path in server.store.job_folder(job.id).glob(f"{job.token}.*")
        }
        assert labels == {".mkv": False, ".mp4": label, ".webp": label}  # edits begin from the master
