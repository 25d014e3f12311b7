from pathlib import Path

from PIL import Image
from tiny import moving_square
from tiny_commands import quick

from patchworld.provenance import signing_folder
from patchworld.video import Clip, read


def test_verify_tells_who_signed_what_made_it_and_from_what(model, run):
    run(*quick(model, "ball.mp4", "--seed", 5))
    status, out, err = run("verify", "ball.mp4")
    assert (status, err) == (0, "")
    assert out.startswith("ball.mp4: signed, and unchanged since\n  signed by  patchworld key ")
    assert "the key of this machine\n  source     AI-generated, with patchworld " in out
    made_by = read("ball.mp4").recipe["model"]
    assert f"recipe     verb 'generate', model '{made_by}', seed '5'" in out
    assert "prompt     'a red ball'" in out
    assert "  AIGC       Label '1', ContentProducer 'patchworld', ProduceID '" in out
    run("extend", "ball.mp4", "-o", "longer.mov", "--seconds", 0.5, "--model", model, "--steps", 1)
    out = run("verify", "longer.mov")[1]
    assert "AI-generated in part" in out
    assert "made from  ball.mp4, signed by patchworld key" in out


def test_every_command_that_dreams_signs_its_file_and_its_preview(model, run):
    Path("board.yaml").write_text("{seconds: 1, size: 16x16, cards: [{at: 0, prompt: a ball}]}")
    moving_square(5, (16, 16)).save("given.mp4")
    moving_square(1, (16, 16)).save("still.png")
    Clip(moving_square(1, (16, 16), color=(255, 255, 255)).frames // 255 * 255, 8).save("mask.png")
    few = ("--steps", 1, "--model", model)
    for words in (
        quick(model, "a.mp4", "--preview", "preview.png"),
        ("animate", "still.png", "-o", "b.mp4", "--frames", 5, *few),
        ("extend", "given.mp4", "-o", "c.mp4", "--seconds", 0.5, *few),
        ("loop", "a ball", "-o", "d.gif", "--seconds", 1, "--size", "16x16", *few),
        ("connect", "given.mp4", "given.mp4", "-o", "e.mp4", "--seconds", 0.5, *few),
        ("blend", "given.mp4", "given.mp4", "-o", "f.mp4", *few),
        ("retake", "given.mp4", "--from", 0.1, "--to", 0.3, "-o", "g.mp4", *few),
        ("inpaint", "given.mp4", "--mask", "mask.png", "-o", "h.mp4", *few),
        ("outpaint", "given.mp4", "--size", "32x16", "-o", "i.mp4", *few),
        ("restyle", "given.mp4", "snow", "-o", "j.mov", *few),
        ("refine", "given.mp4", "--size", "32x32", "-o", "k.mp4", *few),
        ("storyboard", "board.yaml", "-o", "l.mp4", *few),
        ("replay", "a.mp4", "-o", "m.mp4", "--model", model),
        ("reconstruct", "given.mp4", "-o", "n.mp4", "--model", model),
    ):
        assert run(*words)[0] == 0, words
    made = sorted(set(Path().iterdir()) - {Path(name) for name in ("board.yaml", "given.mp4", "still.png", "mask.png")})
    assert len(made) == 15
    for path in made:
        status, out, _ = run("verify", path)
        assert (status, "AI-generated" in out) == (0, True), path


def test_a_changed_file_has_its_own_exit_status(model, run, refused):
    run(*quick(model, "ball.mp4"))
    data = bytearray(Path("ball.mp4").read_bytes())
    data[data.index(b"a red ball")] = ord("A")
    Path("ball.mp4").write_bytes(data)
    line = refused("verify", "ball.mp4", status=3)
    assert "ball.mp4 was changed after it was signed (assertion.bmffHash.mismatch): get it again" in line


def test_a_stripped_manifest_and_a_format_without_one_are_told(model, run, refused):
    run(*quick(model, "ball.png"))
    with Image.open("ball.png") as image:
        image.save("stripped.png")
    assert "stripped.png has no manifest (stripped, or never there), so nobody" in refused(
        "verify", "stripped.png", status=3
    )
    run(*quick(model, "ball.webm"))
    line = refused("verify", "ball.webm", status=3)
    assert "ball.webm has no manifest (matroska files hold none), so nobody vouches for it; a note in it, which" in line
    assert "anyone can write, says verb 'generate'" in line


def test_a_foreign_key_is_told_and_can_be_named(model, run, refused, monkeypatch):
    run(*quick(model, "ball.mp4"))
    theirs = signing_folder() / "certificates.pem"
    monkeypatch.setenv("PATCHWORLD_SIGNING", "none")
    status, out, _ = run("verify", "ball.mp4")
    assert (status, "nobody vouches for it" in out) == (0, True)
    assert not Path("none").exists()
    assert "a key that was named as known" in run("verify", "ball.mp4", "--trust", theirs)[1]
    assert "--trust: a file of certificates cannot be read" in refused("verify", "ball.mp4", "--trust", "missing.pem")
    assert "is no certificate: give the certificates.pem" in refused("verify", "ball.mp4", "--trust", "ball.mp4")


def test_what_strangers_wrote_breaks_no_line(run):
    recipe = {"verb": "a\nb\x1b[2J", "prompt": "two\nlines", "arguments": {"clip": {"path": "a\x1b[2Jb.mp4"}}}
    Clip(moving_square(3).frames, 8, recipe).save("odd.mp4")
    status, out, _ = run("verify", "odd.mp4")
    assert (status, out.count("\n"), out.isascii(), "\x1b" in out) == (0, 7, True, False)


def test_a_label_is_asked_for_and_comes_back_in_a_replay(model, run):
    run(*quick(model, "plain.png", "--size", "64x64"))
    run(*quick(model, "ball.png", "--size", "64x64", "--label"))
    assert (read("ball.png").frames != read("plain.png").frames).any()
    assert run("replay", "ball.png", "--model", model)[1] == "ball-replay.png: the same frames again\n"
