"""Events with odd values, mappings and Liquid templates of every kind: what the comparison with Segment is fed.

They leave out what `deviations` lists: long numbers, braces in values, texts given to @merge and the like.
"""

from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "a b", "length", "0", "1", "x.y", "", "it's", "d[e]", "ünï", "10", "2", "size"])
NUMBERS = (
    st.sampled_from([0, 1, -5, 6, 12.5, 10.125, 0.1, 3.0, 1e21, 1e-7, 1999, 1769846400, 2**53, -2.5, 2.675])
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
)
TEXTS = st.sampled_from(
    ["", "a", "b", "6", "12.50", "0x1f", " ", "text", "Ab-cD", "😀x", "ß-İ-ſ-K-ı-µ", "2026-01-31", "January 31, 2026"]
    + ["2026-01-31 10:00", '[1,{"b":null}]', "[1,2", "null", '"x"', "line\nbreak & <q> \\ \x01\u2028", "a.b", "100%+x"]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), max_size=8)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
EVENTS = st.builds(lambda event, inner: {**event, "o": inner}, st.dictionaries(NAMES, VALUES, max_size=6), OBJECTS)

PATHS = st.sampled_from(
    ["$.a", "$.b", "$.c", "a", "$.a.b", "$.a.0", "$.a[0]", "$.a[1].b", "$.b.length", "$.a.a.a", "c.length", "$.none"]
    + ["", "$.", ".", "$.a b", "$.a['b']", '$.a["a b"]', "$.it's", "$.d[e]", "a[0].c", "$.ünï", "$.c[0][1]", "a..b"]
    + ["$.a[b]", "$.b[1x]", "$.a]", "a[0]b", "x$.y", "$.10", "$.a.2"]
)
_PIECES = st.sampled_from(
    ["{{a}}", "{{{b}}}", "{{ c }}", "x ", "{", "{{a.b}}", " - ", "{{b.length}}", "{{a{b}}", "{{$.a}}", "é", "{{}}"]
)
TEMPLATES = st.lists(_PIECES, max_size=5).map("".join)
_PATTERNS = st.sampled_from(["a", "-", ".", "A", "s", "i", "k", "$", "\\", "x-", "ſ", "😀", "µ", "(", " "])
_REPLACEMENTS = st.sampled_from(["", "z", "$&", "$$", "<$&>", "$1", "$", "aa"])
_DECODED = {"@json": {"mode": "decode", "value": '{"a":1,"q":{"z":null}}'}}


