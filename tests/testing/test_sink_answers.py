"""The rules of the migas doors that no recording shows, and that no input makes the sink itself fail."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.testing.sink import graphql, migas, queries
from footfall.testing.sink.exchange import Asked
from footfall.testing.sink.modes import parse_mode

USER = "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"


def rest(crumb, state=None, *, wait="true"):
    """Answer a crumb in this process."""
    body = crumb if isinstance(crumb, bytes) else json.dumps(crumb).encode()
    target = migas.REST_PATH + (f"?wait={wait}" if wait else "")
    return migas.answer(Asked("POST", target, {"content-type": "application/json"}, body), state or migas.State())


def troubles(answer):
    """Return place and kind of each 422."""
    assert answer.status == 422
    return [(".".join(map(str, each["loc"])), each["type"]) for each in json.loads(answer.body)["detail"]]


def run(document, variables=None, state=None):
    """Run a document and return the body of the answer."""
    return queries.run(document, variables or {}, state or migas.State()).body


def crumb(**changes):
    """Return a good crumb with *changes*."""
    return {"project": "a/b", "project_version": "1"} | changes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("body.project", "missing"), ("body.project_version", "missing")]),
        ([], [("body", "model_attributes_type")]),
        ("text", [("body", "model_attributes_type")]),
        (None, [("body", "missing")]),
        (crumb(project=3, language=None), [("body.project", "string_type"), ("body.language", "string_type")]),
        (crumb(ctx={"is_ci": None}), [("body.ctx.is_ci", "bool_type")]),
        (crumb(ctx={"is_ci": "perhaps"}), [("body.ctx.is_ci", "bool_parsing")]),
        (crumb(ctx={"is_ci": 2}), [("body.ctx.is_ci", "bool_parsing")]),
        (
            crumb(ctx={"user_id": 7, "user_type": "root"}),
            [("body.ctx.user_id", "string_type"), ("body.ctx.user_type", "enum")],
        ),
        (
            crumb(proc={"error_desc": 2, "status": []}),
            [("body.proc.error_desc", "string_type"), ("body.proc.status", "enum")],
        ),
        (crumb(proc=None), [("body.proc", "model_attributes_type")]),
    ],
)
def test_wrong_fields_are_named_with_their_place(given, expected):
    """Every wrong field is in one answer, in the order of the schema."""
    assert troubles(rest(given)) == expected


def test_wait_must_be_a_word_for_yes_or_no():
    """`wait` is read as the server's framework reads it; without it the answer is 202."""
    assert [rest(crumb(), wait=word).status for word in ("1", "YES", "on", "0", "false", "")] == [200] * 3 + [202] * 3
    assert troubles(rest(crumb(), wait="maybe")) == [("query.wait", "bool_parsing")]


def test_unknown_keys_are_ignored_and_odd_booleans_taken():
    """As the table of fields says (migas.md 2.1)."""
    assert rest(crumb(more=1, ctx={"x": None, "is_ci": 0}, proc={"status_desc": None})).status == 200


def test_a_long_platform_is_lost_for_a_new_user_only():
    """The column is written with the first crumb of a user; later ones pass."""
    state = migas.State()
    context = {"user_id": USER, "platform": "p" * 65}
    assert rest(crumb(ctx=context), state).status == 500
    good = rest(crumb(ctx={"user_id": USER}), state)
    state.keep(good.records)
    assert rest(crumb(ctx={**context, "user_id": USER.replace("-", "").upper()}), state).status == 200
    assert rest(crumb(ctx={"platform": "p" * 65}), state).status == 200


@pytest.mark.parametrize(
    "lost", [crumb(project="a/" + "b" * 139), crumb(proc={"error_type": "a\0"}), crumb(language="\ud800")]
)
def test_what_the_database_refuses(lost):
    """With `wait` the client learns of it, without it does not; the journal says so in both cases."""
    assert [(rest(lost, wait=wait).status, "lost" in rest(lost, wait=wait).records[0]) for wait in ("1", "")] == [
        (500, True),
        (202, True),
    ]


def test_versions_of_a_document_that_the_server_refuses():
    """Messages for what is wrong with a document, each at its place."""
    base = 'project:"a/b",project_version:"1",language:"p",language_version:"1"'
    cases = {
        "{nothing}": "Cannot query field 'nothing' on type 'Query'.",
        'query{check_project(project:"a/b",project_version:"1")}': "of type 'CheckResult!' must have a selection",
        'query{check_project(project:"a/b",project_version:"1"){latst}}': "'latst' on type 'CheckResult'. Did you",
        'query{get_usage(project:"a/b",start:"2024-01-01"){hits}}': "must not have a selection",
        'query{get_usage(project:1,start:"2024-13-01")}': "String cannot represent a non string value: 1",
        'query{get_usage(project:null,start:"2024-01-01")}': "non-null type 'String!' not to be null",
        'query{get_usage(project:$p,start:"2024-01-01")}': "Variable '$p' is not defined.",
        'query($p:String){get_usage(project:$p,start:"2024-01-01")}': "'$p' has no value where 'String!' is expected",
        'query($p:String!){get_usage(project:$p,start:"2024-01-01")}': "of required type 'String!' was not provided",
        f"mutation{{add_breadcrumb({base},ctx:[],proc:{{}}){{success}}}}": "'ContextInput' to be an object, found: [].",
        f'mutation{{add_breadcrumb({base},ctx:{{user_type:"dev"}},proc:{{}}){{success}}}}': "the enum value 'dev'?",
        'mutation{add_project(p:{project:"a/b"})}': "Field 'ProjectInput.project_version' of required type 'String!'",
    }
    for document, message in cases.items():
        said = run(document)
        assert said["data"] is None
        assert message in said["errors"][0]["message"], document


