from tests.kit.chdb import store as store
