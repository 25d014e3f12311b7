import json

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "lets other machines in: give --keys FILE"),
        (("--keys", "missing.json"), "is no file of keys"),
        (("--keys", "short.json"), "is no file of keys"),
        (("--keys", "twice.json"), "one key twice"),
        (("--webhook", "ftp://x"), "is no address"),
        (("--webhook", "https://x"), "whsec_"),
        (("--moderation", "./missing.py"), "moderation=./missing.py is no program"),
        (("--moderation", "'open"), "--moderation: no closing quotation in ''open'"),
        (("--moderation", " "), "--moderation is empty"),
        (("--workers", "257"), "workers=257"),
        (("--queue", "mysql://root@here"), "is no database that is known"),
        (("--batch", "0"), "batch=0"),
        (("--pixels", "-1"), "pixels=-1"),
    ],
)
def test_what_would_leave_a_door_open_is_refused(run, options, message, tmp_path):
    key = {"key": "a-key-of-some-length"}
    (tmp_path / "short.json").write_text(json.dumps({"ann": {"key": "hush-hush"}}))
    (tmp_path / "twice.json").write_text(json.dumps({"ann": key, "bob": key}))
    status, out, err = run("serve", *options)
    assert (status, out) == (2, "")
    assert message in err
    assert "hush-hush" not in err
    assert not (tmp_path / "served").exists()