def test_variables_are_checked_like_literals():
    """Enums as texts, numbers as texts in the three free ones, nulls where they may be; wrong ones are refused."""
    document = (
        'mutation M($c: ContextInput!, $q: ProcessInput! = {}, $p: String = "a/b") { # a comment\n'
        '  ok: add_breadcrumb(project: $p, project_version: "1", language: "p",'
        ' language_version: "1", ctx: $c, proc: $q)'
        "  { success } }"
    )
    good = {"c": {"container": "docker", "is_ci": True, "platform": None}, "q": {"error_desc": 2, "status": "error"}}
    ran = queries.run(document, good, migas.State())
    assert ran.body == {"data": {"ok": {"success": True}}}
    assert ran.records[0]["ctx"] == {"container": "docker", "is_ci": True, "platform": None}
    assert ran.records[0]["proc"] == {"error_desc": "2", "status": "F"}
    refused = run(document, {"c": {"container": "podman"}})["errors"]
    assert refused == [
        {"message": "Value 'podman' does not exist in 'Container' enum.", "locations": [{"line": 1, "column": 12}]}
    ]


def test_a_request_with_a_taken_and_a_refused_crumb_is_taken_in_part():
    """Two aliases, one registered: the journal marks the other one."""
    one = (
        'a:add_breadcrumb(project:"a/b",project_version:"1",language:"p",language_version:"1",ctx:{},proc:{}){success}'
    )
    document = "mutation{" + one + one.replace("a:", "b:", 1).replace("a/b", "c/d") + "}"
    asked = Asked("POST", "/graphql", {}, json.dumps({"query": document}).encode())
    answer = migas.answer(asked, migas.State(["a/b"]))
    assert json.loads(answer.body) == {"data": {"a": {"success": True}, "b": {"success": False}}}
    assert answer.accepted
    assert ["refused" in each for each in answer.records] == [False, True]


def test_the_deprecated_mutation_is_unpacked_like_the_others():
    """`add_project` carries flat fields; the journal has the one shape of all crumbs."""
    flat = 'project:"a/b",project_version:"1",language:"p",language_version:"2",status:R,is_ci:false'
    document = f"mutation{{add_project(p:{{{flat}}})}}"
    ran = queries.run(document, {}, migas.State())
    result = {"bad_versions": [], "cached": True, "latest_version": None, "success": True, "message": ""}
    assert ran.body == {"data": {"add_project": result}}
    shape = crumb(type="crumb", language="p", language_version="2", ctx={"is_ci": False}, proc={"status": "R"})
    assert ran.records == [shape]


def test_usage_counts_what_was_kept():
    """Hits count crumbs, unique ones count users; lost crumbs count for neither."""
    state = migas.State()
    for context in ({"user_id": USER}, {"user_id": USER.upper()}, {}, {"user_id": "nope"}):
        state.keep(rest(crumb(ctx=context), state).records)
    ask = 'query{get_usage(project:"a/b",start:"2024-01-01",end:"2999-01-01T00:00:00Z",unique:%s)}'
    assert [run(ask % word, state=state)["data"]["get_usage"]["hits"] for word in ("false", "true")] == [3, 2]


@pytest.mark.parametrize(
    ("text", "value"),
    [('"a\\n\\u00e9\\""', 'a\né"'), ('"""b "q"\n"""', 'b "q"'), ("-12", -12), ("1.5e3", 1500.0), ("word", "word")],
)
def test_literals(text, value):
    """Strings with JSON's escapes, block strings, numbers, words."""
    (field,) = graphql.parse("{f(a: " + text + ")}").selection
    assert field.arguments["a"].value == value


@given(st.text(alphabet='{}()[]:$!"\\#, \nabqueryx0.-', max_size=40))
def test_any_text_is_a_document_or_a_document_error(text):
    """The parser has one exception."""
    with contextlib.suppress(graphql.DocumentError):
        graphql.parse(text)


JSONLIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["a/b", "R", USER]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *[
                        "project",
                        "project_version",
                        "language",
                        "ctx",
                        "proc",
                        "user_id",
                        "status",
                        "is_ci",
                        "query",
                        "variables",
                    ]
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(body=JSONLIKE.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30), graph=st.booleans())
def test_no_body_makes_the_sink_itself_fail(body, graph):
    """Whatever arrives, the answer is one of the server's, and it can be written down."""
    path = migas.GRAPHQL_PATH if graph else migas.REST_PATH + "?wait=1"
    answer = migas.answer(Asked("POST", path, {"content-type": "application/json"}, body), migas.State())
    assert answer.status in {200, 400, 413, 422, 500}
    json.dumps(answer.records)


@given(
    st.text(max_size=20)
    | st.sampled_from(["ok", "status:503:x", "drip:body", "flap:1", "ratelimit:2:3:retry-after=x:y"])
)
def test_a_mode_is_parsed_or_refused(text):
    """No text is half understood: a parsed mode keeps what was written."""
    with contextlib.suppress(ValueError):
        assert parse_mode(text).text == text


def test_defaults_of_modes():
    """Left-out parameters are those of the table."""
    texts = [
        "flap",
        "flap:2",
        "ratelimit:5",
        "drip",
        "drip:body",
        "gzipbomb:1",
        "headers",
        "redirect:http://x/",
        "partial:3",
    ]
    parsed = [(each.numbers, each.tail) for each in map(parse_mode, texts)]
    assert parsed == [
        ((0.5, 0.5), ""),
        ((2.0, 0.5), ""),
        ((5.0, 60.0), ""),
        ((1.0,), ""),
        ((1.0,), "body"),
        ((1.0,), ""),
        ((10_000.0,), ""),
        ((307.0,), "http://x/"),
        ((3.0,), ""),
    ]
