import json
import urllib.request


def test_the_document_has_the_bodies_and_what_they_are_made_of(idle):
    with urllib.request.urlopen(f"{idle.url}/openapi.json") as answer:
        text = answer.read().decode()
    document = json.loads(text)
    schema = document["paths"]["/v1/videos"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["prompt"]
    form = document["paths"]["/v1/videos/edits"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"type": "string", "format": "binary"} in form["properties"]["video"]["anyOf"]
    assert '"null"' not in json.dumps(form)
    paths = document["paths"]
    required = [paths[f"/v1/videos{path}"]["post"]["requestBody"]["required"] for path in ("", "/loop")]
    assert required == [True, False]
    assert (paths["/healthz"]["get"]["security"], document["security"]) == ([], [{"key": []}])
    answers = paths["/v1/videos/{video_id}/events"]["get"]["responses"]
    assert [list(answers[status]["content"]) for status in ("200", "401")] == [
        ["text/event-stream"],
        ["application/json"],
    ]
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
