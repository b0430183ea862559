"""Decodes chunked bodies with httptools."""

import httptools

_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class ChunkedBody:
    """Appends the chunks of one body to ``body``.

    ``complete``: the last chunk was read; ``surplus``: bytes followed it.
    """

    def __init__(self, body: bytearray) -> None:
        self.complete = False
        self.surplus = False
        self._body = body
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(_HEAD)

    def feed(self, data: bytes | bytearray) -> str:
        """Decode what was received. Returns why the rest cannot be decoded, or ''."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.complete:
                self.surplus = True
            else:
                return f"its chunks are not valid: {error}"
        return ""

    def on_message_begin(self) -> None:
        """Called by httptools."""
        self.surplus = self.complete

    def on_body(self, part: bytes) -> None:
        """Called by httptools."""
        if not self.complete:
            self._body += part

    def on_message_complete(self) -> None:
        """Called by httptools."""
        self.complete = True
