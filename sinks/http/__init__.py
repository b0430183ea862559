"""HTTP engines, and what they share: address checks, redirects, proxies, response bodies, transport codes.

What a response means stands in `model.http`.
"""
