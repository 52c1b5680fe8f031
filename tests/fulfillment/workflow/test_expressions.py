"""Do expressions see their data and arguments, and nothing of the machine they run on?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.workflow import expressions
from fulfillment.workflow.expressions import ExpressionError


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (". + 1", 6),
        (". + $a.n", 7),
        ("[$a, $b]", [{"n": 2}, None]),
        ("empty", None),
        ("1, 2", 1),
        (".x?", None),
        ('"\\(.) of \\($a.n)"', "5 of 2"),
        ("$a as {$n} | $n", 2),
        ("def f: . * 2; f", 10),
        ("if . == 5 then true else false end", True),
        (". # a remark", 5),
        ("{env: 1, input: .}.env", 1),
        ("reduce range(4) as $i (0; . + $i)", 6),
        ("first(repeat(.))", 5),
        ('try error("x") catch .', "x"),
        ('"$missing"', "$missing"),
    ],
)
def test_expression_yields_its_first_value(expression: str, value: Any) -> None:
    assert expressions.evaluate(expression, 5, {"a": {"n": 2}, "b": None, "c": 1}) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("$missing", "missing is not defined"),
        ("nope", "nope/0 is not defined"),
        ("1 +", "syntax error"),
        (".) | (.", "syntax error"),
        ("", "syntax error"),
        ("# only a remark", "syntax error"),
        (".[]", "Cannot iterate over number"),
        ('error("told")', "told"),
        ("error(null)", "null"),
        ("error({a: 1})", "a"),
        ("x" * 400, "x…"),
    ],
)
def test_expression_that_fails_says_why(expression: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason.replace("(", r"\(")):
        expressions.evaluate(expression, 5, {})


@pytest.mark.parametrize(
    "attack",
    [
        "$ENV",
        "$ENV.PATH",
        '"\\($ENV.PATH)"',
        ". as {$ENV} | $ENV",
        "env",
        "env.PATH",
        'env["PATH"]',
        "[env] | tojson",
        "def f: env; f",
        "builtins | env",
        "now",
        "now | todate",
        "0 | localtime",
        '0 | strflocaltime("%Z")',
        "input",
        "[inputs]",
        "input_filename",
        "input_line_number",
        "halt",
        "halt_error",
        "halt_error(3)",
        "debug",
        'debug("x")',
        "stderr",
        '"a" | modulemeta',
        "get_search_list",
        'import "a" as a; .',
        'include "a"; .',
        'import "passwd" as $p {search: "/etc"}; $p',
        'module {name: "x"}; .',
        "$__prog_args",
        "$__prog_name",
        ".) | env | (.",
    ],
)
def test_world_around_jq_is_out_of_reach(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/the-world")
    with pytest.raises(ExpressionError) as refusal:
        expressions.evaluate(attack, {"ENV": 1}, {"a": 1})
    assert "/the-world" not in str(refusal.value)


def test_a_caught_refusal_yields_its_text_and_not_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_THING", "hidden")
    assert expressions.evaluate("try env catch .", 1, {}) == "env is not available to expressions"
    assert expressions.evaluate('[.. | try env catch "no"]', [1], {}) == ["no", "no"]
    assert expressions.evaluate("$__loc__.file", 1, {}) == "<top-level>"


def test_refusal_of_the_clock_names_what_to_use() -> None:
    with pytest.raises(ExpressionError, match=r"\$task.startedAt"):
        expressions.evaluate("now", None, {})


def test_programs_are_compiled_once() -> None:
    expressions._program.cache_clear()
    for number in range(5):
        assert expressions.evaluate(". + $a", number, {"a": 1, "b": number}) == number + 1
    assert expressions._program.cache_info().misses == 1


def test_numbers_that_json_here_cannot_carry_are_refused() -> None:
    with pytest.raises(ExpressionError, match="64-bit"):
        expressions.evaluate(".", 2**64, {})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("${ .x }", 1),
        ("  ${.x}\n", 1),
        ("is ${ .x }", "is ${ .x }"),
        ({"a": ["${ .x }", {"b": "${ $v }"}], "c": 1.5, "d": None}, {"a": [1, {"b": 9}], "c": 1.5, "d": None}),
        ('${ "}" }', "}"),
        ("${\n  .x\n}", 1),
    ],
)
def test_data_is_filled_at_any_depth(template: Any, value: Any) -> None:
    assert expressions.fill(template, {"x": 1}, {"v": 9}) == value


def test_fields_that_are_expressions_may_be_bare_or_wrapped() -> None:
    assert [expressions.bare(text) for text in (".a", "${ .a }", "${.a}")] == [".a", ".a", ".a"]


def test_check_compiles_without_data() -> None:
    expressions.check(".a.b + $x", {"x"})
    with pytest.raises(ExpressionError, match="y is not defined"):
        expressions.check("$y", {"x"})


@pytest.mark.parametrize(
    "expression",
    [
        "$workflow.id",
        "$workflow|.id",
        '$workflow["id"]',
        '$workflow."id"',
        '"\\($workflow.id)" | tostring',
        '[$workflow.input, ($workflow | keys | length)] | if .[1] == 2 then "i-1" else . end',
        "$workflow as $workflow_of | $workflow.id",
        '$workflow.id? // "$workflow"',
    ],
)
def test_argument_is_whole_however_it_is_mentioned(expression: str) -> None:
    assert expressions.evaluate(expression, None, {"workflow": {"id": "i-1", "input": [1]}}) == "i-1"


def test_member_that_an_argument_lacks_is_null() -> None:
    assert expressions.evaluate("[$workflow.other, $workflow.id]", None, {"workflow": {"id": 1}}) == [None, 1]
