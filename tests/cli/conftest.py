from tests.kit.ingest import topics as topics