def _named(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.map(lambda value: {name: value})


def _options(optional: dict[str, Any] | None = None, **required: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(dict[Any, st.SearchStrategy[Any]](required), optional=optional or {})


def _directives(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(NAMES, inner, max_size=3)
    made = objects | _named("@literal", objects) | _named("@excludeWhenNull", objects) | st.just(_DECODED)
    made |= st.just({"@path": "$.o"})
    given = _named("@path", PATHS) | _named("@template", TEMPLATES) | _named("@literal", inner)
    lists = _named("@path", PATHS) | _named("@literal", st.lists(inner, max_size=3)) | _named("@literal", objects)
    shapes: st.SearchStrategy[Any] = objects | _named("@path", PATHS) | st.sampled_from([{}, [], "x", None])
    replace = {"replacement": _REPLACEMENTS, "ignorecase": st.booleans(), "global": st.booleans()}
    replace |= {"pattern2": st.sampled_from("zbe"), "replacement2": st.just("Q")}
    operators, modes = st.sampled_from(["lower", "upper"]), st.sampled_from(["encode", "decode"])
    return st.one_of(
        given,
        _named("@if", _options({"then": inner, "else": inner}, exists=given)),
        _named("@if", _options({"then": inner, "else": inner}, blank=given)),
        _named("@case", _options(operator=operators, value=given | TEXTS)),
        _named("@replace", _options(replace, pattern=_PATTERNS, value=given | TEXTS)),
        _named("@arrayPath", st.tuples(PATHS | lists, shapes).map(list) | st.tuples(PATHS | lists).map(list)),
        _named("@merge", _options(objects=st.lists(made, max_size=3), direction=st.sampled_from(["left", "right"]))),
        _named("@transform", _options(apply=objects, mapping=objects | _named("@path", PATHS))),
        _named(
            "@flatten", _options({"omitArrays": st.booleans()}, separator=st.sampled_from(["._-", "."]), value=made)
        ),
        _named("@json", _options(mode=modes, value=given)),
        _named("@excludeWhenNull", inner),
        _named("@liquid", TEMPLATES_OF_LIQUID),
        objects,
        st.lists(inner, max_size=3),
    )


_OPERANDS = st.sampled_from(
    ["n", "f", "z", "s", "e", "sp", "nul", "t", "fa", "l", "le", "o", "oe", "num", "emo", "missing", "nil", "true"]
    + ["false", "empty", "blank", "6", "-2.5", "'6'", "'Hello'", "''", "l[0]", "l.first", "l.last", "l.size", "l[-1]"]
    + ["o.size", "o.a", "o[key]", "s.size", "emo.size", "oe.size", "n.size", "size", "first", "objs[1].v", "missing.a"]
    + ["nul.x", "s[0]", "(1..3)", "(n..5)", "(1..num)", "'abc'.size", "[key]", "1.5.2", ".5", "5-3", "o .a", "l[9]"]
    + ["a-b", "d", "ts", "tss", "words", "html", "'a\\n\\u0041\\'b\\101'", "neg", "a", "b", "c", "objs", "ünï"]
)
_OPERATORS = st.sampled_from(["==", "!=", "<", ">", "<=", ">=", "contains", "and", "or", ""])
_ARGUMENTS = st.lists(
    st.sampled_from(["1", "2", "-3", "0", "'a'", "'l'", "''", "nil", "n", "l", "s", "'%Y-%m-%d %l:%M %P %N'", "true"])
    | st.sampled_from(
        ["'k'", "missing", "allow_false: true", "num", "'ordinal'", "'US'", "'%^a %-d %e %j %U %q'", "2.5"]
    ),
    max_size=2,
).map(", ".join)
_DATES_WITH_ZONES = st.just("date: '%Y-%m-%d %H:%M %:z %Z', 'America/New_York'") | st.just("date: '%c %z', -330")


def _filters(names: list[str]) -> st.SearchStrategy[str]:
    called = st.tuples(st.sampled_from(names), _ARGUMENTS).map(lambda call: f"{call[0]}: {call[1]}".rstrip(": "))
    return st.lists(called | _DATES_WITH_ZONES, max_size=3).map(lambda calls: "".join(f" | {call}" for call in calls))


def _expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        _OPERANDS,
        lambda inner: st.tuples(inner, _OPERATORS, inner).map(" ".join) | inner.map(lambda operand: f"not {operand}"),
        max_leaves=4,
    )


def templates_of_liquid(names: list[str]) -> st.SearchStrategy[str]:
    """Templates of Liquid with filters of these names."""
    values = st.tuples(_expressions(), _filters(names)).map("".join)
    braces = st.sampled_from([("{{", "}}"), ("{{-", "-}}"), ("{{ ", " -}}")])
    shown = st.tuples(braces, values).map(lambda parts: f"{parts[0][0]} {parts[1]} {parts[0][1]}")
    plain = st.sampled_from(["", " ", "x", "\n", " x ", "\u00a0\n", "{", "}", "%", "é", "}}", "'", "-"])
    written = (
        values.map(lambda value: f"{{% assign v = {value} %}}{{{{ v }}}}")
        | values.map(lambda value: f"{{% echo {value} -%}}")
        | st.sampled_from(["{% increment i %}{{ i }}", "{%- decrement n -%}", "{% cycle 'a', n, nil %}", "{% break %}"])
        | st.sampled_from(["{% raw %} {{ x }}{% endraw -%}", "{% comment %}{{ a }}{% endcomment %}", "{% # note %}"])
        | st.sampled_from(["{% liquid\n if t\n echo s | upcase\n else\n echo n\n endif\n%}", "{% cycle g: 1, 0 %}"])
    )
    return st.recursive(
        st.tuples(plain, shown | written).map("".join),
        lambda inner: (
            st.tuples(values, inner, inner).map(lambda p: f"{{% if {p[0]} %}}{p[1]}{{% else -%}}{p[2]}{{% endif %}}")
            | st.tuples(values, inner, inner).map(
                lambda p: f"{{%- if nul %}}x{{% elsif {p[0]} -%}}{p[1]}{{% endif %}}{p[2]}"
            )
            | st.tuples(values, inner).map(lambda p: f"{{% unless {p[0]} -%}}{p[1]}{{%- endunless %}}")
            | inner.map(lambda part: f"{{% capture v %}}{part}{{% endcapture %}}{{{{ v }}}}")
            | st.tuples(inner, inner).map("".join)
        ),
        max_leaves=4,
    ).filter(lambda template: len(template) <= 1_000)


LIQUID_EVENT: dict[str, Any] = {
    "n": 1999,
    "f": 12.5,
    "z": 0,
    "neg": -2.5,
    "s": "Hello",
    "e": "",
    "sp": "  ",
    "nul": None,
    "t": True,
    "fa": False,
    "l": ["a", 1, None, [True, {"q": 1}], 2.5],
    "le": [],
    "o": {"a": 1, "b": [1, 2], "size": 9, "first": "F"},
    "oe": {},
    "num": "6",
    "emo": "a😀b",
    "key": "a",
    "objs": [{"k": 1, "v": "a"}, {"k": 2, "v": "b"}, {"k": None}, 5],
    "a-b": "dash",
    "d": "2026-01-31T23:05:09.123+02:00",
    "ts": 1769846400,
    "tss": "1769846400",
    "words": " the quick\n brown  Fox – 漢字 äöß ",
    "html": "<b class='x'>A & B</b><script>y</script> &lt;",
    "ünï": 7,
}
TEMPLATES_OF_LIQUID = st.sampled_from(
    ["{{ a }}", "{{a.b}}-{{ c | size }}", "{% if b == 1 %}y{% else %}n{% endif %}", "{{ a | json }}", ""]
    + [
        "{{ b | plus: 1 }}",
        "{{ length }}{{size}}",
        "{{ [0] }}",
        "{% unless a > 5 %}{{ c | default: 'd' }}{% endunless %}",
    ]
)
MAPPINGS = st.dictionaries(
    st.sampled_from("xyz"),
    _directives(st.recursive(SCALARS | _named("@path", PATHS), _directives, max_leaves=5)),
    min_size=1,
    max_size=2,
)
