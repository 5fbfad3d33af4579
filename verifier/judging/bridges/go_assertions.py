"""The assertions of testify's packages ``assert`` and ``require`` that tests of public data sets use.

Each has four forms, which differ in nothing but how they are called, so the table holds one line for each; what an
assertion means is in ``golang/assert.go``. To add one: its line.
"""

from __future__ import annotations

from importlib.resources import files

_ASSERTIONS = (
    (
        "Equal",
        "expected, actual interface{}",
        "!isFunc(expected) && !isFunc(actual) && ObjectsAreEqual(expected, actual)",
    ),
    (
        "NotEqual",
        "expected, actual interface{}",
        "!isFunc(expected) && !isFunc(actual) && !ObjectsAreEqual(expected, actual)",
    ),
    ("EqualValues", "expected, actual interface{}", "ObjectsAreEqualValues(expected, actual)"),
    ("NotEqualValues", "expected, actual interface{}", "!ObjectsAreEqualValues(expected, actual)"),
    (
        "Exactly",
        "expected, actual interface{}",
        "reflect.TypeOf(expected) == reflect.TypeOf(actual) && ObjectsAreEqual(expected, actual)",
    ),
    ("Same", "expected, actual interface{}", "reflect.ValueOf(expected).Kind() == reflect.Ptr && expected == actual"),
    ("NotSame", "expected, actual interface{}", "expected != actual"),
    ("True", "value bool", "value"),
    ("False", "value bool", "!value"),
    ("Nil", "value interface{}", "isNil(value)"),
    ("NotNil", "value interface{}", "!isNil(value)"),
    (
        "Zero",
        "value interface{}",
        "value == nil || reflect.DeepEqual(value, reflect.Zero(reflect.TypeOf(value)).Interface())",
    ),
    (
        "NotZero",
        "value interface{}",
        "value != nil && !reflect.DeepEqual(value, reflect.Zero(reflect.TypeOf(value)).Interface())",
    ),
    ("Empty", "value interface{}", "isEmpty(value)"),
    ("NotEmpty", "value interface{}", "!isEmpty(value)"),
    ("IsType", "expected, value interface{}", "reflect.TypeOf(expected) == reflect.TypeOf(value)"),
    ("Error", "err error", "err != nil"),
    ("NoError", "err error", "err == nil"),
    ("EqualError", "err error, message string", "err != nil && err.Error() == message"),
    ("ErrorContains", "err error, part string", "err != nil && strings.Contains(err.Error(), part)"),
    ("Greater", "a, b interface{}", "isOrdered(a, b, 1, 1)"),
    ("GreaterOrEqual", "a, b interface{}", "isOrdered(a, b, 0, 1)"),
    ("Less", "a, b interface{}", "isOrdered(a, b, -1, -1)"),
    ("LessOrEqual", "a, b interface{}", "isOrdered(a, b, -1, 0)"),
    ("Positive", "value interface{}", "isOrdered(value, reflect.Zero(reflect.TypeOf(value)).Interface(), 1, 1)"),
    ("Negative", "value interface{}", "isOrdered(value, reflect.Zero(reflect.TypeOf(value)).Interface(), -1, -1)"),
    ("Len", "value interface{}, size int", "hasLength(value, size)"),
    ("Contains", "list, item interface{}", "both(contains(list, item))"),
    ("NotContains", "list, item interface{}", "lacks(contains(list, item))"),
    ("Subset", "list, part interface{}", "both(subset(list, part))"),
    ("NotSubset", "list, part interface{}", "lacks(subset(list, part))"),
    ("ElementsMatch", "a, b interface{}", "sameElements(a, b)"),
    ("InDelta", "expected, actual interface{}, delta float64", "within(expected, actual, delta)"),
    ("InDeltaSlice", "expected, actual interface{}, delta float64", "withinAll(expected, actual, delta)"),
    ("InEpsilon", "expected, actual interface{}, epsilon float64", "near(expected, actual, epsilon)"),
    ("Panics", "f func()", "panics(f)"),
    ("NotPanics", "f func()", "!panics(f)"),
    ("PanicsWithValue", "value interface{}, f func()", "panicsWith(value, f)"),
    ("PanicsWithError", "message string, f func()", "panicsWithError(message, f)"),
    ("Regexp", "pattern, text interface{}", "matches(pattern, text)"),
    ("NotRegexp", "pattern, text interface{}", "!matches(pattern, text)"),
    (
        "WithinDuration",
        "expected, actual time.Time, delta time.Duration",
        "math.Abs(float64(expected.Sub(actual))) <= float64(delta)",
    ),
    ("Fail", "message string", "false"),
)
_FORMS = """
func {name}(t TestingT, {parameters}, args ...interface{{}}) bool {{
	return check(t, {holds}, "{name}", []interface{{}}{{{names}, args}})
}}

func {name}f(t TestingT, {parameters}, format string, args ...interface{{}}) bool {{
	return {name}(t, {names}, format, args)
}}

func (on *Assertions) {name}({parameters}, args ...interface{{}}) bool {{
	return {name}(on.t, {names}, args...)
}}

func (on *Assertions) {name}f({parameters}, format string, args ...interface{{}}) bool {{
	return {name}(on.t, {names}, format, args)
}}
"""

ASSERTION_NAMES = frozenset(
    (
        "New", "TestingT", "Assertions", "ObjectsAreEqual", "ObjectsAreEqualValues", "FailNow",
        *(f"{name}{form}" for name, _, _ in _ASSERTIONS for form in ("", "f")),
    )
)  # fmt: skip
"""What the package has; a script that uses more needs testify itself."""


def assertions_source(*, package: str) -> str:
    """The source of the package ``assert``, or of ``require``, whose assertions end a test that fails one."""
    text = files("verifier.judging.bridges").joinpath("golang", "assert.go").read_text("utf-8")
    if package == "require":
        text = text.replace("package assert\n", "package require\n").replace("failsNow = false", "failsNow = true")
    return text + "".join(
        _FORMS.format(name=name, parameters=parameters, holds=holds, names=_names(parameters))
        for name, parameters, holds in _ASSERTIONS
    )


def _names(parameters: str) -> str:
    return ", ".join(part.split()[0] for part in parameters.split(", "))
