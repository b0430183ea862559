"""The webhook's request."""

from sinks.webhook import WebhookSettings, build_request

EVENT = b'{"type":"track", "event":"Order Completed"}'


def test_the_event_goes_out_byte_for_byte_with_one_key_for_all_attempts() -> None:
    settings = WebhookSettings(url="https://partner.test/in", method="PUT", timeout_seconds=2.5)
    request = build_request(settings, EVENT, "d-1")
    assert (request.method, request.url, request.body) == ("PUT", "https://partner.test/in", EVENT)
    assert request.timeout_seconds == 2.5
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "d-1"
    assert request.headers["user-agent"].startswith("Waybill/")
    assert build_request(settings, EVENT, "d-1") == request


def test_headers_of_the_destination_win_except_the_key() -> None:
    headers = {"X-Api-Key": "k", "CONTENT-TYPE": "application/vnd.x+json", "Idempotency-Key": "mine"}
    request = build_request(WebhookSettings(url="https://partner.test/", headers=headers), EVENT, "d-2")
    assert request.headers == {
        "content-type": "application/vnd.x+json",
        "user-agent": request.headers["user-agent"],
        "x-api-key": "k",
        "idempotency-key": "d-2",
    }


def test_settings_do_not_show_their_headers() -> None:
    assert "s3cret" not in repr(WebhookSettings(url="https://partner.test/", headers={"authorization": "s3cret"}))
