"""The filters of ``@liquid``: those of LiquidJS, which Segment runs, without the ones Segment forbids in mappings."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeAlias

from model.mapping.liquid import dates as liquid_dates
from model.mapping.liquid import list_filters as liquid_list_filters
from model.mapping.liquid import number_filters as liquid_number_filters
from model.mapping.liquid import text_filters as liquid_text_filters
from model.mapping.liquid import web_filters as liquid_web_filters
from model.mapping.liquid.values import LIMIT_CHARS, LiquidFailed, Scope, arity, limited
from model.mapping.values import kind

__all__ = ["FILTERS", "FORBIDDEN", "FROM_LIBRARY", "LIMIT_CHARS", "OWN", "RANDOM", "Filter"]

Filter: TypeAlias = Callable[..., Any]  # takes the scope, a value and the arguments given in the template

FORBIDDEN = frozenset(
    "array_to_sentence_string concat find find_exp find_index find_index_exp group_by group_by_exp has has_exp map"
    " newline_to_br reject reject_exp reverse sort sort_natural type uniq where_exp".split()
)
RANDOM = frozenset({"sample"})


def _guarded(name: str, function: Filter) -> Filter:
    """Wrap a filter: it raises only LiquidFailed, its input and output are bounded, extra arguments are dropped."""
    count = arity(function)
    taken = None if count is None else count - 1  # without the scope

    @wraps(function)
    def call(scope: Scope, *given: Any) -> Any:
        scope.charge(sum(len(one) if isinstance(one, str | list) else 1 for one in given))
        try:
            return limited(function(scope, *given[:taken]))
        except LiquidFailed as error:
            raise LiquidFailed(f"filter {name} {error}") from None
        except RecursionError:
            raise
        except Exception:
            # The text of the original error might quote the event.
            raise LiquidFailed(f"filter {name} cannot work with {kind(given[0])} and what it is given") from None

    return call


def _all_guarded(*filters: Mapping[str, Filter]) -> Mapping[str, Filter]:
    return {name: _guarded(name, function) for some in filters for name, function in some.items()}


FROM_LIBRARY = _all_guarded(
    liquid_dates.LIQUIDJS,
    liquid_list_filters.LIQUIDJS,
    liquid_number_filters.LIQUIDJS,
    liquid_text_filters.LIQUIDJS,
    liquid_web_filters.LIQUIDJS,
)
OWN = _all_guarded(liquid_text_filters.OWN, liquid_web_filters.OWN)
FILTERS: Mapping[str, Filter] = {**FROM_LIBRARY, **OWN}
