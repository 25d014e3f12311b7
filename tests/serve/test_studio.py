"""The studio in a browser, as a person uses it: by pointer, by keyboard, on a phone."""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from serving import ANN, Server, settings_in
from tiny import moving_square

from patchworld.video import Clip, read
from patchworld.video.reading import read_recipe

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
expect = sync_api.expect
expect.set_options(timeout=15_000)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SOON = 30_000  # milliseconds; each wait ends as soon as it can


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium here to open the studio in: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def home(tiny_model, tmp_path_factory):
    """A server that dreams and wants no key."""
    settings = settings_in(
        tmp_path_factory.mktemp("home"), keys={}, limits=settings_in("").limits.model_copy(update={"waiting": 50})
    )
    with Server(settings, tiny_model) as running:
        yield running


@pytest.fixture
def quiet(tiny_model, tmp_path):
    """A server on which nothing is dreamed: the tests are its worker."""
    with Server(settings_in(tmp_path / "quiet", keys={}), tiny_model, working=False) as running:
        yield running


@pytest.fixture
def visit(browser):
    """Opens a page; at the end nothing may have gone wrong in any."""
    troubles, contexts = [], []

    def open_page(server, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
        contexts.append(context)
        context.set_default_timeout(SOON)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: said.type == "error" and troubles.append(said.text))
        page.on(
            "request", lambda asked: asked.url.startswith((server.url, "blob:", "data:")) or troubles.append(asked.url)
        )
        page.goto(server.url)
        expect(page.get_by_role("heading", name="patchworld")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    told = "Failed to load resource"  # an answer that is an error, which the page shows
    assert [trouble for trouble in troubles if told not in trouble] == []


def dream(page, prompt, seconds="1", **more):
    page.get_by_label("What do you want to see?").fill(prompt)
    form = page.locator("form", has=page.locator("#prompt"))
    form.get_by_label("Seconds").fill(seconds)
    for name, value in more.items():
        form.get_by_label(name).fill(value)
    form.get_by_role("button", name="Dream").click()
    expect(card(page, prompt).first).to_be_visible()


def card(page, prompt):
    return page.get_by_role("button", name=f"Open: {prompt}")


def opener(page, job):
    """What opens a video in the gallery."""
    return page.locator(f'[data-id="{job.id}"]')


@pytest.fixture(scope="module")
def two(home, browser):
    """Two videos of a second each: a red ball, a blue cube."""
    page = browser.new_page()
    page.set_default_timeout(SOON)
    page.goto(home.url)
    jobs = []
    for prompt in ("a red ball", "a blue cube"):
        dream(page, prompt)
        expect(page.locator("li.completed").filter(has_text=prompt)).to_be_visible(timeout=SOON)
        jobs.append(newest(home))
    page.close()
    return jobs


def use(page, job, tool):
    """Open a video and choose a tool; the place where that is."""
    opener(page, job).click()
    bench = page.get_by_role("region", name=job.request["prompt"])
    bench.get_by_role("radio", name=tool, exact=True).check()
    return bench


def newest(server):
    return server.queue.page("local", limit=1)[0][0].job


def make(bench, tool, server):
    """Press the button of a tool; the job that it made."""
    before = newest(server).id
    bench.get_by_role("button", name=tool, exact=True).click()
    expect(bench.page.locator(f'[data-id="{before}"]').first).to_be_visible()
    for _ in range(300):
        if (job := newest(server)).id != before:
            return job
        bench.page.wait_for_timeout(100)
    raise AssertionError("nothing was asked for")


def test_words_become_videos_that_can_be_opened_and_played(home, visit):
    page = visit(home)
    dream(page, "a green pyramid", Variations="2", Seed="7")
    cards = page.locator("li.completed").filter(has_text="a green pyramid")
    expect(cards).to_have_count(2, timeout=SOON)
    jobs = [look.job for look in home.queue.page("local", limit=2)[0]]
    assert sorted(job.request["sampling"]["seed"] for job in jobs) == [7, 8]
    cards.first.get_by_role("button").click()
    bench = page.get_by_role("region", name="a green pyramid")
    expect(bench.locator("video")).to_have_js_property("readyState", 4)
    assert bench.locator("video").evaluate("video => [video.videoWidth, video.videoHeight]") == [32, 16]
    with page.expect_download() as download:
        bench.get_by_role("link", name="Download").click()
    assert read(download.value.path()).num_frames == 4
    bench.get_by_role("button", name="Delete").click()
    bench.get_by_role("button", name="Delete for good?").click()
    expect(cards).to_have_count(1)


def test_a_video_that_waits_and_is_dreamed_tells_how_far_it_is(quiet, visit):
    page = visit(quiet)
    dream(page, "first")
    dream(page, "second")
    expect(page.locator("li.card", has_text="first")).to_contain_text("Is next")
    expect(page.locator("li.card", has_text="second")).to_contain_text("Waits, 1 video before it")
    job = quiet.queue.claim()
    quiet.queue.beat(job, 40)
    strip = np.zeros((16, 8 * 32, 3), np.uint8)
    Clip(strip[None], 1.0).save(quiet.store.file(job, ".preview.webp"))
    first = page.locator("li.card", has_text="first")
    expect(first).to_contain_text(re.compile(r"Dreams, 40 % · about \d+ s left"))
    expect(first.locator("img.strip")).to_have_attribute("style", re.compile("width: 800%"))
    dream(page, "third")
    card(page, "third").click()
    page.get_by_role("region", name="third").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("region", name="third").get_by_role("alert")).to_have_text("the video was cancelled")
    page.get_by_role("button", name="Stop: second").click()
    expect(page.locator("li.card", has_text="second")).to_contain_text("Not made: the video was cancelled")
    quiet.queue.fail(job, "server_error", "the server could not make it")
    expect(first).to_contain_text("Not made: the server could not make it")


