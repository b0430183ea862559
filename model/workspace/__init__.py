"""The workspace file: its sections, how it is read, and the rules across sections.

Finding, watching and reloading the file stand in `flows.workspace`.
"""
