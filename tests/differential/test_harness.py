"""The comparison is worth what its reference is worth: it answers in order, says errors, and outlives them."""

from tests.differential.node import AttemptResult, Reference


def test_the_reference_answers_in_order_and_outlives_errors(reference: Reference) -> None:
    questions = [
        {"mapping": {"x": {"@path": "$.a"}}, "event": {"a": "ü😀\n"}},
        {"mapping": {"x": {"@nope": 1}}, "event": {}},
        {"mapping": {"@path": "$.none"}, "event": {}},
        *({"mapping": {"x": {"@path": "$.n"}}, "event": {"n": number, "s": "s" * 1_000}} for number in range(1_000)),
    ]
    first, second, third, *others = reference.ask_all("mapping", questions)
    assert first == AttemptResult({"x": "ü😀\n"})
    assert second.error is not None and "@nope" in second.error
    assert third.is_undefined
    assert [answer.result["x"] for answer in others] == list(range(1_000))


def test_an_unknown_kind_is_an_error(reference: Reference) -> None:
    assert reference.ask("nothing", 1).error