def test_extend_before_it(home, two, visit):
    bench = use(visit(home), two[0], "Extend")
    bench.get_by_role("radio", name="Before it").check()
    bench.get_by_label("Seconds").fill("1.5")
    asked = make(bench, "Extend", home).request
    assert (asked["verb"], asked["arguments"]["backward"], asked["seconds"]) == ("extend", True, "2.5")


def test_loop(home, two, visit):
    bench = use(visit(home), two[0], "Loop")
    asked = make(bench, "Loop", home).request
    assert (asked["verb"], asked["seconds"], asked["prompt"]) == ("loop", "3", "a red ball")


def made_from(home, job):
    """The prompts of the two videos that a job is made from."""
    inputs = [home.store.job_folder(job.id) / job.request["arguments"][name]["input"] for name in "ab"]
    return [read_recipe(path)["arguments"]["prompt"] for path in inputs]


def test_connect_by_dragging_one_video_onto_another(home, two, visit):
    page = visit(home)
    opener(page, two[1]).drag_to(opener(page, two[0]))
    bench = page.get_by_role("region", name="a blue cube")
    assert bench.get_by_role("radio", name="Connect").is_checked()
    assert made_from(home, make(bench, "Connect", home)) == ["a blue cube", "a red ball"]


def test_connect_and_blend_by_the_keyboard_alone(home, two, visit):
    page = visit(home)
    opener(page, two[0]).focus()
    page.keyboard.press("Enter")
    bench = page.get_by_role("region", name="a red ball")
    bench.get_by_role("radio", name="Extend").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(bench.get_by_role("radio", name="Connect")).to_be_checked()
    bench.get_by_role("radio", name="a blue cube", exact=True).last.focus()
    page.keyboard.press("Space")
    bench.get_by_label("Swap the two").focus()
    page.keyboard.press("Space")
    bench.get_by_label("Words").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="a red ball").get_by_role("radio", name="Connect")).to_have_count(0)
    job = newest(home)
    assert (job.request["verb"], made_from(home, job)) == ("connect", ["a blue cube", "a red ball"])


