from tests.kit.sqlite_topics import clock as clock
from tests.kit.sqlite_topics import directory as directory
from tests.kit.sqlite_topics import topics as topics
