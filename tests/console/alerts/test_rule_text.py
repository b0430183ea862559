"""Rules as people write them: any text and any data is a rule or a ValueError that says what to do."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.alerts.rule_text import KINDS, TEXT_LIMIT_BYTES, parse_rule, read_rule
from console.commands.alerts.notifications import until_ms
from console.commands.alerts.options import definition, named
from model.alerts.rule import RULE

FIELDS = sorted({name for kind in KINDS.values() for name in kind.model_fields} | {"colour"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8), st.sampled_from([*KINDS, "moon", None]))
def test_any_data_is_a_rule_or_refused_with_words(data: dict[str, Any], kind: str | None) -> None:
    try:
        rule = read_rule({**data, "kind": kind})
    except ValueError as error:
        assert str(error).strip() and "pydantic" not in str(error)
    else:
        assert RULE.validate_json(RULE.dump_json(rule)) == rule


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*! \n'\"", max_size=100).map(str.encode))
def test_any_text_is_data_or_refused_with_words(text: bytes) -> None:
    try:
        assert isinstance(parse_rule(text, "rule.yaml"), dict)
    except ValueError as error:
        assert str(error).startswith("rule.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: &x [1]\nb: [*x, *x]\n", "rule.yaml:1:"),
        (b"kind: a\nkind: b\n", "rule.yaml:2:1"),
        (b"- kind", "names and values"),
        (b" " * (TEXT_LIMIT_BYTES + 1), "over 65536 bytes"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rule(text, "rule.yaml")


def test_several_faults_are_told_at_once_and_values_are_not_repeated() -> None:
    with pytest.raises(ValueError, match="below_percent: .*percentage") as caught:
        read_rule({"kind": "delivery-rate", "below_percent": "top-secret", "destinatoin": "crm"})
    said = str(caught.value).splitlines()
    assert len(said) == 4 and "top-secret" not in str(caught.value)
    assert "name is needed for delivery-rate." in said
    assert "destinatoin is not known for delivery-rate. Did you mean 'destination'?" in said


def test_options_change_what_stands_in_a_file(tmp_path: Any) -> None:
    file = tmp_path / "rule.json"
    file.write_text('{"kind": "failed-events", "destination": "crm"}')
    made = definition(file, destination="mail", remind_after="never", channel=None)
    assert named(made) == {
        "kind": "failed-events", "destination": "mail", "remind_after_seconds": None, "name": "Failed events of mail",
    }  # fmt: skip
    assert named({"kind": "moon"}) == {"kind": "moon"} and named({"kind": [1]}) == {"kind": [1]}
    assert until_ms("2h", "", 1_000) == 7_201_000
