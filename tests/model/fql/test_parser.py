import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.fql.lexer import TEXT_LIMIT_BYTES
from model.fql.parser import DEPTH_LIMIT, parse
from model.fql.syntax import (
    And,
    Comparison,
    Constant,
    Elements,
    Expression,
    FqlInvalid,
    FunctionCall,
    Not,
    Operator,
    Or,
    Path,
    String,
)
from tests.kit.fql_printer import to_text
from tests.model.fql.expressions import EXPRESSIONS

A, B, C = Path(("a",)), Path(("b",)), Path(("c",))


def place_of_error(text: str) -> tuple[int, int]:
    with pytest.raises(FqlInvalid) as caught:
        parse(text)
    assert caught.value.message
    assert caught.value.remedy
    return caught.value.line, caught.value.column


@given(EXPRESSIONS)
@example(Path(("and",)))
@example(Path(("9 lives", "ü", "a.b\\")))
@example(String("it's \"so\"''", "'"))
@example(Not(Comparison(Operator.EQUAL, A, Not(B))))
@example(And((And((A, B)), Or((A, B)))))
def test_what_is_printed_parses_to_the_same_tree(expression: Expression) -> None:
    again, warnings = parse(to_text(expression))
    assert again == expression
    assert repr(again) == repr(expression)  # which tells 1 from true
    assert warnings == ()


@given(st.text(max_size=60) | st.text("ab.\\'\"![]()=<>, 19-+andorin", max_size=60))
@example("\\")
@example("a.\\")
@example('"' * 4999)
@example("'" + "''" * 2000)
def test_any_text_parses_or_is_refused_with_a_place_inside_it(text: str) -> None:
    try:
        expression = parse(text)[0]
    except FqlInvalid as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    else:
        assert parse(to_text(expression))[0] == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a or b and c", Or((A, And((B, C))))),
        ("a and b or c", Or((And((A, B)), C))),
        ("a and (b or c)", And((A, Or((B, C))))),
        ("(a and b) and c", And((And((A, B)), C))),
        ("!a = b", Comparison(Operator.EQUAL, Not(A), B)),
        ("!(a = b)", Not(Comparison(Operator.EQUAL, A, B))),
        ("!a and b", And((Not(A), B))),
        ("a in [1, 'x']", Comparison(Operator.IN, A, Elements((Constant(1), String("x", "'"))))),
        ("a=-1.5", Comparison(Operator.EQUAL, A, Constant(-1.5))),
        ('contains( a, "b" )', FunctionCall("contains", (A, String("b", '"')))),
        (r"properties.product\ 1.a\.b", Path(("properties", "product 1", "a.b"))),
        ("properties.0.order-id", Path(("properties", "0", "order-id"))),
        ("android", Path(("android",))),
        ("and.or", Path(("and", "or"))),
        (r"\and", Path(("and",))),
        (r"'a\*b'", String(r"a\*b", "'")),
        (r'"C:\"', String("C:\\", '"')),
        ("'it''s'", String("it's", "'")),
        ("''", String("", "'")),
        ("[]", Elements(())),
        ("a\n\tand\r\nb", And((A, B))),
    ],
)
def test_the_grammar(text: str, expression: Expression) -> None:
    assert parse(text)[0] == expression


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", (1, 1)),
        ("  \n ", (2, 2)),
        ('userId = oops"', (1, 14)),
        ("a and\n  b $ c", (2, 5)),
        ("a = ", (1, 5)),
        ("a b", (1, 3)),
        ("a = b = c", (1, 7)),
        ("(a", (1, 3)),
        ("a)", (1, 2)),
        ("f(a,)", (1, 5)),
        ("f(a b)", (1, 5)),
        ("a..b", (1, 1)),
        ("a = 5.", (1, 5)),
        ("a = 5x", (1, 5)),
        ("a = 1e999", (1, 5)),
        ("a && b", (1, 3)),
        ("a.f(b)", (1, 1)),
        ("and", (1, 1)),
        ("a or or b", (1, 6)),
        ("a = " + "9" * 5000, (1, 5)),
        ("naïve = 1", (1, 3)),
    ],
)
def test_a_mistake_is_refused_with_its_place(text: str, place: tuple[int, int]) -> None:
    assert place_of_error(text) == place


def test_an_error_names_place_mistake_and_remedy() -> None:
    with pytest.raises(
        FqlInvalid, match=r"line 1, column 3: the end stands where '\)' is needed\. Close the \( of line 1"
    ):
        parse("(a")


@pytest.mark.parametrize("opening", ["(", "[", "!", "f(", "!("])
def test_thousands_of_levels_are_refused(opening: str) -> None:
    levels = 5000 // len(opening)
    line, column = place_of_error(opening * levels)
    assert (line, column <= 2 * DEPTH_LIMIT + 2) == (1, True)


def test_many_conditions_side_by_side_are_no_depth() -> None:
    parsed, _ = parse(" and ".join(["(a)"] * 500))
    assert isinstance(parsed, And)
    assert len(parsed.operands) == 500


def test_a_text_over_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    text = "a = 'ü" + "x" * (TEXT_LIMIT_BYTES - 8) + "'"
    parse(text)
    with pytest.raises(FqlInvalid, match="longer than 5120 bytes"):
        parse(text + " ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a and b or c", (1, 9)),
        ("a or\nb and c or d", (2, 3)),
        ("x and (a or b and c)", (1, 15)),
        ("!a = b", (1, 1)),
        ("x and !a != b", (1, 7)),
    ],
)
def test_what_may_be_misread_is_warned_about_with_its_place(text: str, place: tuple[int, int]) -> None:
    (warning,) = parse(text)[1]
    assert (warning.line, warning.column) == place


@pytest.mark.parametrize("text", ["a and b and c", "(a and b) or c", "a and (b or (c and a))", "!(a = b)", "(!a) = b"])
def test_what_is_clear_is_not_warned_about(text: str) -> None:
    assert parse(text)[1] == ()


def test_positions_are_known_and_make_no_difference() -> None:
    first, second = parse("a=1")[0], parse("\n  a = 1")[0]
    assert first == second
    assert (first.at, second.at) == ((1, 1), (2, 3))
