from tests.kit.ingest import topics as topics
from tests.kit.ingest import url as url
