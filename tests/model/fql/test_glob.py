from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.fql.glob import LIMIT_CHARS, compile_glob


def matches(pattern: str, text: str) -> bool:
    compiled = compile_glob(pattern)
    return compiled is not None and compiled(text)


def slowly(elements: list[str], text: str) -> bool:
    """What a glob means, in its plainest and slowest form."""
    if not elements:
        return not text
    first, *rest = elements
    if first == "*":
        return slowly(rest, text) or bool(text) and slowly(elements, text[1:])
    if not text or not slowly(rest, text[1:]):
        return False
    char = text[0]
    if first.startswith("[^"):
        return char not in first[2:-1]
    if first.startswith("["):
        return char in first[1:-1]
    return first == "?" or char == first[-1]


@given(
    st.lists(st.sampled_from(["*", "?", "a", "b", r"\*", r"\a", "[ab]", "[^a]", "[^ab]", "[*?]"]), max_size=6),
    st.text("ab*?é", max_size=7),
)
@example([], "")
@example(["*", "*"], "")
@example(["*", "a", "b"], "aab")
def test_a_glob_means_what_its_elements_mean_one_by_one(elements: list[str], text: str) -> None:
    assert matches("".join(elements), text) == slowly(elements, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*", "a/b", True),
        ("*.js", "lib/x.js", True),
        ("ab[^c]", "abc", False),
        ("[a-c]", "b", True),
        ("[c-a]", "b", False),
        ("[^c-a]", "b", True),
        ("[a-c-e]x", "bx", False),
        ("[a-cb-e]", "e", True),
        (r"[\]]", "]", True),
        (r"[\-x]", "-", True),
        (r"[\^x]", "^", True),
        ("[x^]", "^", True),
        ("]", "]", True),
        ("?", "é", True),
        ("?", "ab", False),
        ("[à-ü]", "é", True),
        ("Order", "order", False),
        ("*", "line\nline", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_what_matches(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "[]a]", "[^]", "[^", "[-a]", "[a-]", "[a-", "\\", "[\\", "[a\\"])
def test_a_malformed_pattern_is_told_from_one_that_does_not_match(pattern: str) -> None:
    assert compile_glob(pattern) is None
    assert compile_glob("*" + pattern) is None


@given(st.text(r"ab*?[]^-\é", max_size=12), st.text(r"ab*?[]^-\é", max_size=12))
def test_no_pattern_raises(pattern: str, text: str) -> None:
    matches(pattern, text)


def test_the_length_of_a_pattern_is_bounded() -> None:
    assert compile_glob("a" * LIMIT_CHARS) is not None
    assert compile_glob("a" * (LIMIT_CHARS + 1)) is None


@pytest.mark.parametrize("pattern", ["*a" * 400 + "b", "*" + "?" * 1000 + "b", "*" + "[a-z]" * 200 + "0"])
def test_time_grows_with_the_text_alone(pattern: str) -> None:
    compiled = compile_glob(pattern)
    assert compiled is not None
    started = perf_counter()
    assert not compiled("a" * 32_768)
    assert perf_counter() - started < 2  # with backtracking, not in a lifetime