def test_blend(home, two, visit):
    bench = use(visit(home), two[0], "Blend")
    bench.get_by_role("radio", name="a blue cube", exact=True).last.check()
    bench.get_by_label("Seconds of both").fill("0.5")
    bench.get_by_label("The second comes in").select_option("late")
    job = make(bench, "Blend", home)
    assert (job.request["verb"], job.request["seconds"], made_from(home, job)) == (
        "blend",
        "1.5",
        ["a red ball", "a blue cube"],
    )
    assert job.request["arguments"]["curve"] == [[0, 0], [0.5, 0.2], [1, 1]]


def test_a_loop_of_words_alone(home, visit):
    page = visit(home)
    page.locator("summary", has_text="More").click()
    page.get_by_label("A loop").check()
    expect(page.get_by_label("Begin with a picture")).to_be_disabled()
    dream(page, "a yellow cone")
    expect(page.locator("li.completed").filter(has_text="a yellow cone")).to_be_visible(timeout=SOON)
    request = newest(home).request
    assert (request["verb"], request["prompt"], request["seconds"]) == ("loop", "a yellow cone", "1")


def test_retake_by_dragging_on_the_timeline_and_by_arrow_keys(home, two, visit):
    page = visit(home)
    bench = use(page, two[0], "Retake")
    line = bench.locator(".frames")
    box = line.bounding_box()
    page.mouse.move(box["x"] + 0.51 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 20, steps=4)
    page.mouse.move(box["x"] + 1.1 * box["width"], box["y"] + 20)
    page.mouse.up()
    expect(bench.get_by_role("slider", name="From")).to_have_attribute("aria-valuetext", "0.50 s")
    expect(bench.get_by_role("slider", name="To")).to_have_attribute("aria-valuetext", "1.00 s")
    bench.get_by_role("slider", name="To").focus()
    page.keyboard.press("ArrowLeft")
    bench.get_by_role("slider", name="From").focus()
    page.keyboard.press("Home")
    asked = make(bench, "Retake", home).request["arguments"]
    assert (asked["start"], asked["end"]) == (0.0, 0.75)


def test_paint_with_the_pointer_and_with_the_keys(home, two, visit):
    page = visit(home)
    bench = use(page, two[0], "Paint")
    bench.get_by_role("button", name="Paint", exact=True).click()
    expect(bench.get_by_role("alert")).to_have_text("Paint something first.")
    box = bench.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    bench.get_by_role("button", name="Clear").click()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.25 * box["height"], steps=5)
    page.mouse.up()
    bench.get_by_role("link", name="Download").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # in the middle, where the keys begin
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    job = make(bench, "Paint", home)
    assert job.request["verb"] == "inpaint"
    mask = read(home.store.job_folder(job.id) / job.request["arguments"]["mask"]["input"]).frames[0] > 127
    assert mask.shape == (16, 32, 3)
    assert mask[4, 4:12].all()  # the stroke
    assert mask[8, 16].all()  # the middle
    assert not mask[12:].any()
    assert 16 < mask[..., 0].sum() < 120


def test_paint_before_the_video_is_here(home, two, visit):
    page = visit(home)
    held = []
    page.route("**/content?variant=video", lambda route: held.append(route))  # a method of a list cannot be one
    bench = use(page, two[0], "Paint")
    bench.get_by_role("button", name="Clear").click()
    bench.get_by_role("button", name="Paint", exact=True).click()
    expect(bench.get_by_role("alert")).to_have_text("Paint something first.")
    box = bench.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert held
    for route in held:
        route.continue_()
    expect(bench.locator("video")).to_be_visible()
    assert make(bench, "Paint", home).request["verb"] == "inpaint"


