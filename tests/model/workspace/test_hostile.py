"""Files that are no workspace: broken, endless, or made to hurt. Each is refused with a place, in bounded time."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from model.workspace import yaml_reader as workspace_yaml
from model.workspace.reader import FILE_LIMIT_BYTES
from tests.kit.workspace_sample import SECRET, SHOP, changed, only, problems, read


@pytest.fixture(params=["libyaml", "pure"])
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(workspace_yaml, "_LOADER", yaml.SafeLoader)


@pytest.mark.usefixtures("_each_loader")
class TestHostileFiles:
    @pytest.mark.parametrize(
        ("content", "line", "words"),
        [
            (b"", 1, "empty"),
            (b"# nothing\n", 1, "empty"),
            (b"version: 1\nsources:\n\t- id: web\n", 3, "tabs"),
            (b"version: 1\nsources: [\n", 3, "YAML"),
            (b"version: 1\nname: caf\xe9\n", 2, "UTF-8"),
            ("version: 1".encode("utf-16"), 1, "UTF-8"),
            (b"version: 1\nname: \x1b[31m\n", 2, "control character"),
            (b"version: 1\nversion: 1\n", 2, "after line 1"),
            (b"version: 1\n---\nversion: 1\n", 2, "second document"),
            (b"version: 1\n? [a]\n: b\n", 2, "key"),
            (b"- version: 1\n", 1, "names and values"),
            (b"just text", 1, "names and values"),
            (b"version: 1\nsources: " + b"[" * 100_000, 2, "nested deeper"),
            (b"version: 1\n" + b"#" * FILE_LIMIT_BYTES, 0, "bytes"),
        ],
    )
    def test_a_file_that_is_no_workspace_is_one_clear_problem(self, content: bytes, line: int, words: str) -> None:
        problem = only(content)
        assert problem.line == line and words in str(problem)

    def test_aliases_anchors_and_tags_are_refused_each_at_its_place(self) -> None:
        text = changed("name: Web shop", "name: &n Web").replace("    type: s3", "    name: *n\n    type: !!str s3")
        found = [(problem.line, problem.path, problem.message.split(" (")[0]) for problem in problems(text)]
        assert found == [
            (4, "sources[0].name", "an anchor"),
            (18, "destinations[1].name", "an alias"),
            (19, "destinations[1].type", "a tag"),
        ]

    def test_an_alias_bomb_is_refused_before_it_grows(self) -> None:
        levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
        assert any("alias" in problem.message for problem in problems("version: 1\nl0: &l0 [x]\n" + levels))

    def test_lone_surrogates_are_refused(self) -> None:
        assert problems(changed("name: Web shop", 'name: "\\ud800"'))
        assert problems(SHOP + '"\\ud800": 1\n')

    def test_huge_numbers_are_refused(self) -> None:
        assert only(SHOP + f"ingest: {{port: {'9' * 5000}}}\n").path == "ingest.port"

    def test_a_field_name_from_the_file_is_quoted_short_and_harmless(self) -> None:
        problem = only(SHOP + '"\\e[31m' + "x" * 100_000 + '": 1\n')
        assert len(str(problem)) < 600 and "\x1b" not in str(problem)


def test_more_values_than_any_workspace_needs_are_refused() -> None:
    problem = only(b"version: 1\nsources: [" + b"a," * 100_001 + b"]")
    assert problem.line == 2 and "more than 100000 values" in problem.message


def test_a_file_full_of_mistakes_is_reported_in_bounded_number() -> None:
    text = "version: 1\nconnections:\n" + "  - {source: webb, destination: crmm}\n" * 20_000
    assert 500 <= len(problems(text)) <= 1000


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_no_bytes_make_reading_raise(content: bytes) -> None:
    reading = read(content)
    assert reading.workspace is None and reading.problems


_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["${X}", "web"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "url", "type", "headers", "webhook", "write_keys", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_place_of_any_other_is_accepted_or_named_there(data: st.DataObject) -> None:
    tree = yaml.safe_load(SHOP)
    node, path = tree, ""
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
        path += f"[{key}]" if isinstance(key, int) else f".{key}"
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(_JUNK)
    reading = read(json.dumps(tree))  # JSON is YAML
    if reading.workspace is None:
        assert reading.problems
        for problem in reading.problems:
            assert problem.line == 1 and problem.message and "{" not in problem.remedy.replace("${NAME}", "")
            assert SECRET not in str(problem)
