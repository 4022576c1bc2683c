"""The published schema and the reader must not drift apart."""

import json

from footfall.registry import model, reading
from footfall.registry.schema import json_schema


def test_the_schema_names_exactly_the_keys_that_are_read():
    """A key that is read but not in the schema would be underlined by every editor."""
    schema = json_schema()
    parts = schema["$defs"]
    group = parts["group"]["anyOf"][-1]
    assert set(schema["properties"]) == reading.FILE_KEYS
    assert set(parts["function"]["properties"]) == reading.ENTRY_KEYS
    assert set(group["properties"]) == reading.GROUP_KEYS
    assert set(parts["destination"]["properties"]) == reading.DESTINATION_KEYS
    assert schema["required"] == ["project"]
    assert schema["additionalProperties"] is parts["function"]["additionalProperties"] is False


def test_the_schema_has_the_words_that_are_read():
    """Consent, CI and capture forms."""
    schema = json_schema()
    assert set(schema["properties"]["consent"]["enum"]) == set(model.CONSENTS)
    assert set(schema["properties"]["ci"]["enum"]) == set(model.ON_CI)
    assert {"choice", *schema["$defs"]["capture"]["additionalProperties"]["anyOf"][0]["enum"]} == set(model.FORMS)


def test_the_schema_is_json_and_every_reference_leads_somewhere():
    """And no definition is left unused."""
    schema = json_schema()
    text = json.dumps(schema)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references == set(schema["$defs"])