def test_widen_and_restyle(home, two, visit):
    page = visit(home)
    bench = use(page, two[0], "Widen")
    bench.get_by_label("Shape").select_option(label="Square")
    bench.get_by_role("radio", name="bottom", exact=True).check()
    asked = make(bench, "Widen", home).request
    assert (asked["verb"], asked["size"], asked["arguments"]["place"]) == ("outpaint", "32x32", [0.5, 1.0])
    bench = use(page, two[0], "Restyle")
    bench.get_by_label("Words").fill("snow")
    bench.get_by_label("How much may change").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    asked = make(bench, "Restyle", home).request
    assert (asked["verb"], asked["prompt"], asked["arguments"]["strength"]) == ("restyle", "snow", 0.05)


def test_a_video_of_ones_own_is_added_by_the_keyboard_and_gone_on_from(home, visit, tmp_path):
    own = moving_square(5, (32, 32), fps=4).save(tmp_path / "my holiday.mp4")
    page = visit(home)
    adder = page.get_by_label("Add your own")
    page.get_by_role("heading", name="Your videos").click()
    page.keyboard.press("Tab")
    expect(adder).to_be_focused()
    adder.set_input_files(own)  # from here on the keys are the browser's own
    bench = page.get_by_role("region", name="my holiday")
    expect(bench.locator("video")).to_be_visible(timeout=SOON)
    expect(bench.get_by_text("1.25 s · your own · 32 × 32")).to_be_visible()
    expect(bench.get_by_label("Words")).to_have_value("")
    bench.get_by_role("radio", name="Extend", exact=True).check()
    assert make(bench, "Extend", home).request["verb"] == "extend"


