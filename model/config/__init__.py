"""What every section of the workspace file needs: field types, ${NAME} references, RE2 patterns, violations.

The sections themselves stand in `model.workspace`, `model.destinations` and `model.alerts`.
"""
