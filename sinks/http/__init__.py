"""HTTP calls: one engine of our own, on asyncio protocols. What a response means stands in `model.http`.

`engine`      the interface: one request in, one response or failure out, everything limited; settings.
`client`      `HttpClient`, the engine; an `HttpCall` owns one call: its address, connection and hops.
`deadlines`   owns when each call in flight ends: one timer for all of them.
`pool`        owns which connections are open and which are idle.
`connecting`  opens connections: TCP, the proxy's tunnel, TLS (`certificates`, `proxies`).
`connection`  one connection: owns the bytes of the request in flight and of its response.
`urls`, `requests`, `response_head`, `response_body`: rules without state.
`ssrf_guard`  owns the checked addresses of hosts. `transport_codes` names network and TLS errors.
"""