def test_what_is_dropped_onto_the_gallery_is_added_and_what_is_no_video_refused(home, visit):
    page = visit(home)
    picture = io.BytesIO()
    Image.fromarray(moving_square(1, (32, 32)).frames[0]).save(picture, "png")
    drop = """([name, type, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type }));
        document.querySelector('section[aria-labelledby=videos]')
            .dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, ["a square.png", "image/png", list(picture.getvalue())])
    expect(page.get_by_role("region", name="a square")).to_be_visible(timeout=SOON)
    page.evaluate(drop, ["notes.mp4", "video/mp4", list(b"no video at all")])
    expect(page.get_by_role("alert")).to_contain_text("the upload")


def test_a_storyboard_is_laid_out_in_time(home, two, visit):
    page = visit(home)
    page.get_by_role("radio", name="Storyboard").check()
    page.get_by_label("Card 1", exact=True).fill("a red ball rolls")
    page.get_by_label("Card 2", exact=True).fill("it stops")
    page.get_by_role("button", name="Add a card").click()
    third = page.get_by_role("listitem").filter(has_text="Card 3")
    third.get_by_label("Seconds").fill("1")
    third.get_by_label("Shows").select_option(label="a blue cube")
    third.get_by_label("New shot").uncheck()
    page.get_by_label("In all cards").fill("in the snow")
    handle, line = page.get_by_role("slider", name="End of card 1"), page.locator(".segments")
    width = line.bounding_box()["width"]
    handle.hover()
    page.mouse.down()
    page.mouse.move(line.bounding_box()["x"] + width * 1.5 / 5, handle.bounding_box()["y"] + 10, steps=4)
    page.mouse.up()
    page.get_by_role("slider", name="End of card 2").focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Move card 2 earlier").click()
    before = newest(home).id
    page.locator("form", has=page.locator(".cards")).get_by_role("button", name="Dream").click()
    expect(page.locator("li.card").first).to_contain_text("it stops, in the snow")
    job = newest(home)
    assert job.id != before
    cards = job.request["arguments"]["cards"]
    assert [(one["at"], one.get("prompt"), one["cut"]) for one in cards] == [
        (0.0, "it stops", True),
        (2.25, "a red ball rolls", True),
        (3.75, None, False),
    ]
    assert "clip" in cards[2]
    assert job.request["seconds"] == "5"


def test_play_with_a_key_by_arrow_keys(world, visit):
    page = visit(world)
    page.get_by_label("API key").fill("wrong, but as long as a key")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("alert")).to_contain_text("the API key is missing or wrong")
    page.get_by_label("API key").fill(ANN)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_label("API key")).to_have_count(0)
    page.get_by_role("radio", name="Play").check()
    page.get_by_role("button", name="Start the world").click()
    stage = page.get_by_role("application", name="The world")
    expect(stage).to_be_focused(timeout=60_000)  # another process begins
    page.keyboard.down("ArrowLeft")
    left = page.get_by_role("button", name="left")
    expect(left).to_have_attribute("aria-pressed", "true")
    page.keyboard.up("ArrowLeft")
    expect(left).to_have_attribute("aria-pressed", "false")
    picture = stage.locator("img")
    before = picture.get_attribute("src")
    expect(picture).not_to_have_attribute("src", before)
    page.keyboard.press("Escape")
    expect(page.get_by_text("The world has ended.")).to_be_visible()
    page.get_by_role("button", name="Keep it as a video").click()
    expect(page.locator("li.card")).to_have_count(1)
    request = world.queue.page("ann", limit=1)[0][0].job.request
    actions = request["arguments"]["actions"]
    assert (request["verb"], request["frames"]) == ("simulate", 1 + len(actions))
    assert actions[0] == "none"
    assert set(actions) <= {"none", "push left"}


def test_search_and_pages(quiet, visit):
    asked = {
        "operation": "create",
        "model": "m",
        "seconds": "1",
        "size": "32x16",
        "sampling": {"seed": 0},
        "fitted_from": None,
        "notes": [],
        "remixed_from_video_id": None,
    }
    for number in range(30):
        quiet.queue.submit("local", {**asked, "prompt": f"{'红色的球' if number % 10 == 0 else 'a cube'} {number}"})
    page = visit(quiet)
    cards = page.locator("li.card")
    expect(cards).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(30)
    page.get_by_role("searchbox").fill("球")
    expect(cards).to_have_count(3)
    page.get_by_role("searchbox").fill("球 20")
    expect(cards).to_have_count(1)
    page.get_by_role("searchbox").fill("sphere")
    expect(page.get_by_text("No video has all of these words.")).to_be_visible()


def test_what_the_server_refuses_is_shown_in_its_words(home, two, visit):
    bench = use(visit(home), two[0], "Extend")
    bench.get_by_label("Seconds").fill("16")
    bench.get_by_role("button", name="Extend", exact=True).click()
    expect(bench.get_by_role("alert")).to_have_text("the video would be 17 s long, this server makes at most 16")


def test_words_are_never_markup(quiet, visit):
    page = visit(quiet)
    nasty = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    dream(page, nasty)
    page.wait_for_timeout(200)
    assert page.title() == "patchworld"
    expect(page.locator(".caption").first).to_have_text(nasty)


RUN = "window.owned=1"
MARKUP = [  # 50 ways in which text has become script elsewhere
    f"<script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"</title></style></script><script>{RUN}</script>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<SCRIPT\x0c>{RUN}</SCRIPT >",
    "<script src=//example.com/x.js></script>",
    f"<script type=module>{RUN}</script>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"<iframe srcdoc='<script>parent.owned=1</script>' title='{RUN}'>",
    f"<iframe src=javascript:{RUN}>",
    "<object data=data:text/html,<script>parent.owned=1</script>>",
    "<embed src=data:text/html,<script>parent.owned=1</script>>",
    f"<base href=javascript:{RUN}//>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    f"<link rel=stylesheet href=javascript:{RUN}>",
    f"<style>@import 'javascript:{RUN}'</style>",
    f"<svg><animate onbegin={RUN} attributeName=x></svg>",
    f"<svg><set attributeName=href to=javascript:{RUN}></svg>",
    f"<svg><foreignObject><script>{RUN}</script></foreignObject></svg>",
    f"<math><mtext><script>{RUN}</script></mtext></math>",
    f"<a href=javascript:{RUN}>x</a>",
    f"<a href='java\tscript:{RUN}'>x</a>",
    f"<form action=javascript:{RUN}><button autofocus>x</button></form>",
    f"<button formaction=javascript:{RUN}>x</button>",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"'-({RUN})-'",
    f'";{RUN};//',
    f"${{({RUN})}}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"%3Cscript%3E{RUN}%3C/script%3E",
    f"<!--><script>{RUN}</script>-->",
    f"<![CDATA[<script>{RUN}</script>]]>",
    *(
        f"<{tag} {event}={RUN} {more}>"
        for tag, event, more in (
            ("img", "onerror", "src=x"),
            ("img", "onload", "src=data:image/gif;base64,R0lGODlhAQABAAAAACw="),
            ("video", "onerror", "src=x autoplay"),
            ("audio", "onloadstart", "src=x autoplay"),
            ("body", "onload", ""),
            ("svg", "onload", ""),
            ("input", "onfocus", "autofocus"),
            ("select", "onfocus", "autofocus"),
            ("details", "ontoggle", "open"),
            ("marquee", "onstart", ""),
            ("div", "onpointerenter", "style=position:fixed;inset:0"),
            ("p", "onanimationend", "style=animation:x"),
        )
    ),
    f'" autofocus onfocus="{RUN}',
    f"' onmouseover='{RUN}",
]


def test_text_of_strangers_is_never_script(quiet, visit):
    assert len(set(MARKUP)) == 50
    for text in MARKUP:  # as a prompt, as what became of the file's own words, and as what went wrong
        asked = {"operation": text, "model": text, "prompt": text, "seconds": "1", "size": "32x16", "notes": [text]}
        more = {"sampling": {"seed": 0}, "fitted_from": text, "remixed_from_video_id": None}
        quiet.queue.submit("local", {**asked, **more})
        quiet.queue.fail(quiet.queue.claim(), text, text)
    page = visit(quiet)
    asked_for, dialogs = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked_for.append(request.url))
    for _ in range(2):
        page.get_by_role("button", name="Show more").click()
    cards = page.locator("li.card")
    expect(cards).to_have_count(50)
    shown = {cards.nth(number).locator(".caption").text_content() for number in range(50)}
    assert shown == set(MARKUP)
    page.locator("summary", has_text="More").click()
    for number in range(50):
        cards.nth(number).get_by_role("button").first.click()
        name = MARKUP[number].replace("/", "")[:80]
        picture = {"name": name, "mimeType": "image/png", "buffer": b"no picture"}
        page.get_by_label("Begin with a picture").first.set_input_files(picture)
    for text in MARKUP:
        page.get_by_role("searchbox").fill(text)
        page.get_by_label("What do you want to see?").fill(text)
    page.wait_for_timeout(300)
    inside = "[window.owned, document.title, document.querySelectorAll('script, iframe, object, embed').length]"
    assert page.evaluate(inside) == [None, "patchworld", 1]
    page.goto(f"{quiet.url}/v1/videos?limit=100")  # what the API answers, opened as a page
    assert page.evaluate("[window.owned, document.scripts.length]") == [None, 0]
    assert dialogs == []
    assert [url for url in asked_for if not url.startswith((quiet.url, "blob:", "data:"))] == []


def test_chinese_is_whole_and_remembered(home, two, visit):
    page = visit(home)
    page.get_by_role("button", name="中文").click()
    page.reload()
    expect(page.get_by_role("button", name="生成", exact=True).first).to_be_visible()
    opener(page, two[0]).click()
    for tool in ("延长", "循环", "连接", "融合", "重拍", "涂改", "扩画", "换风格"):
        page.get_by_role("radio", name=tool).check()
    page.get_by_role("radio", name="分镜").check()
    page.get_by_role("radio", name="游玩").check()
    said = page.locator("body").evaluate(
        "body => [body.innerText, ...[...body.querySelectorAll('[aria-label]')].map(one => one.ariaLabel)].join('\\n')"
    )
    for prompt in ("patchworld", "English", "seed", "push left"):
        said = said.replace(prompt, "")
    shown = {look.job.request["prompt"] for look in home.queue.page("local", limit=100)[0]}
    for prompt in sorted(shown, key=len, reverse=True):
        said = said.replace(prompt, "")
    assert re.findall(r"[A-Za-z]{4,}", said) == []
    assert page.locator("html").get_attribute("lang") == "zh"


def luminance(page):
    return np.asarray(Image.open(io.BytesIO(page.screenshot()))).mean()


def test_light_and_dark_follow_the_system_and_the_switch(home, visit):
    page = visit(home, color_scheme="dark")
    assert luminance(page) < 80
    page.get_by_role("button", name="Light colours").click()
    assert luminance(page) > 180
    page.reload()
    expect(page.get_by_role("button", name="Dark colours")).to_be_visible()
    assert luminance(page) > 180
    assert luminance(visit(home, color_scheme="light")) > 180


def test_a_phone_shows_everything_without_scrolling_sideways(home, two, visit):
    page = visit(home, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)

    def fits():
        return page.locator("html").evaluate("html => html.scrollWidth <= innerWidth")

    assert fits()
    page.get_by_role("radio", name="Storyboard").check()
    assert fits()
    opener(page, two[0]).tap()
    bench = page.get_by_role("region", name="a red ball")
    assert bench.bounding_box()["width"] == 360
    for tool in ("Connect", "Blend", "Retake", "Paint", "Widen", "Restyle"):
        bench.get_by_role("radio", name=tool, exact=True).check()
        assert fits(), tool
        assert bench.evaluate("bench => bench.scrollWidth <= bench.clientWidth"), tool
    bench.get_by_role("button", name="Close").tap()
    expect(bench).to_have_count(0)


def test_the_keyboard_reaches_everything_and_is_trapped_nowhere(home, two, visit):
    page = visit(home)
    opener(page, two[0]).click()
    page.get_by_role("radio", name="Retake").check()
    page.get_by_role("heading", name="patchworld").click()  # the place from which Tab goes on
    reached = set()
    mark = """() => {
        const at = document.activeElement;
        const places = [at, at.nextElementSibling, at.closest('form')]; // some show it on what stands for them
        const ring = places.some(one => one && getComputedStyle(one).outlineStyle !== 'none');
        return [at.tagName, at.type ?? '', at.ariaLabel ?? at.textContent.slice(0, 40), ring];
    }"""
    for _ in range(200):
        page.keyboard.press("Tab")
        tag, kind, name, ring = page.evaluate(mark)
        if tag == "BODY":
            break
        assert ring or tag == "VIDEO", (tag, kind, name)  # the browser draws the buttons of a video
        reached.add((tag, kind, name))
    else:
        raise AssertionError(f"the end of the page is not reached: {reached}")
    names = {name for _, _, name in reached}
    assert {"From", "To", "Retake", "Close", "Download", "Use its words", "Dream", "中文", "Dark colours"} <= names
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")
    expect(opener(page, two[0])).to_be_focused()


def test_everything_that_can_be_used_has_a_name(home, two, visit):
    page = visit(home)
    opener(page, two[0]).click()
    for view in ("Words", "Storyboard", "Play"):
        page.get_by_role("radio", name=view, exact=True).check()
        for tool in ("Connect", "Retake", "Paint", "Widen", "Restyle"):
            page.get_by_role("radio", name=tool, exact=True).check()
            tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
            roles = (
                "button",
                "textbox",
                "combobox",
                "spinbutton",
                "radio",
                "checkbox",
                "slider",
                "link",
                "application",
            )
            used = [node for node in tree if node.get("role", {}).get("value") in roles and not node["ignored"]]
            assert len(used) > 10
            nameless = [node for node in used if not node.get("name", {}).get("value")]
            assert nameless == []
