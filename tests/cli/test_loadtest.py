import pytest


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--clients", "0"), 2, "clients=0 is out of range"),
        (("--seconds", "0.1"), 2, "seconds=0.1 is out of range"),
        (("ftp://x",), 2, "is no address of a server"),
        (("http://127.0.0.1:1",), 1, "start it by patchworld serve"),
    ],
)
def test_a_load_that_cannot_be_put_on_anything_is_refused(run, options, status, message):
    code, out, err = run("loadtest", *options)
    assert (code, out) == (status, "")
    assert message in err
