"""The OpenAPI document: FastAPI's, and the bodies of requests, which it does not see since body.py reads them."""

import json
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel


def request_body(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """What the document says of a body: as JSON, and as a form, in which a file may stand for media.

    Parts that several bodies share are added to `schemas`.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    media = json.dumps({"$ref": "#/components/schemas/Media"})
    file = json.dumps({"type": "string", "format": "binary"})
    form = _without_null(json.loads(json.dumps(schema).replace(media, f'{{"anyOf": [{file}, {media}]}}')))
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": bool(schema.get("required")), "content": content}}


def describe(app: FastAPI, schemas: dict[str, Any]) -> None:
    """An OpenAPI document that has the bodies too, which FastAPI does not read."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = plain()
            described["components"]["schemas"].update(schemas)
            described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            described["security"] = [{"key": []}]
            for path, operations in described["paths"].items():
                for operation in operations.values():
                    if not path.startswith("/v1"):
                        operation["security"] = []
                    for status, answer in operation["responses"].items():
                        if status >= "400" and "content" in answer:  # FastAPI says that of the good answer
                            answer["content"] = {"application/json": next(iter(answer["content"].values()))}
        return plain()

    app.openapi = document  # type: ignore[method-assign]


def _without_null(schema: Any) -> Any:
    """A schema without null, which forms cannot say."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema if part != {"type": "null"}]
    if isinstance(schema, dict):
        kept = {name: part for name, part in schema.items() if (name, part) != ("default", None)}
        return {name: _without_null(part) for name, part in kept.items()}
    return schema
