"""What the emulator works out anew for each request, or for each item of a table, and would find again.

A policy's statements, the tokens of an expression and whether it is well formed depend on nothing but their text. The
emulator reads each anew: for a query its condition once for every item of the partition. The names with an underscore
belong to the pinned version of the emulator; tests/unit/infra/test_emulator_memory.py
compares both.
"""

import copy
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

# Of texts that code and templates have, so there are some hundreds; all that is kept takes a few megabytes.
POLICIES, EXPRESSIONS, MATCHES, HOSTS = 512, 2048, 16_384, 256

Token = tuple[str, str]


def remember() -> None:
    """Have the emulator keep what it has worked out once."""
    # It reads its settings when it is imported.
    from ministack.core import iam_evaluator, router  # noqa: PLC0415
    from ministack.services import dynamodb  # noqa: PLC0415

    iam_evaluator.parse_policy_document = statements_by_document(iam_evaluator.parse_policy_document)
    iam_evaluator.fnmatch_iam = lru_cache(MATCHES)(iam_evaluator.fnmatch_iam)  # an action, and a pattern of actions
    router._host_served_by_stack = hosts_of_services(router, router._host_served_by_stack)
    dynamodb._tokenize = tokens_by_expression(dynamodb._tokenize)
    dynamodb._check_reserved_keyword_usage = by_tokens(dynamodb._check_reserved_keyword_usage)
    dynamodb._check_redundant_parens = by_tokens(dynamodb._check_redundant_parens)
    dynamodb._condition_syntax_error = lru_cache(EXPRESSIONS)(dynamodb._condition_syntax_error)
    dynamodb.copy = SimpleNamespace(copy=copy.copy, deepcopy=copied)


def hosts_of_services(router: Any, is_served: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a host is one by which the emulator tells a service: it is asked before a hundred patterns are tried.

    Most requests by presigned URLs come to an address, which fits none of them.
    """

    @lru_cache(HOSTS)
    def names_service(host: str) -> bool:
        patterns = [each for service in router.SERVICE_PATTERNS.values() for each in service.get("host_patterns", ())]
        return is_served(host) and any(router._anchored_host_pattern(each).search(host) for each in patterns)

    return names_service


def statements_by_document(parse: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """The statements of a policy, which nobody changes, parsed once for each document.

    A document that is no text is told by its identity: IAM and CloudFormation replace one, and never change it.
    """
    parse_text = lru_cache(POLICIES)(parse)
    found: dict[int, tuple[Any, list[Any]]] = {}

    def statements(document: Any) -> list[Any]:
        if isinstance(document, str):
            return parse_text(document)
        known = found.get(id(document))
        if known is not None and known[0] is document:
            return known[1]
        parsed = parse(document)
        if len(found) >= POLICIES:
            found.clear()
        found[id(document)] = document, parsed  # which keeps the document, so that no other one gets its identity
        return parsed

    return statements


def tokens_by_expression(tokenize: Callable[[str], list[Token]]) -> Callable[[str], list[Token]]:
    """The tokens of an expression, in a list of the caller's own."""
    known = lru_cache(EXPRESSIONS)(lambda expression: tuple(tokenize(expression)))
    return lambda expression: list(known(expression))


def by_tokens(check: Callable[..., str | None]) -> Callable[..., str | None]:
    """A check of tokens, made once for the same ones."""
    known = lru_cache(EXPRESSIONS)(check)
    return lambda tokens, *arguments: known(tuple(tokens), *arguments)


def copied(value: Any) -> Any:
    """A copy of JSON that shares nothing with it; of anything else in it, what ``copy.deepcopy`` makes."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None or kind is float:
        return value
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    return copy.deepcopy(value)
