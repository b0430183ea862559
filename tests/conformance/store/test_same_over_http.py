"""Every test of the views, and those of the store that are not about chDB's directory, over HTTP: the same numbers."""

from tests.sql.test_store import (  # noqa: F401
    test_a_refusal_does_not_repeat_what_people_sent,
    test_a_table_that_is_missing_is_no_reason_to_refuse_rows,
    test_bad_rows_are_given_back_and_cost_their_neighbours_nothing,
    test_clickhouse_ranks_as_model_latency_does,
    test_migrating_twice_is_harmless_and_applies_nothing,
    test_parameters_are_values_and_never_sql,
    test_retention_follows_the_workspace,
    test_seconds_in_a_column_of_minutes_are_told_from_milliseconds,
    test_the_views_people_may_read_are_those_of_the_migrations,
    test_threads_use_one_store_at_the_same_time,
    test_times_go_in_and_come_out_as_unix_ms,
)
from tests.sql.test_views import *  # noqa: F403
