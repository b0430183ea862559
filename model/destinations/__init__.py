"""The destination catalogue: one file for each type of destination, with its documentation inside.

To add one:

1. Write ``model/destinations/<type>.py``: a class derived from `destination.HttpDestination`.
2. Describe it in class variables: title, link, default_mappings for each call type, payload_fields, batch_limits.
3. Write its settings as fields, each with a docstring; a credential has the type `model.config.fields.Secret`.
4. Write ``request`` (items to one HTTP call) and, if its responses have a result per item, ``read``.
5. Where its statuses have another meaning than usual, add failure_rules; explain its codes in reasons.
6. Put the class into ``DESTINATIONS`` of ``catalogue.py``; run ``make schema``; test it against a local server that
   checks what the real API documents.
"""
