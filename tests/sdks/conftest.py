"""Topics and a running ingest server, as tests/ingest has them."""

from tests.ingest.conftest import topics as topics
from tests.ingest.conftest import url as url
