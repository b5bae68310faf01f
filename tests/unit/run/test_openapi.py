"""The description of the API is one valid OpenAPI document, made without an engine."""

import json

import jsonschema_rs
import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from inventory.kit.doors.decoding import Json
from waitroom.cli.program import main


@pytest.fixture(scope="module")
def document() -> Json:
    ran = CliRunner().invoke(main, ["openapi"])
    assert ran.exit_code == 0, ran.output
    found: Json = json.loads(ran.stdout)
    return found


def test_the_document_is_valid_openapi(document: Json) -> None:
    assert document["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_each_operation_says_what_it_does_and_has_a_name_of_its_own(document: Json) -> None:
    operations = [
        (f"{method} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]

    assert [where for where, one in operations if not one["summary"]] == []
    names = [one["operationId"] for _, one in operations]
    assert len(names) == len(set(names))


def test_the_descriptions_of_fields_are_the_comments_above_them(document: Json) -> None:
    hold = document["components"]["schemas"]["HoldBody"]

    assert hold["description"] == "A hold as its shopper is told of it."
    assert hold["properties"]["state"]["description"].startswith("A hold whose payment")
    # Two classes of one name would both get long names that say where they stand.
    assert [name for name in document["components"]["schemas"] if "." in name] == []


def test_every_pattern_means_the_same_to_all_programs(document: Json) -> None:
    # Python alone knows these two; elsewhere they are the letters A and Z.
    assert [sign for sign in ("\\\\A", "\\\\Z") if sign in json.dumps(document)] == []


def test_every_example_fits_its_schema(document: Json) -> None:
    held = 0
    for item in document["paths"].values():
        for operation in item.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (one.get("content", {}).get("application/json", {}) for one in bodies):
                if "example" in media:
                    schema = {"components": document["components"], **media["schema"]}
                    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                    errors = [error.message for error in validator.iter_errors(media["example"])]
                    assert errors == [], operation["operationId"]
                    held += 1

    assert held > 50
