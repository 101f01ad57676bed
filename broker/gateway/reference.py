"""What anybody may read: schemas, code lists, the API's description, what an error means.

And the directory, for members only.
"""

from functools import cache
from importlib import resources

import orjson
import yaml
from aiohttp import web

from broker.errors import Code, RefusedError
from broker.gateway import render
from broker.gateway.context import GATEWAY, caller_with
from broker.gateway.requests import check_parameters
from broker.model.names import Json, Scope
from broker.texts.catalogue import negotiate
from keys import strict_json

PUBLIC = {"Cache-Control": "public, max-age=3600"}


async def get_directory(request: web.Request) -> web.Response:
    """Serve the directory with its signed key statements."""
    gateway = request.app[GATEWAY]
    caller = await caller_with(request, Scope.DIRECTORY_READ)
    check_parameters(request)
    directory = gateway.directory.current
    # Roads open and channels begin by time alone: the same version can say something else.
    etag = f'"{directory.version}-{directory.standing}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    # Whoever takes up a new version: administrators see who has not yet.
    await gateway.key_ledger.note_pickup(caller.client_id, directory.version, gateway.clock())
    response = render.json_response(render.directory(directory))
    response.headers.update(headers)
    return response


async def list_schemas(request: web.Request) -> web.Response:
    """List the published schemas and code lists."""
    schemas = request.app[GATEWAY].schemas
    document: dict[str, Json] = {
        "schemas": [f"/schemas/{name}" for name in sorted(schemas.documents())],
        "code_lists": [f"/code-lists/{name}" for name in sorted(schemas.code_lists())],
    }
    return _public(strict_json.write(document), "application/json")


async def get_schema(request: web.Request) -> web.Response:
    """Serve a schema as it was published."""
    name = f"{request.match_info['name']}/{request.match_info['version']}"
    document = request.app[GATEWAY].schemas.documents().get(name)
    if document is None:
        raise RefusedError(Code.NOT_FOUND)
    return _public(document, "application/schema+json")


async def get_code_list(request: web.Request) -> web.Response:
    """Serve a code list with its labels in every language."""
    code_list = request.app[GATEWAY].schemas.code_lists().get(request.match_info["name"])
    if code_list is None:
        raise RefusedError(Code.NOT_FOUND)
    return _public(orjson.dumps(code_list), "application/json")


async def get_problem(request: web.Request) -> web.Response:
    """Say what an error code means and what to do about it."""
    gateway = request.app[GATEWAY]
    code = request.match_info["code"]
    if code not in set(Code):
        raise RefusedError(Code.NOT_FOUND)
    language = negotiate(request.headers.get("Accept-Language"), gateway.texts.languages)
    document: dict[str, Json] = {
        "code": code,
        "title": gateway.texts.text(f"problem.{code}.title", language),
        "detail": gateway.texts.text(f"problem.{code}.detail", language),
    }
    response = _public(strict_json.write(document), "application/json")
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return response


async def get_openapi_yaml(_: web.Request) -> web.Response:
    """Serve the API's description as it was written."""
    return _public(openapi_yaml(), "application/yaml")


async def get_openapi_json(_: web.Request) -> web.Response:
    """Serve the API's description as JSON."""
    return _public(_openapi_json(), "application/json")


@cache
def openapi_yaml() -> bytes:
    """Read the API's description from the package."""
    return resources.files("broker.gateway").joinpath("openapi.yaml").read_bytes()


@cache
def _openapi_json() -> bytes:
    document: dict[str, Json] = yaml.safe_load(openapi_yaml())
    return strict_json.write(document)


def _public(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, content_type=content_type, headers=PUBLIC)
